# SPDX-License-Identifier: GPL-2.0
"""`make mutants`: the module broken on purpose, one way at a time, and the test that notices.

tests/mutants/mutants.toml has the ways. They are tried in a copy of the checkout in
build/mutants, which is where this file runs as a program; the checkout is not touched. Each
mutant names the suite, or the guest test, that is to catch it, and that one runs first; if it
does not, all KUnit suites run. A mutant that no test catches is a test that is missing.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass

import guest
import kernel
import modules
import results
from buildroot import CHECKOUT
from modules import LOGS
from progress import Failed, say

MUTANTS = CHECKOUT / "tests/mutants/mutants.toml"
COPY = modules.BUILD / "mutants"

SUITES = "restrack_*"
# Seconds for a boot with some suites, hangs included (that is how some mutants are caught), and
# for one with all of them.
LIMIT, LIMIT_ALL = 150, 400
FAILURE = r"(?:EXPECTATION|ASSERTION) FAILED|not ok \d"


@dataclass(frozen=True)
class Mutant:
    """One way to break the module: texts that are replaced in one file."""

    name: str
    file: str
    edits: tuple        # pairs of texts: what is there once, and what takes its place
    by: str             # a glob of KUnit suites, or a guest test (listing.sh)

    @staticmethod
    def read():
        found = tomllib.loads(MUTANTS.read_text())["mutant"]
        return [Mutant(m["name"], m["file"], tuple(map(tuple, m["edits"])), m["by"])
                for m in found]

    @property
    def path(self):
        return CHECKOUT / self.file

    def apply(self):
        text = self.path.read_text()
        for there, instead in self.edits:
            if text.count(there) != 1:
                raise Failed(self.name, f"{self.file} has {text.count(there)} times, not once: "
                             f"{there.strip()!r}")
            text = text.replace(there, instead)
        self.path.write_text(text)

    def build(self, debug):
        """Only what the file is a part of."""
        if self.file.startswith("scripts/"):
            return modules.build(debug)
        modules.build_restrack(debug, modules.folder(debug.variant) / "module")
        return modules.install(debug)


def kunit(debug, made, suites):
    """What the first test that failed is called, or what else went wrong."""
    command = " ".join(["FIRST_FAILURE=1 exec $CHECKOUT/scripts/guest/kunit.sh", *made.kunit])
    cmdline = (f"kunit.filter_glob={suites} loglevel=7 "
               f"sysctl.kernel.hung_task_timeout_secs=50")
    verdict = guest.boot(debug, made.folder, "kunit", command,
                         limit=LIMIT_ALL if suites == SUITES else LIMIT,
                         machine=guest.Machine(cpus=4, cmdline=cmdline))
    suite, said = "", verdict.results / "kernel.log"
    for line in said.read_text(errors="replace").splitlines() if said.exists() else ():
        if begin := re.search(r"# Subtest: (restrack\w*)", line):
            suite = begin[1]
        elif re.search(FAILURE, line):
            test = re.search(r"# (\w+): \w+ FAILED|not ok \d+ (\w+)", line)
            return f"{suite}: {(test[1] or test[2]) if test else line.strip()}"
        elif guest.BAD_MESSAGES.search(line):
            return f"{suite}: {re.sub(r'^.*?] ', '', line.strip())[:60]}"
    return f"{suite}: {verdict.why}" if verdict.why else None


def guest_test(debug, made, script):
    """The same for a script of tests/guest."""
    tests = [test for test in results.guest_tests() if test.path.name == script]
    if not tests:
        raise Failed(script, "is not a guest test")
    verdict = guest.boot(debug, made.folder, "guest",
                         f"TESTS={script} exec $CHECKOUT/scripts/guest/tests.sh",
                         limit=60 + tests[0].limit)
    _, _, failures = results.guest(debug, verdict, tests)
    return f"{failures[0].name}: {failures[0].why}" if failures else None


def caught(debug, made, by):
    test = guest_test if by.endswith(".sh") else kunit
    return test(debug, made, by) or (kunit(debug, made, SUITES) if by != SUITES else None)


def try_all(mutants):
    """The program that runs in the copy."""
    debug = kernel.get(kernel.Variant.asked("debug"), LOGS)
    made = modules.build(debug)
    for by in [SUITES, *sorted({m.by for m in mutants if m.by.endswith(".sh")})]:
        if failed := caught(debug, made, by):
            raise Failed("the module as it is", failed, CHECKOUT / "build/logs")
    say("the module as it is passes")
    table, bad = [], 0
    for number, mutant in enumerate(mutants, 1):
        unharmed = mutant.path.read_text()
        try:
            mutant.apply()
            said = caught(debug, mutant.build(debug), mutant.by)
            bad += not said
            table.append((mutant.name, said or "SURVIVED"))
        except Failed as failure:
            bad += 1
            table.append((mutant.name, f"NOT TRIED: {failure.why} {failure.log or ''}"))
        finally:
            mutant.path.write_text(unharmed)
        say(f"{number} of {len(mutants)}: {mutant.name}: {table[-1][1]}")
    width = max(len(name) for name, _ in table)
    for name, said in table:
        print(f"{name:<{width}}  {said}")
    print(f"{len(table) - bad} mutants caught, {bad} not", flush=True)
    return 1 if bad else 0


def copy(files):
    """Brings the copy up to date; what does not change keeps its time, for make."""
    (COPY / "build").mkdir(parents=True, exist_ok=True)
    names = {path.relative_to(CHECKOUT) for path in files}
    for old in (COPY.rglob("*") if COPY.exists() else ()):
        name = old.relative_to(COPY)
        if old.is_file() and name.parts[0] != "build" and name not in names:
            old.unlink()
    for name in names:
        new, old = CHECKOUT / name, COPY / name
        if not old.exists() or old.read_bytes() != new.read_bytes():
            old.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(new, old)
            shutil.copymode(new, old)


def run():
    """Starts the program that is in the copy."""
    say(f"the copy that gets broken is {COPY.relative_to(CHECKOUT)}")
    done = subprocess.run([sys.executable, "-B", COPY / "scripts/mutants.py"], check=False)
    return done.returncode


def main():
    mutants = Mutant.read()
    if only := os.environ.get("ONLY"):
        mutants = [m for m in mutants if re.search(only, m.name)]
    return try_all(mutants)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as error:
        sys.exit(f"FAILED {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
