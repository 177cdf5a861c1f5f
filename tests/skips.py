# SPDX-License-Identifier: GPL-2.0
"""Which tests may skip, on which kernels and why: skips.toml."""

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SKIPS = Path(__file__).with_name("skips.toml")


@dataclass(frozen=True)
class Skip:
    """A test that has skipped, or may."""

    test: str       # a suite or script, and what is in it: "restrack_c_ids: wraps"
    reason: str

    @property
    def where(self) -> str:
        """The suite or the script."""
        return self.test.partition(": ")[0]

    def covers(self, other: "Skip") -> bool:
        """Returns true if the other skip, perhaps with one parameter, is this one."""
        return self.reason == other.reason and f"{other.test}: ".startswith(f"{self.test}: ")


def allowed(kernel: str) -> list[Skip]:
    """The skips that are allowed on the kernel of that name (KERNEL=)."""
    return [Skip(test, entry["reason"])
            for entry in tomllib.loads(SKIPS.read_text())["skip"] if kernel in entry["kernels"]
            for test in entry["tests"]]


def wrong(seen: Sequence[Skip], known: Iterable[Skip], ran: Iterable[str]) -> Iterator[Skip]:
    """What is wrong with the skips that were seen, a test and a sentence each.

    Ran are the suites and scripts of which all tests ran: there all that may skip must.
    """
    known = list(known)
    for skip in seen:
        if not any(one.covers(skip) for one in known):
            yield Skip(skip.test, f"may not skip here ({skip.reason or 'no reason given'})")
    for one in known:
        if one.where in set(ran) and not any(map(one.covers, seen)):
            yield Skip(one.test, f"does not skip here, but {SKIPS.name} says so")
