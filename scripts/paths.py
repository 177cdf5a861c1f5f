# SPDX-License-Identifier: GPL-2.0
"""Folders of the checkout, and the cache."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
BUILD = CHECKOUT / "build"
LOGS = BUILD / "logs"


def cache_folder() -> Path:
    """The folder of the cache."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "rdma_restrack"
