# SPDX-License-Identifier: GPL-2.0
"""`make mutants`: breaks the module, one way at a time, and looks whether a test notices.

mutants.toml has the ways. They are tried in copies of the checkout in build/mutants, one
for each processor; there this file runs as a program. Each mutant names the KUnit suite,
or the guest test, that is to catch it. Only that one runs, and only it counts: see
judgement.py. On the module as it is, all tests that a copy needs must pass first.
"""

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

from scripts.guest import qemu
from scripts.kernel import kernels, modules
from scripts.kernel.kernels import Kernel, Variant
from scripts.kernel.modules import Modules
from scripts.paths import BUILD, CHECKOUT, LOGS
from scripts.program import run as run_program
from scripts.progress import Failed, say
from tests import results, suites
from tests.mutants import judgement
from tests.mutants.judgement import CAUGHT, NOT_TRIED, PASSED, Outcome

MUTANTS = CHECKOUT / "tests/mutants/mutants.toml"
COPIES = BUILD / "mutants"
# The results of a copy: for each mutant the name and the members of an Outcome.
TABLE = "build/mutants.json"

# Seconds for a boot and a suite; a guest test has a limit of its own.
LIMIT = 240
# The kernels of the mutants that are tried if KERNEL= asks for none. Others take long to build.
KERNELS = ("debug", "stock")


@dataclass(frozen=True)
class Mutant:
    """A way to break the module: texts to replace in one file."""

    name: str
    file: str
    # Pairs of a text that is there once, and the one that replaces it.
    edits: tuple[tuple[str, str], ...]
    by: str             # a KUnit suite, or a guest test (listing.sh)
    kernel: str         # the kernel on which that notices

    @staticmethod
    def read() -> list["Mutant"]:
        found = tomllib.loads(MUTANTS.read_text())["mutant"]
        return [Mutant(m["name"], m["file"], tuple(map(tuple, m["edits"])), m["by"],
                       m.get("kernel", "debug"))
                for m in found]

    @property
    def path(self) -> Path:
        return CHECKOUT / self.file

    @property
    def is_for_guest_test(self) -> bool:
        return self.by.endswith(".sh")

    @property
    def is_of_ib_core(self) -> bool:
        return self.file.startswith("scripts/ib_core/")

    @property
    def cost(self) -> int:
        """How long it takes, compared with others."""
        return 1 + 2 * self.is_of_ib_core + 4 * self.is_for_guest_test

    def edited(self) -> str:
        """The text of the broken file."""
        if not self.path.exists():
            raise Failed(self.name, f"there is no {self.file}")
        text = self.path.read_text()
        for there, instead in self.edits:
            if text.count(there) != 1:
                raise Failed(self.name, f"{self.file} has {text.count(there)} times, not once: "
                             f"{there.strip()!r}")
            text = text.replace(there, instead)
        return text

    def build(self, booted: Kernel) -> Modules:
        """Builds only what the file is a part of."""
        if self.is_of_ib_core:
            return modules.build(booted)
        modules.build_restrack(booted, modules.folder(booted.variant) / "module")
        return modules.install(booted)

    def run(self, booted: Kernel) -> Outcome:
        """Breaks the module and runs the test."""
        unharmed = self.path.read_text()
        try:
            self.path.write_text(self.edited())
            return run(booted, self.build(booted), [self.by])[self.by]
        except Failed as failure:
            return Outcome(NOT_TRIED, f"{failure.why} {failure.log or ''}".rstrip())
        finally:
            self.path.write_text(unharmed)


def stale() -> list[str]:
    """The mutants that cannot be applied, or share a name, and why."""
    wrong, names = [], set()
    for mutant in Mutant.read():
        if mutant.name in names:
            wrong.append(f"{mutant.name}: there are two of this name")
        names.add(mutant.name)
        try:
            mutant.edited()
        except Failed as failure:
            wrong.append(str(failure))
    return wrong


def run(booted: Kernel, made: Modules, tests: list[str]) -> dict[str, Outcome]:
    """Runs tests of one kind in one guest, which ends with the first failure of a single one."""
    guest = guest_tests if tests[0].endswith(".sh") else kunit
    return guest(booted, made, tests, "FIRST_FAILURE=1 " if len(tests) == 1 else "")


def kunit(booted: Kernel, made: Modules, tests: list[str], words: str) -> dict[str, Outcome]:
    """Runs KUnit suites."""
    slower = suites.SLOWER.get(booted.variant.kernel, 1)
    verdict = qemu.boot(
        booted, made.folder, "kunit",
        f"{words}SUITES='{' '.join(tests)}' exec $CHECKOUT/tests/mutants/suites.sh "
        + " ".join(made.kunit),
        limit=LIMIT * slower * len(tests),
        machine=qemu.Machine(cpus=4, memory="1G", cmdline=(
            # The program that starts a suite waits for it, which is no hang.
            f"kunit.autorun=0 sysctl.kernel.hung_task_timeout_secs={LIMIT * slower}")))
    said = _text(verdict.results / "kernel.log")
    return {test: judgement.of_suite(test, said, verdict.why) for test in tests}


def guest_tests(booted: Kernel, made: Modules, tests: list[str], words: str) -> dict[str, Outcome]:
    """Runs guest tests."""
    found = [test for test in results.guest_tests() if test.path.name in tests]
    if len(found) != len(tests):
        raise Failed("mutants", f"{' '.join(tests)} are not all guest tests", MUTANTS)
    verdict = qemu.boot(
        booted, made.folder, "guest-test",
        f"{words}TESTS='{' '.join(tests)}' exec bash $CHECKOUT/tests/mutants/guest_test.sh",
        limit=LIMIT + sum(test.limit for test in found),
        machine=qemu.Machine(cmdline=suites.NO_KUNIT))

    def said(name: str) -> str:
        return _text(verdict.results / name)

    return {test.path.name: judgement.of_guest_test(
        test.name, said(f"{test.name}.log"), said(f"{test.name}.complaint"),
        said(f"{test.name}.code"), said("kernel.log"), verdict.why) for test in found}


def _text(path: Path) -> str:
    """What a guest has written, if it has."""
    return path.read_text(errors="replace") if path.exists() else ""


def asked() -> list[Mutant]:
    """The mutants for the kernel that KERNEL= asks for, or for KERNELS, that ONLY= names."""
    only = os.environ.get("ONLY", "")
    names = (os.environ["KERNEL"],) if os.environ.get("KERNEL") else KERNELS
    found = [mutant for mutant in Mutant.read()
             if mutant.kernel in names and re.search(only, mutant.name)]
    if not found:
        raise Failed("mutants", f"none for {' or '.join(names)} matches ONLY='{only}'", MUTANTS)
    return found


def share(mutants: Iterable[Mutant], number: int, nr: int) -> list[Mutant]:
    """One of so many parts that take about the same time, with few tests in each."""
    mutants = sorted(mutants, key=lambda mutant: (mutant.kernel, mutant.is_for_guest_test,
                                                  mutant.is_of_ib_core, mutant.by))
    costs = [mutant.cost for mutant in mutants]
    begins = itertools.accumulate(costs, initial=0)
    return [mutant for mutant, begin in zip(mutants, begins) if begin * nr // sum(costs) == number]


def try_unbroken(booted: Kernel, mutants: Iterable[Mutant]) -> None:
    """The tests that the mutants name must pass on the module as it is."""
    made = modules.build(booted)
    names = sorted({(mutant.is_for_guest_test, mutant.by) for mutant in mutants})
    for _, tests in itertools.groupby(names, key=lambda name: name[0]):
        for test, outcome in run(booted, made, [by for _, by in tests]).items():
            if outcome.kind != PASSED:
                raise Failed("the module as it is", f"{test}: {outcome.said}", LOGS)
    say(f"the module as it is passes {', '.join(by for _, by in names)}")


def try_all(mutants: list[Mutant]) -> list[tuple[str, str, str]]:
    """Tries the mutants, after the unbroken module, in a copy; returns their results."""
    table: list[tuple[str, str, str]] = []
    for kernel, group in itertools.groupby(mutants, key=lambda mutant: mutant.kernel):
        booted, these = kernels.get(Variant.asked(kernel)), list(group)
        try_unbroken(booted, these)
        for mutant in these:
            begin = time.monotonic()
            outcome = mutant.run(booted)
            table.append((mutant.name, *astuple(outcome)))
            say(f"{len(table)} of {len(mutants)}, {time.monotonic() - begin:.0f} s: "
                f"{mutant.name}: {spoken(mutant, outcome)}")
    return table


def spoken(mutant: Mutant, outcome: Outcome) -> str:
    """The outcome for a person."""
    return {CAUGHT: outcome.said, PASSED: f"NOT CAUGHT by {mutant.by}"}.get(
        outcome.kind, f"NOT TRIED: {outcome.said}")


def copy(files: Iterable[Path], into: Path) -> None:
    """Brings a copy up to date. Files that do not change keep their time, for make."""
    (into / "build").mkdir(parents=True, exist_ok=True)
    (into / TABLE).unlink(missing_ok=True)
    names = {path.relative_to(CHECKOUT) for path in files}
    for old in into.rglob("*"):
        name = old.relative_to(into)
        if old.is_file() and name.parts[0] != "build" and name not in names:
            old.unlink()
    for name in names:
        new, old = CHECKOUT / name, into / name
        if not old.exists() or old.read_bytes() != new.read_bytes():
            old.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(new, old)
        shutil.copymode(new, old)


def run_copies(copies: list[Path]) -> None:
    """Runs this program in each copy at the same time."""
    command = [sys.executable, "-B", "-m", "tests.mutants.mutants"]
    programs = [subprocess.Popen([*command, str(number), str(len(copies))], cwd=into,
                                 stdin=subprocess.DEVNULL)
                for number, into in enumerate(copies)]
    try:
        for program in programs:
            program.wait()
    except BaseException:
        for program in programs:
            program.send_signal(signal.SIGINT)
        raise


def try_in_copies(files: Iterable[Path]) -> int:
    """Tries the mutants in copies of these files; returns the exit code."""
    if wrong := stale():
        raise Failed("mutants", "; ".join(wrong), MUTANTS)
    mutants = asked()
    copies = [COPIES / str(number) for number in range(min(len(mutants), os.cpu_count() or 1))]
    for into in copies:
        copy(files, into)
    say(f"{len(mutants)} mutants, in {len(copies)} copies below {COPIES.relative_to(CHECKOUT)}")
    run_copies(copies)
    table = {name: Outcome(*members) for into in copies if (into / TABLE).exists()
             for name, *members in json.loads((into / TABLE).read_text())}
    return conclude(mutants, table)


def conclude(mutants: list[Mutant], table: dict[str, Outcome]) -> int:
    """Prints what came of each mutant; returns the exit code."""
    width = max(len(mutant.name) for mutant in mutants)
    nothing = Outcome(NOT_TRIED, "its copy did not come to its end")
    outcomes = [table.get(mutant.name, nothing) for mutant in mutants]
    for mutant, outcome in zip(mutants, outcomes):
        print(f"{mutant.name:<{width}}  {spoken(mutant, outcome)}")
    kinds = [outcome.kind for outcome in outcomes]
    print(f"{kinds.count(CAUGHT)} mutants caught, {kinds.count(PASSED)} not caught, "
          f"{kinds.count(NOT_TRIED)} not tried", flush=True)
    return 0 if kinds.count(CAUGHT) == len(kinds) else 1


def main(number: int, nr: int) -> int:
    """The program that runs in a copy."""
    (CHECKOUT / TABLE).write_text(json.dumps(try_all(share(asked(), number, nr))))
    return 0


if __name__ == "__main__":
    run_program(lambda: main(*map(int, sys.argv[1:])))
