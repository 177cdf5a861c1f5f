# SPDX-License-Identifier: GPL-2.0
"""Runs the KUnit suites and the guest tests, on one kernel or on several.

Several guests run at a time, for a guest test keeps only one processor busy.
"""

import concurrent.futures
import dataclasses
import functools
import math
import os
import random
import re
import time
from collections.abc import Callable, Iterable, Sequence

from scripts.guest import qemu
from scripts.kernel import kernels, modules, packages
from scripts.kernel.kernels import Kernel, Variant
from scripts.kernel.modules import Modules
from scripts.progress import Failed, clock, say
from tests import results
from tests.results import GuestTest, Total

# The kernels of `make matrix`: Debian's, and our debug kernels by either compiler.
MATRIX = tuple(kernels.Variant(series, name, llvm)
               for series in reversed(packages.KNOWN_SERIES)
               for name, llvm in (("stock", False), ("debug", False), ("debug", True)))

# Scripts run in one guest until they take so many seconds. More guests mean more boots,
# fewer that some processors have nothing to do in the end.
PART = 150

# Seconds for what is not a test, from the boot to the end of a guest; and for the KUnit
# suites of a module but the race.
BOOT, KUNIT = 10, 30

# Processors of a guest with KUnit suites; others have two. A race needs more threads at once.
CPUS = {"rdma_restrack_kunit": 4}

# How long the guest tests take on a kernel, as a part of what they say in their heads.
SPEED = {"stock": 0.4, "stock-rt": 0.5}

# Guests of `make soak` that do nothing but vanish.sh.
VANISHING = 2

# How many times as long the tests may take on slow kernels.
SLOWER = {"kasan": 4, "kcsan": 4}

# Rounds of vanish.sh in `make soak`, in all guests together.
ROUNDS = 500

# Seconds of races in `make test`.
RACE = 15

# For guests that load the modules, but not for their suites.
NO_KUNIT = "kunit.enable=0"


@functools.cache
def seed() -> int:
    """What all that is chosen at random follows from: SEED=, or a random number."""
    given = os.environ.get("SEED", "")
    if given and not re.fullmatch("[1-9][0-9]{0,9}", given):
        raise Failed("SEED", f"'{given}' is not a number from 1 to 9999999999")
    number = int(given or random.randrange(1, 1 << 32))
    say(f"SEED={number} makes the same random choices again")
    return number


def kunit(asked: Kernel, made: Modules, only: str | None = None) -> int:
    """Runs the KUnit suites whose names match only, or all; returns the exit code."""
    return _run(kunit_jobs(asked, made, only)).conclude()


def kunit_jobs(asked: Kernel, made: Modules, only: str | None = None, race: int = 2,
               steps: int = 200_000, limit: int = 300) -> list["Job"]:
    """A guest for the KUnit suites of each module, or for those that match only.

    race is in seconds. The limit is that of a guest.
    """
    slower = SLOWER.get(asked.variant.kernel, 1)
    jobs = []
    for module in results.modules():
        if wanted := results.suites(module, only):
            work = functools.partial(_kunit, asked, made, module, wanted, only, race, steps,
                                     limit * slower)
            takes = (BOOT + KUNIT) * slower + ("restrack_c_race" in wanted) * race
            jobs.append(Job(takes, work))
    if not jobs:
        raise Failed("KUnit", f"no suite is called '{only}'", None,
                     f"see {results.KUNIT} and rust/")
    return jobs


def _kunit(asked: Kernel, made: Modules, module: str, wanted: set[str], only: str | None,
           race: int, steps: int, limit: int) -> Total:
    """Runs the KUnit suites of a module in a guest."""
    what = f"KUnit on {asked.variant.name}, {only or module}"
    say(f"{what} ...")
    begin = time.monotonic()
    # modprobe waits for the suites of a module, which is no hang.
    longest = max(race, steps // 10_000 * SLOWER.get(asked.variant.kernel, 1))
    cmdline = (f"rdma_restrack_kunit.race_seconds={race} rdma_restrack.model_steps={steps} "
               f"rdma_restrack_kunit.seed={seed()} rdma_restrack.model_seed={seed()} "
               f"kunit.timeout={limit} sysctl.kernel.hung_task_timeout_secs={longest + 60}"
               # Not the suites of the kernel: one fails with PREEMPT_RT.
               f" kunit.filter_glob={only or 'restrack_*'}")
    verdict = qemu.boot(asked, made.folder, f"kunit-{module}",
                        f"exec $CHECKOUT/tests/kunit/run.sh {module}", limit=limit,
                        machine=qemu.Machine(cpus=CPUS.get(module, 2), cmdline=cmdline))
    say(f"{what}: {clock(time.monotonic() - begin)}")
    return results.kunit(asked, verdict, module, wanted, only)


def guest_tests(asked: Kernel, made: Modules, part: int | str, tests: list[GuestTest]) -> Total:
    """Runs some guest tests in one guest."""
    names = " ".join(test.path.name for test in tests)
    say(f"guest tests on {asked.variant.name}, part {part} ...")
    slower = SLOWER.get(asked.variant.kernel, 1)
    limit = 60 + sum(test.limit for test in tests) * slower
    begin = time.monotonic()
    verdict = qemu.boot(asked, made.folder, f"guest-{part}",
                        f"export SEED={seed()}; TESTS='{names}' SLOWER={slower} "
                        "exec bash $CHECKOUT/tests/guest/run.sh",
                        limit=limit, machine=qemu.Machine(cmdline=NO_KUNIT))
    say(f"guest tests on {asked.variant.name}, part {part}: {clock(time.monotonic() - begin)}")
    return results.guest(asked, verdict, tests)


def takes(tests: Iterable[GuestTest]) -> int:
    """The seconds that these tests take, by what they say."""
    return sum(test.takes for test in tests)


def parts(tests: Sequence[GuestTest], speed: float) -> list[list[GuestTest]]:
    """The tests, in parts that take about the same time."""
    nr = min(len(tests), math.ceil(takes(tests) * speed / PART))
    found: list[list[GuestTest]] = [[] for _ in range(nr)]
    for test in sorted(tests, key=lambda test: -test.takes):
        min(found, key=takes).append(test)
    return found


def vanish(asked: Kernel, made: Modules, part: int, rounds: int, limit: int) -> Total:
    """Runs vanish.sh in one guest."""
    tests = [dataclasses.replace(test, limit=limit) for test in results.guest_tests()
             if test.name == "vanish"]
    if not tests:
        raise Failed("soak", f"there is no vanish.sh in {results.TESTS}")
    say(f"{rounds} rounds of devices that vanish on {asked.variant.name}, part {part} ...")
    verdict = qemu.boot(asked, made.folder, f"vanish-{part}",
                        # Each guest does something else.
                        f"export SEED={seed() + part - 1} ROUNDS={rounds}; TESTS=vanish.sh "
                        f"LIMIT={limit} exec bash $CHECKOUT/tests/guest/run.sh", limit=limit + 60,
                        machine=qemu.Machine(cmdline=NO_KUNIT))
    return results.guest(asked, verdict, tests)


def soak(asked: Kernel, made: Modules) -> int:
    """Runs what takes long: races, random steps, and vanish.sh; returns the exit code."""
    return _run([
        *(Job(7200, functools.partial(vanish, asked, made, part + 1, ROUNDS // VANISHING,
                                      limit=7200)) for part in range(VANISHING)),
        *kunit_jobs(asked, made, "restrack_model", steps=10_000_000, limit=5400),
        *kunit_jobs(asked, made, "restrack_c_race", race=600, limit=1800),
    ]).conclude()


def test(kernels: Iterable[Kernel]) -> int:
    """Runs all tests on each kernel; returns the exit code."""
    return _all([(asked, modules.build(asked)) for asked in kernels]).conclude()


def matrix(get: Callable[[Variant], Kernel]) -> int:
    """Runs all tests on each kernel of MATRIX, prints a table, and returns the exit code.

    get makes a kernel. A kernel that cannot be had or built for does not stop the others.
    """
    total, rows = Total(), []
    for variant in MATRIX:
        say(f"==== {variant.name}")
        begin = time.monotonic()
        one = Total()
        try:
            asked = get(variant)
            one = _all([(asked, modules.build(asked))])
        except Failed as failure:
            one.fail(variant.name, str(failure), None)
        total.add(one)
        rows.append((variant.name, one, clock(time.monotonic() - begin)))
    print(f"{'kernel':<18}{'passed':>8}{'failed':>8}{'skipped':>9}{'took':>8}")
    for name, one, took in rows:
        print(f"{name:<18}{one.passed:>8}{len(one.failures):>8}{one.skipped:>9}{took:>8}")
    return total.conclude()


@dataclasses.dataclass(frozen=True)
class Job:
    """A guest, and about how many seconds it takes."""

    takes: float
    work: Callable[[], Total]


def _all(built: Iterable[tuple[Kernel, Modules]]) -> Total:
    """Runs all tests on kernels, which are given with their modules."""
    jobs = []
    for asked, made in built:
        speed = SPEED.get(asked.variant.kernel, 1)
        slower = SLOWER.get(asked.variant.kernel, 1)
        for number, part in enumerate(parts(results.guest_tests(), speed), 1):
            jobs.append(Job((BOOT + takes(part) * speed) * slower,
                            functools.partial(guest_tests, asked, made, number, part)))
        if made.kunit:
            jobs += kunit_jobs(asked, made, race=RACE)
    return _run(jobs)


def _run(jobs: Iterable[Job]) -> Total:
    """The total of the jobs; as many run at a time as there are processors, the longest first."""
    total = Total()
    seed()      # the threads may not choose one each
    longest_first = sorted(jobs, key=lambda job: -job.takes)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            for done in [pool.submit(job.work) for job in longest_first]:
                total.add(done.result())
        except BaseException:
            qemu.stop_all()
            raise
    return total
