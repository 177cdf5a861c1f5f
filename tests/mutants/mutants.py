# SPDX-License-Identifier: GPL-2.0
"""`make mutants`: breaks the module, one way at a time, and looks which test notices.

mutants.toml has the ways. They are tried in copies of the checkout in build/mutants, one
for each processor; there this file runs as a program. Each mutant names the suite, or the
guest test, that is to catch it. That one runs first, then all KUnit suites. A mutant that
no test catches is a test that is missing. Some mutants need another kernel than the debug
kernel and are tried where KERNEL= asks for it.
"""

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
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

MUTANTS = CHECKOUT / "tests/mutants/mutants.toml"
COPIES = BUILD / "mutants"
# The results of a copy: for each mutant the name and the members of an Outcome.
TABLE = "build/mutants.json"

SUITES = "restrack_*"
# Seconds for a boot with some suites, and for one with all. Some mutants are caught by a hang.
LIMIT, LIMIT_ALL = 150, 400
# A guest test takes so many times as long as some suites.
GUEST_TEST = 4
FAILURE = r"(?:EXPECTATION|ASSERTION) FAILED|not ok \d"


@dataclass(frozen=True)
class Outcome:
    """The result of a mutant."""

    caught: bool
    said: str           # which test caught it, or what went wrong


@dataclass(frozen=True)
class Mutant:
    """A way to break the module: texts to replace in one file."""

    name: str
    file: str
    # Pairs of a text that is there once, and the one that replaces it.
    edits: tuple[tuple[str, str], ...]
    by: str             # a glob of KUnit suites, or a guest test (listing.sh)
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

    def apply(self) -> None:
        self.path.write_text(self.edited())

    def build(self, booted: Kernel) -> Modules:
        """Builds only what the file is a part of."""
        if self.file.startswith("scripts/ib_core/"):
            return modules.build(booted)
        modules.build_restrack(booted, modules.folder(booted.variant) / "module")
        return modules.install(booted)


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


def kunit(booted: Kernel, made: Modules, names: str) -> str | None:
    """Runs KUnit suites; returns the first test that failed, or what else went wrong."""
    command = " ".join(["FIRST_FAILURE=1 exec $CHECKOUT/tests/kunit/run.sh", *made.kunit])
    slower = suites.SLOWER.get(booted.variant.kernel, 1)
    cmdline = (f"kunit.filter_glob={names} loglevel=7 "
               f"sysctl.kernel.hung_task_timeout_secs={50 * slower}")
    verdict = qemu.boot(booted, made.folder, "kunit", command,
                        limit=(LIMIT_ALL if names == SUITES else LIMIT) * slower,
                        machine=qemu.Machine(cpus=4, cmdline=cmdline))
    said = verdict.results / "kernel.log"
    return first_failure(said.read_text(errors="replace") if said.exists() else "", verdict.why)


def first_failure(log: str, why: str) -> str | None:
    """The first test that failed, by the kernel's messages; else why the boot failed, if it did."""
    suite = ""
    for line in log.splitlines():
        if begin := re.search(r"# Subtest: (restrack\w*)", line):
            suite = begin[1]
        elif re.search(FAILURE, line):
            test = re.search(r"# (\w+): \w+ FAILED|not ok \d+ (\w+)", line)
            return f"{suite}: {(test[1] or test[2]) if test else line.strip()}"
        elif qemu.BAD_MESSAGES.search(line):
            return f"{suite}: {re.sub(r'^.*?] ', '', line.strip())[:60]}"
    return f"{suite}: {why}" if why else None


def guest_test(booted: Kernel, made: Modules, script: str) -> str | None:
    """Runs a guest test; returns what failed."""
    tests = [test for test in results.guest_tests() if test.path.name == script]
    if not tests:
        raise Failed(script, "is not a guest test")
    failures = suites.guest_tests(booted, made, "mutants", tests).failures
    return f"{failures[0].name}: {failures[0].why}" if failures else None


def caught(booted: Kernel, made: Modules, by: str) -> str | None:
    """Runs a test, then all KUnit suites if it passes; returns what failed."""
    test = guest_test if by.endswith(".sh") else kunit
    return test(booted, made, by) or (kunit(booted, made, SUITES) if by != SUITES else None)


def variant() -> Variant:
    """The kernel that KERNEL= asks for."""
    return kernels.Variant.asked(os.environ.get("KERNEL") or "debug")


def asked() -> list[Mutant]:
    """The mutants for that kernel that ONLY= names, or all."""
    only, name = os.environ.get("ONLY", ""), variant().kernel
    found = [mutant for mutant in Mutant.read()
             if mutant.kernel == name and re.search(only, mutant.name)]
    if not found:
        raise Failed("mutants", f"none for the kernel '{name}' matches ONLY='{only}'", MUTANTS)
    return found


def share(mutants: Iterable[Mutant], number: int, nr: int) -> list[Mutant]:
    """One of so many parts that take about the same time.

    Those for guest tests are together: their tests must pass on the module as it is first.
    """
    mutants = sorted(mutants, key=lambda mutant: mutant.is_for_guest_test)
    costs = [GUEST_TEST if mutant.is_for_guest_test else 1 for mutant in mutants]
    begins = itertools.accumulate(costs, initial=0)
    return [mutant for mutant, begin in zip(mutants, begins) if begin * nr // sum(costs) == number]


def try_all(mutants: list[Mutant], with_suites: bool) -> list[tuple[str, bool, str]]:
    """Tries the mutants, after the unbroken module, in a copy; returns their results."""
    booted = kernels.get(variant())
    made = modules.build(booted)
    for by in [*([SUITES] if with_suites else []),
               *sorted({m.by for m in mutants if m.is_for_guest_test})]:
        if failed := caught(booted, made, by):
            raise Failed("the module as it is", failed, LOGS)
    say("the module as it is passes")
    table = []
    for number, mutant in enumerate(mutants, 1):
        unharmed = mutant.path.read_text()
        try:
            mutant.apply()
            said = caught(booted, mutant.build(booted), mutant.by)
            outcome = Outcome(bool(said), said or "NOT CAUGHT")
        except Failed as failure:
            outcome = Outcome(False, f"NOT TRIED: {failure.why} {failure.log or ''}".rstrip())
        finally:
            mutant.path.write_text(unharmed)
        table.append((mutant.name, *astuple(outcome)))
        say(f"{number} of {len(mutants)}: {mutant.name}: {outcome.said}")
    return table


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


def run(files: Iterable[Path]) -> int:
    """Tries the mutants in copies of these files; returns the exit code."""
    if wrong := stale():
        raise Failed("mutants", "; ".join(wrong), MUTANTS)
    names = [mutant.name for mutant in asked()]
    nr = min(len(names), os.cpu_count() or 1)
    copies = [COPIES / str(number) for number in range(nr)]
    for into in copies:
        copy(files, into)
    say(f"{len(names)} mutants, in {nr} copies below {COPIES.relative_to(CHECKOUT)}")
    command = [sys.executable, "-B", "-m", "tests.mutants.mutants"]
    programs = [subprocess.Popen([*command, str(number), str(nr)], cwd=into,
                                 stdin=subprocess.DEVNULL)
                for number, into in enumerate(copies)]
    try:
        for program in programs:
            program.wait()
    except BaseException:
        for program in programs:
            program.send_signal(signal.SIGINT)
        raise
    table = {name: Outcome(*members) for into in copies if (into / TABLE).exists()
             for name, *members in json.loads((into / TABLE).read_text())}
    nothing = Outcome(False, "NOT TRIED: its copy did not come to its end")
    width = max(map(len, names))
    for name in names:
        print(f"{name:<{width}}  {table.get(name, nothing).said}")
    bad = sum(not table.get(name, nothing).caught for name in names)
    print(f"{len(names) - bad} mutants caught, {bad} not", flush=True)
    return 1 if bad else 0


def main(number: int, nr: int) -> int:
    """The program that runs in a copy."""
    table = try_all(share(asked(), number, nr), with_suites=not number)
    (CHECKOUT / TABLE).write_text(json.dumps(table))
    return 0


if __name__ == "__main__":
    run_program(lambda: main(*map(int, sys.argv[1:])))
