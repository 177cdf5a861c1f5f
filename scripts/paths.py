# SPDX-License-Identifier: GPL-2.0
"""Folders of the checkout."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
BUILD = CHECKOUT / "build"
LOGS = BUILD / "logs"
