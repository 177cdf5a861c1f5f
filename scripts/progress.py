# SPDX-License-Identifier: GPL-2.0
"""What a person sees of long work: steps, their time, and one line on failure.

The commands of a step write to its log file. The terminal gets a line when the step
begins and one when it ends. In between a terminal shows the time that has passed;
anything else gets a line every half minute.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self

from scripts import disk
from scripts.paths import LOGS

# A word of a command line.
Word = str | Path

VERBOSE = os.environ.get("V", "0") not in ("", "0")
_BEGIN = time.monotonic()


@dataclass(eq=False)
class Failed(Exception):
    """A step that could not be done: what, why, where to look, what to do."""

    what: str
    why: str
    log: Path | None = None
    hint: str | None = None

    def __str__(self) -> str:
        line = f"{self.what}: {self.why}"
        if self.log:
            line += f" (log: {self.log})"
        if self.hint:
            line += f"; {self.hint}"
        return line


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def say(text: str) -> None:
    """Prints a line, with the time since the program began."""
    print(f"[{clock(time.monotonic() - _BEGIN):>5}] {text}", flush=True)


class Step:
    """One piece of work with a name and a log file, to be used with `with`."""

    PULSE = 30

    def __init__(self, name: str, log: str) -> None:
        self.name = name
        self.log = LOGS / f"{log}.log"
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")
        self._start = time.monotonic()
        say(f"{self.name} ...")
        self._pulse = threading.Thread(target=self._show_life, daemon=True)
        self._pulse.start()
        return self

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        self._stop.set()
        self._pulse.join()
        took = time.monotonic() - self._start
        if error is None:
            say(f"{self.name}: done in {took:.1f} s")
        elif isinstance(error, OSError):
            self.fail(*disk.explain(error))

    def _show_life(self) -> None:
        terminal = sys.stdout.isatty() and not VERBOSE
        while not self._stop.wait(1 if terminal else self.PULSE):
            took = clock(time.monotonic() - self._start)
            if terminal:
                print(f"        {took}\r", end="", flush=True)
            else:
                say(f"{self.name}: still at it after {took} ({self.log})")

    def fail(self, why: str, hint: str | None = None) -> NoReturn:
        """Ends the step with an error. A full disk is the reason for all other reasons."""
        if full := disk.complaint(self._said()):
            why, hint = full, disk.HINT
        raise Failed(self.name, why, self.log, hint)

    def note(self, text: str) -> None:
        """Adds a line to the log."""
        with self.log.open("a") as log:
            log.write(text + "\n")

    def run(self, command: Iterable[Word], hint: str | None = None, **kwargs: Any) -> None:
        """Runs a command whose output goes to the log; fails if it does."""
        words = [str(word) for word in command]
        self.note("+ " + " ".join(words))
        if VERBOSE:
            print("+ " + " ".join(words), flush=True)
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        with self.log.open("ab") as log:
            try:
                code = subprocess.run(words, stdout=log, stderr=log,
                                      check=False, **kwargs).returncode
            except FileNotFoundError as error:
                self.fail(f"{error.filename} is not installed", hint)
        if code:
            self.fail(f"{Path(words[0]).name} ended with code {code}: "
                      f"{self.last_words()}", hint)

    def last_words(self) -> str:
        """The line of the log that most likely says why a command failed."""
        lines = [line.strip() for line in self._said().splitlines() if line.strip()]
        for line in lines:
            if not line.startswith("+ ") and any(
                    word in line for word in ("error:", "error[", "Error:", "E: ", "fatal:")):
                return line[:200]
        return lines[-1][:200] if lines else "it said nothing"

    def _said(self) -> str:
        """The text of the log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""
