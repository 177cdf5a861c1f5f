# SPDX-License-Identifier: GPL-2.0
"""Counts what tests have said, and gives the verdict.

The parser of the kernel's kunit.py reads KTAP, one document at a time. A test without
a result has failed.
"""

import importlib
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.guest.qemu import Verdict
from scripts.kernel.kernels import Kernel
from scripts.paths import CHECKOUT
from scripts.progress import say

TESTS = CHECKOUT / "tests/guest"


@dataclass(frozen=True)
class GuestTest:
    """An executable in tests/guest."""

    path: Path
    limit: int      # seconds

    @property
    def name(self) -> str:
        return self.path.stem


@dataclass(frozen=True)
class Failure:
    name: str
    why: str
    log: Path | None


class Total:
    """The counts of what ran, and the failures."""

    def __init__(self, passed: int = 0, skipped: int = 0) -> None:
        self.passed, self.skipped = passed, skipped
        self.failures: list[Failure] = []

    def add(self, other: "Total") -> None:
        self.passed += other.passed
        self.skipped += other.skipped
        self.failures += other.failures

    def fail(self, name: str, why: str, log: Path | None) -> None:
        self.failures.append(Failure(name, why, log))

    def conclude(self) -> int:
        """Prints the failures and the closing line; returns the exit code."""
        for failure in self.failures:
            print(f"FAILED {failure.name}: {failure.why}"
                  + (f" (log: {_short(failure.log)})" if failure.log else ""))
        print(f"{self.passed} passed, {len(self.failures)} failed, "
              f"{self.skipped} skipped", flush=True)
        return 0 if self.passed and not self.failures else 1


def _short(path: Path) -> Path:
    return path.relative_to(CHECKOUT) if path.is_relative_to(CHECKOUT) else path


def read(source: Path, text: str, name: str, log: Path) -> Total:
    """The total of a KTAP document; source is that of a kernel, which has the parser."""
    folder = str(source / "tools/testing/kunit")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    parser = importlib.import_module("kunit_parser")
    silent = importlib.import_module("kunit_printer").null_printer
    test = parser.parse_run_tests(text.splitlines(), silent)
    status = parser.TestStatus
    total = Total(test.counts.passed, test.counts.skipped)

    def walk(test: Any, path: list[str]) -> None:
        if test.subtests:
            for sub in test.subtests:
                walk(sub, path + [sub.name])
        elif test.status not in (status.SUCCESS, status.SKIPPED):
            why = {status.FAILURE: "failed", status.TEST_CRASHED: "gave no result",
                   status.NO_TESTS: "has no test"}.get(test.status, "is not KTAP")
            total.fail(": ".join([name, *filter(None, path)]), why, log)

    walk(test, [])
    if not total.failures and (test.counts.failed or test.counts.crashed
                               or test.counts.errors or not test.ok_status()):
        total.fail(name, "its KTAP is not consistent (plan and results)", log)
    return total


def kunit(kernel: Kernel, verdict: Verdict, modules: Iterable[str],
          only: str | None = None) -> Total:
    """The total of a boot with KUnit. Each module must have run a suite, unless only some ran."""
    total = Total()
    variant = kernel.variant.name
    documents = sorted(verdict.results.glob("*.ktap"))
    for module in ("rdma_restrack", *modules):
        mine = [d for d in documents if d.name.startswith(f"{module}.")]
        if not mine:
            if not only:
                total.fail(f"{variant}: {module}", "ran no KUnit suite", verdict.log)
            continue
        before, bad = total.passed, len(total.failures)
        for document in mine:
            total.add(read(kernel.source, document.read_text(errors="replace"), variant, document))
        say(f"  {variant}: {module}: {len(mine)} suites, {total.passed - before} passed, "
            f"{len(total.failures) - bad} failed")
    if verdict.why:
        total.fail(f"{variant}: KUnit", verdict.why, verdict.log)
    return total


def guest_tests() -> list[GuestTest]:
    """The guest tests, in the order in which they run."""
    found = []
    for path in sorted(TESTS.glob("*.sh")):
        if path.stat().st_mode & 0o111:
            head = "".join(path.open().readlines()[:20])
            limit = re.search(r"^# time limit: (\d+)", head, re.M)
            found.append(GuestTest(path, int(limit[1]) if limit else 60))
    return found


def guest(kernel: Kernel, verdict: Verdict, tests: list[GuestTest]) -> Total:
    """The total of a boot with guest tests."""
    total = Total()
    variant = kernel.variant.name
    for test in tests:
        name = f"{variant}: {test.name}"
        log = verdict.results / f"{test.name}.log"
        said = verdict.results / f"{test.name}.complaint"
        done = verdict.results / f"{test.name}.code"
        if not log.exists():
            total.fail(name, "did not run", verdict.log)
            continue
        if not done.exists():
            total.fail(name, verdict.why or "did not end", verdict.log)
            continue
        one = read(kernel.source, log.read_text(errors="replace"), name, log)
        for line in said.read_text().splitlines() if said.exists() else ():
            one.fail(name, line, log)
        code = int(done.read_text())
        if code and not one.failures:
            one.fail(name, f"ended with code {code}", log)
        total.add(one)
        say(f"  {name}: {one.passed} passed, {len(one.failures)} failed"
            + (f", {one.skipped} skipped" if one.skipped else ""))
    if verdict.why and not total.failures:
        total.fail(f"{variant}: guest", verdict.why, verdict.log)
    return total
