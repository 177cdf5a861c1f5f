# SPDX-License-Identifier: GPL-2.0
"""The cache folder: what is made once for all checkouts on this machine.

An entry is a folder named by its content and by a hash of how it was made. It is
filled in place, because a kernel's build writes its own path into what it makes.
Its stamp is written last; an entry without a stamp is made anew.

Several checkouts may share the cache. Each entry has a lock file: the second
checkout waits for the first, and then the entry is there. Nothing writes to an
entry that has its stamp.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from scripts.paths import cache_folder
from scripts.progress import say

STAMP = ".complete"

folder = cache_folder


def key(*parts: object) -> str:
    """A short hash of all that the content of an entry depends on."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@contextlib.contextmanager
def lock(path: Path, reason: str) -> Iterator[None]:
    """Holds the lock file at path; says so if it has to wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another make that is busy with {reason}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def entry(name: str, make: Callable[[Path], None]) -> Path:
    """The folder of that name; make(folder) fills it if it is not there."""
    path = folder() / name
    if (path / STAMP).exists():
        return path
    with lock(folder() / "locks" / name.replace("/", "_"), name):
        if not (path / STAMP).exists():
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
            make(path)
            os.sync()
            (path / STAMP).touch()
    return path
