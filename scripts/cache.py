# SPDX-License-Identifier: GPL-2.0
"""The cache folder: what is made once for every checkout on this machine.

An entry is a folder named by what it holds and by a hash of how it was made.
It is filled in place, because kernel builds write their own path into what
they make, and counts only once its stamp is there: the stamp is the last
thing written, so an entry whose making was interrupted is made anew.

One lock file per entry lets several checkouts share the cache: the second one
waits for the first and finds the entry whole. Nothing writes to a whole entry.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from scripts.progress import say

STAMP = ".complete"


def folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "rdma_restrack"


def key(*parts: object) -> str:
    """A short hash of everything that an entry's content depends on."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@contextlib.contextmanager
def lock(path: Path, reason: str) -> Iterator[None]:
    """Holds the lock file at path; says so when it has to wait for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another make that is busy with {reason}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def whole(name: str) -> bool:
    return (folder() / name / STAMP).exists()


def entry(name: str, make: Callable[[Path], None]) -> Path:
    """The folder of that name, filled by make(folder) if it is not whole."""
    path = folder() / name
    if whole(name):
        return path
    with lock(folder() / "locks" / name.replace("/", "_"), name):
        if not whole(name):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
            make(path)
            os.sync()
            (path / STAMP).touch()
    return path
