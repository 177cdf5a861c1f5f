# SPDX-License-Identifier: GPL-2.0
"""How a program ends: an error is one line, and nothing that it has started outlives it."""

import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from scripts import children, disk
from scripts.progress import Failed

# ^C, `kill`, and a terminal that is closed.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(main: Callable[[], int]) -> NoReturn:
    """Runs main and exits with the code that it returns; after a signal with 128 + its number."""
    children.adopt_orphans()
    for number in SIGNALS:
        # nohup has one of them ignored.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    threading.Thread(target=_watch_output, daemon=True).start()
    try:
        sys.exit(main())
    except Failed as failure:
        _say(f"FAILED {failure}")
        code = 1
    except KeyboardInterrupt as interrupt:
        # Threads may have started more of them meanwhile.
        children.kill()
        _say("interrupted")
        code = 128 + interrupt.args[0]
    except OSError as error:
        children.kill()
        why, hint = disk.explain(error)
        _say(f"FAILED {Failed('system', why, None, hint)}")
        code = 1
    # Not sys.exit(), which would wait for threads and write to an output that may be gone.
    os._exit(code)


def _watch_output() -> None:
    """Sends SIGHUP when nobody reads the output any more.

    A terminal that is closed sends it to its first process only, which may be make.
    """
    watch = select.poll()
    watch.register(sys.stdout.fileno(), 0)
    if any(event & (select.POLLHUP | select.POLLERR) for _, event in watch.poll()):
        os.kill(os.getpid(), signal.SIGHUP)


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    """Ends what runs, while the locks are held, and raises KeyboardInterrupt."""
    for other in SIGNALS:
        # ^C again means at once. Others may come with the first: a closed terminal sends
        # one, and so does its shell.
        signal.signal(other, _give_up if other == signal.SIGINT else signal.SIG_IGN)
    children.end()
    raise KeyboardInterrupt(number)


def _give_up(number: int, _frame: FrameType | None) -> NoReturn:
    """Ends the program at once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    children.kill()
    os._exit(128 + number)


def _say(line: str) -> None:
    """Prints a line after all that was printed before."""
    try:
        sys.stdout.flush()
        print(line, file=sys.stderr, flush=True)
    except OSError:
        pass            # the terminal is gone
