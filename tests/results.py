# SPDX-License-Identifier: GPL-2.0
"""Counts what tests have said, and gives the verdict.

The parser of the kernel's kunit.py reads KTAP, one document at a time. A test without
a result has failed.
"""

import fnmatch
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
from scripts.progress import Failed, say
from tests import skips
from tests.skips import Skip

TESTS = CHECKOUT / "tests/guest"
KUNIT = CHECKOUT / "tests/kunit"
# The scripts there that are no tests.
HELPERS = {"lib.sh", "run.sh"}

# How a suite of KUnit is declared, in Rust and in C.
_SUITE = re.compile(r"\bkunit_tests\((\w+)\)|"
                    r"\bstruct kunit_suite \w+ = \{\n\t\.name = \"(\w+)\",$", re.M)


@dataclass(frozen=True)
class GuestTest:
    """An executable in tests/guest."""

    path: Path
    limit: int      # seconds
    takes: int      # seconds, on the debug kernel without KVM

    @property
    def name(self) -> str:
        return self.path.stem


@dataclass(frozen=True)
class Failure:
    name: str
    why: str
    log: Path | None


class Total:
    """The counts of what ran, the failures and the skips."""

    def __init__(self, passed: int = 0) -> None:
        self.passed = passed
        self.skips: list[Skip] = []
        self.failures: list[Failure] = []

    @property
    def skipped(self) -> int:
        return len(self.skips)

    def add(self, other: "Total") -> None:
        self.passed += other.passed
        self.skips += other.skips
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


def read(source: Path, text: str, name: str, log: Path, script: str = "") -> Total:
    """The total of a KTAP document; source is that of a kernel, which has the parser.

    The document of a script does not name it.
    """
    folder = str(source / "tools/testing/kunit")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    parser = importlib.import_module("kunit_parser")
    silent = importlib.import_module("kunit_printer").null_printer
    test = parser.parse_run_tests(text.splitlines(), silent)
    status = parser.TestStatus
    total = Total(test.counts.passed)

    def walk(test: Any, path: list[str]) -> None:
        if test.subtests:
            for sub in test.subtests:
                walk(sub, path + [sub.name])
        elif test.status == status.SKIPPED:
            total.skips.append(Skip(": ".join(path), test.skip_reason))
        elif test.status != status.SUCCESS:
            why = {status.FAILURE: "failed", status.TEST_CRASHED: "gave no result",
                   status.NO_TESTS: "has no test"}.get(test.status, "is not KTAP")
            total.fail(": ".join(filter(None, [name, *path])), why, log)

    walk(test, [script] if script else [])
    if not total.failures and (test.counts.failed or test.counts.crashed or test.counts.errors
                               or test.counts.skipped != total.skipped or not test.ok_status()):
        total.fail(": ".join(filter(None, (name, script))),
                   "its KTAP is not consistent (plan and results)", log)
    return total


def modules() -> list[str]:
    """The modules that have KUnit suites, whether they were built or not."""
    return ["rdma_restrack",
            *re.findall(r"^obj-m \+= (\w+)\.o$", (KUNIT / "Kbuild").read_text(), re.M)]


def suites(module: str, only: str | None = None) -> set[str]:
    """The KUnit suites in a module's sources that match what the kernel takes as a filter."""
    found = {name for path in _sources(module) for names in _SUITE.findall(path.read_text())
             for name in names if name}
    return {name for name in found
            if fnmatch.fnmatchcase(name, (only or "*").partition(".")[0])}


def _sources(module: str) -> list[Path]:
    """The sources of a module that may have suites."""
    if module == "rdma_restrack":
        return list(CHECKOUT.glob("rust/**/*.rs"))
    objects = re.search(rf"^{module}-y := ((?:.*\\\n)*.*)$", (KUNIT / "Kbuild").read_text(), re.M)
    return [KUNIT / f"{name}.c" for name in re.findall(r"(\w+)\.o", objects[1] if objects else "")]


def kunit(kernel: Kernel, verdict: Verdict, module: str, wanted: set[str],
          only: str | None = None) -> Total:
    """The total of a boot with KUnit, where the suites that are wanted must have run."""
    total = Total()
    variant = kernel.variant.name
    documents = sorted(verdict.results.glob("*.ktap"))
    ran = {document.stem for document in documents}
    for document in documents:
        total.add(read(kernel.source, document.read_text(errors="replace"), variant, document))
    for names, why in ((wanted - ran, "did not run"),
                       (ran - wanted, "ran, and the sources do not say so")):
        if names:
            total.fail(f"{variant}: {', '.join(sorted(names))}", why, verdict.log)
    if verdict.why:
        total.fail(f"{variant}: KUnit in {module}", verdict.why, verdict.log)
    judge_skips(kernel, total, set() if verdict.why or only and "." in only else ran, verdict.log)
    say(f"  {variant}: {module}: {len(documents)} suites, {total.passed} passed, "
        f"{len(total.failures)} failed")
    messages = verdict.results / "dmesg.log"
    if messages.exists():
        say(f"  {variant}: {longest(messages.read_text(errors='replace'))}")
    return total


def longest(messages: str) -> str:
    """What the kernel's messages say of how long suites took: those of a second or more."""
    begins, took = {}, {}
    for time, begun, ended in re.findall(
            r"^\[ *(\d+\.\d+)\] (?:    # Subtest: (\w+)|(?:not )?ok \d+ (\w+))", messages, re.M):
        if begun:
            begins[begun] = float(time)
        elif ended in begins:
            took[ended] = float(time) - begins[ended]
    names = [name for name in sorted(took, key=lambda name: -took[name]) if took[name] >= 1]
    rest = sum(took.values()) - sum(took[name] for name in names)
    return ", ".join([*(f"{name} {took[name]:.0f} s" for name in names),
                      f"{len(took) - len(names)} other suites {rest:.0f} s"])


def judge_skips(kernel: Kernel, total: Total, ran: Iterable[str], log: Path) -> None:
    """Adds a failure for each test that skipped and may not, or did not and should have."""
    for one in skips.wrong(total.skips, skips.allowed(kernel.variant.kernel), ran):
        total.fail(f"{kernel.variant.name}: {one.test}", one.reason, log)


def guest_tests() -> list[GuestTest]:
    """The guest tests: all scripts in the folder but two."""
    found = []
    for path in sorted(TESTS.glob("*.sh")):
        if path.name in HELPERS:
            continue
        if not path.stat().st_mode & 0o111:
            raise Failed("guest tests", f"{path.name} is not executable", None,
                         f"chmod +x {_short(path)}")
        head = "\n".join(path.read_text().splitlines()[:20])
        fields = dict(re.findall(r"^# (time limit|takes): (\d+)\b", head, re.M))
        if len(fields) < 2:
            raise Failed("guest tests", f"the head of {_short(path)} does not have both "
                         "'# time limit: <seconds>' and '# takes: <seconds>'")
        found.append(GuestTest(path, int(fields["time limit"]), int(fields["takes"])))
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
        one = read(kernel.source, log.read_text(errors="replace"), variant, log, test.name)
        for line in said.read_text().splitlines() if said.exists() else ():
            one.fail(name, line, log)
        code = int(done.read_text())
        if code and not one.failures:
            one.fail(name, f"ended with code {code}", log)
        judge_skips(kernel, one, [] if one.failures else [test.name], log)
        total.add(one)
        took = (verdict.results / f"{test.name}.seconds").read_text().strip()
        say(f"  {name}: {one.passed} passed, {len(one.failures)} failed"
            + (f", {one.skipped} skipped" if one.skipped else "") + f", {took} s")
    if verdict.why and not total.failures:
        total.fail(f"{variant}: guest", verdict.why, verdict.log)
    return total
