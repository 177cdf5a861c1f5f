# SPDX-License-Identifier: GPL-2.0
"""All processes that this one has started, and that those have started."""

import ctypes
import os
import re
import signal
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36

# Seconds that they have to remove what they have half written.
PATIENCE = 10


def adopt_orphans() -> None:
    """Lets orphans among them become children of this process, where living() finds them."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def living(stats: list[str] | None = None) -> dict[int, str]:
    """Their numbers and names; stats is for tests."""
    below: dict[int, list[tuple[int, str]]] = {}
    for stat in _stats() if stats is None else stats:
        # A name may have spaces and brackets.
        found = re.match(r"(\d+) \((.*)\) (\S) (\d+) ", stat, re.S)
        if found and found[3] not in "ZX":
            below.setdefault(int(found[4]), []).append((int(found[1]), found[2]))
    names, ask = {}, [os.getpid()]
    while ask:
        for number, name in below.get(ask.pop(), ()):
            names[number] = name
            ask.append(number)
    return names


def _stats() -> list[str]:
    texts = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            texts.append(path.read_text(errors="replace"))
        except OSError:
            pass        # it has ended
    return texts


def _signal(processes: dict[int, str], number: signal.Signals) -> None:
    for process in processes:
        try:
            os.kill(process, number)
        except OSError:
            pass        # it has ended, or is setuid and ends with its parent


def kill() -> None:
    """Ends them at once."""
    nobody = 0
    for _ in range(100):
        left = living()
        # One that has just lost its parent may be missed once.
        nobody = 0 if left else nobody + 1
        if nobody == 2:
            return
        _signal(left, signal.SIGKILL)
        time.sleep(0.02)


def end() -> None:
    """Ends them, and kills those that do not end.

    make, for example, removes the files that it has half written. bwrap would kill all
    that is in it at once, and ends by itself when that has ended.
    """
    _signal({number: name for number, name in living().items() if name != "bwrap"},
            signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    while living() and time.monotonic() < deadline:
        time.sleep(0.02)
    kill()
