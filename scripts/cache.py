# SPDX-License-Identifier: GPL-2.0
"""The cache folder: what is made once for all checkouts on this machine.

An entry is a folder named by its content and by a hash of how it was made. It is
filled in place, because a kernel's build writes its own path into what it makes.
Its stamp is written last; an entry without a stamp is made anew.

Several checkouts may share the cache. Each entry has a lock file. Whoever makes or
removes the entry holds the lock exclusively; a make that uses it shares the lock until
it ends. Nothing writes to an entry that has its stamp.

Each checkout has a file of marks, which says what it uses each entry for. Another entry
for the same use takes the place of the first one.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from scripts import disk
from scripts.paths import CHECKOUT, cache_folder
from scripts.progress import Failed, say

STAMP = ".complete"

folder = cache_folder


def key(*parts: object) -> str:
    """A short hash of all that the content of an entry depends on."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def lock_file(name: str) -> Path:
    """The lock file of an entry, whose time is that of the last use."""
    return folder() / "locks" / name.replace("/", "_")


@contextlib.contextmanager
def lock(path: Path, reason: str) -> Iterator[None]:
    """Holds the lock file at path; says so if it has to wait."""
    held = _flock(path, fcntl.LOCK_EX, reason)
    try:
        yield
    finally:
        os.close(held)


def _flock(path: Path, how: int, reason: str) -> int:
    """Locks the file at path and returns its descriptor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"waiting for another make that is busy with {reason}")
        fcntl.flock(file, how)
    os.utime(file)
    return file


def exists(name: str) -> bool:
    """Returns true if the cache has that entry, complete."""
    return (folder() / name / STAMP).exists()


def entry(use: str, name: str, make: Callable[[Path], None], size: int) -> Path:
    """The folder of that name; make(folder) fills it if it is not there.

    The use is what this checkout needs it for. No more than size bytes are needed to make it.
    """
    while True:
        # The lock is held until the program ends.
        held = _flock(lock_file(name), fcntl.LOCK_SH, name)
        if exists(name):
            _mark(use, name)
            return folder() / name
        os.close(held)
        with lock(lock_file(name), name):
            if not exists(name):
                want_room(name, size)
                _fill(folder() / name, make)


def want_room(what: str, size: int) -> None:
    """Fails if the disk of the cache has no room for size bytes more."""
    if (free := disk.free(folder())) < size:
        raise Failed(what, f"needs {disk.readable(size)} of disk, and "
                     f"{disk.readable(free)} are free in {folder()}", None, disk.HINT)


def _fill(path: Path, make: Callable[[Path], None]) -> None:
    """Makes an entry. Nothing is left of one that cannot be made."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        make(path)
        os.sync()
        (path / STAMP).touch()
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise


def remove(name: str, unneeded: Callable[[], bool]) -> bool:
    """Removes an entry if that is so, unless a make uses it; returns true if it is gone."""
    lock_file(name).parent.mkdir(exist_ok=True)
    file = os.open(lock_file(name), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not unneeded():
            return False
        # Without its stamp it counts as interrupted, should this be.
        (folder() / name / STAMP).unlink(missing_ok=True)
        shutil.rmtree(folder() / name)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(file)


# Marks of checkouts

def _mark(use: str, name: str) -> None:
    """Notes that this checkout uses an entry."""
    path = folder() / "checkouts" / f"{key(str(CHECKOUT))}.json"
    _, uses = read_marks(path)
    if uses.get(use) == name:
        os.utime(path)
        return
    path.parent.mkdir(exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"checkout": str(CHECKOUT), "uses": uses | {use: name}}))
    fresh.rename(path)


def read_marks(path: Path) -> tuple[Path | None, dict[str, str]]:
    """The checkout that the file of marks is of, and its entries by their uses."""
    try:
        read = json.loads(path.read_text())
        return Path(read["checkout"]), dict(read["uses"])
    except (OSError, ValueError, KeyError):
        return None, {}
