# SPDX-License-Identifier: GPL-2.0
"""Room on the disks that are written to: of the cache, of build/ and of temporary files."""

import errno
import os
from pathlib import Path

from scripts.paths import BUILD, cache_folder

# With less free than this, a disk is full.
_FULL = 4 << 20
# What programs print when a write fails for want of room.
_WORDS = ("No space left on device", "Disk quota exceeded", "not enough free space")

# Where large temporary files are, unless TMPDIR says something else.
TEMPORARY = "/var/tmp"

HINT = "make room and run it again; `make cache` shows what lies in the cache"


def readable(size: int) -> str:
    """A number of bytes for a person."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def free(path: Path) -> int:
    """The free bytes on the disk of a path, which need not exist; 0 if no file can be made."""
    while not path.exists():
        path = path.parent
    room = os.statvfs(path)
    return room.f_bavail * room.f_frsize if room.f_favail or not room.f_files else 0


def complaint(said: str = "") -> str | None:
    """Says which disk is full; nothing if none is and none was when a program said this."""
    rooms = {path: free(path) for path in
             (cache_folder(), BUILD, Path(os.environ.get("TMPDIR") or TEMPORARY))}
    full = [str(path) for path, room in rooms.items() if room < _FULL]
    if full:
        return f"the disk of {full[0]} is full"
    if any(word in said for word in _WORDS):
        return "a disk was full; free are " + ", ".join(
            f"{readable(room)} in {path}" for path, room in rooms.items())
    return None


def explain(error: OSError) -> tuple[str, str | None]:
    """What a person is told of an error of the system: why, and what to do."""
    why = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return complaint(_WORDS[0]) or why, HINT
    if error.filename:
        why += f": {os.fsdecode(error.filename)}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return why, "does it belong to another user?"
    return why, None
