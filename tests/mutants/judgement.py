# SPDX-License-Identifier: GPL-2.0
"""What a guest with a broken module says: that a test failed, that all passed, or neither.

Only the test that is meant for the mutant counts, and only what it says or the kernel
says while it runs. A guest that does not start, a module that does not load, a time
limit and the like prove nothing: they are NOT_TRIED.
"""

import re
from dataclasses import dataclass

from scripts.guest.qemu import BAD_MESSAGES, unexpected

CAUGHT, PASSED, NOT_TRIED = "caught", "passed", "not tried"

# What the kernel also says where only the machine is too slow or too small.
MACHINE = re.compile(r"lockup|blocked for more|not syncing: .*memory|Out of memory")


@dataclass(frozen=True)
class Outcome:
    """What came of a test."""

    kind: str           # CAUGHT, PASSED or NOT_TRIED
    said: str = ""      # the test that failed, or why none ran to its end


def of_suite(suite: str, messages: str, why: str) -> Outcome:
    """Of a KUnit suite, by the kernel's messages; why says what went wrong with the guest."""
    runs = passed = False
    for line in _without_time(messages):
        if line == f"    # Subtest: {suite}":
            runs = True
        elif runs and (failed := _failed_test(line)):
            return Outcome(CAUGHT, f"{suite}: {failed}")
        elif re.match(rf"ok \d+ {suite}\b", line):
            runs, passed = False, True
    if passed and not why:
        return Outcome(PASSED)
    return Outcome(NOT_TRIED, why or f"{suite} gave no result")


def of_guest_test(test: str, log: str, left: str, code: str, messages: str,
                  why: str) -> Outcome:
    """Of a guest test, by its output, what it left behind, and its exit code."""
    for line in log.splitlines():
        if failed := re.match(r"not ok \d+ (.*)", line):
            return Outcome(CAUGHT, f"{test}: {failed[1]}")
    if left.startswith("left "):
        return Outcome(CAUGHT, f"{test}: {left.splitlines()[0][:60]}")
    runs = False
    for line in _without_time(messages):
        if line == f"guest tests: start of {test}":
            runs = True
        elif runs and (complaint := _complaint(line)):
            return Outcome(CAUGHT, f"{test}: {complaint}")
    if code.strip() == "0" and not why:
        return Outcome(PASSED)
    return Outcome(NOT_TRIED, why or f"{test} gave no result")


def _without_time(messages: str) -> list[str]:
    """The lines without what printk puts before them, and without provoked warnings."""
    return [re.sub(r"^(\[[^]]*\])+ ", "", line).rstrip() for line in unexpected(messages)]


def _failed_test(line: str) -> str | None:
    """The test that failed, or the complaint of the kernel, if the line says such a thing."""
    if test := re.search(r"# (\w+): (?:EXPECTATION|ASSERTION) FAILED|^ *not ok \d+ (\S.*)", line):
        return test[1] or test[2]
    return _complaint(line)


def _complaint(line: str) -> str | None:
    """The complaint of the kernel, if the line is one about the module."""
    return line.strip()[:60] if BAD_MESSAGES.search(line) and not MACHINE.search(line) else None
