# SPDX-License-Identifier: GPL-2.0
"""The suites, KUnit and guest tests, on one kernel or on several.

Several kernels are tested at the same time, each in guests of its own: much of
what guests do is to wait.
"""

import concurrent.futures
import dataclasses
import time

import guest
import kernel
import modules
import results
from progress import Failed, clock, say

# What `make matrix` runs: Debian's kernels as shipped, and our debug kernels of
# both, with either compiler.
MATRIX = tuple(kernel.Variant(series, name, llvm)
               for series in reversed(kernel.KNOWN_SERIES)
               for name, llvm in (("stock", False), ("debug", False), ("debug", True)))

# For guests that load the modules for another reason than their suites.
NO_KUNIT = "kunit.enable=0"


def kunit(asked, made, race=5, steps=200_000, limit=300, only=None):
    """All KUnit suites, or those with such names; for so many seconds of races and random steps."""
    words = " ".join(["$CHECKOUT/scripts/guest/kunit.sh", *made.kunit])
    say(f"KUnit on {asked.variant.name} ...")
    if asked.variant.kernel == "kasan":
        # It is some times slower than the others.
        steps, limit = steps // 4, limit * 4
    # Who loads a module waits for its suites, which is not to be taken for a hang.
    longest = max(race, steps // 10_000)
    cmdline = (f"rdma_restrack_kunit.race_seconds={race} rdma_restrack.model_steps={steps} "
               f"kunit.timeout={limit} sysctl.kernel.hung_task_timeout_secs={longest + 60}"
               + (f" kunit.filter_glob={only}" if only else ""))
    verdict = guest.boot(asked, made.folder, "kunit", f"exec {words}", limit=limit,
                         machine=guest.Machine(cpus=4, cmdline=cmdline))
    return results.kunit(asked, verdict, made.kunit, only)


def guest_tests(asked, made):
    """All guest tests, in one guest."""
    tests = results.guest_tests()
    if not tests:
        raise Failed("guest tests", f"there are none in {results.TESTS}")
    say(f"guest tests on {asked.variant.name} ...")
    limit = 60 + sum(test.limit for test in tests)
    verdict = guest.boot(asked, made.folder, "guest",
                         "exec $CHECKOUT/scripts/guest/tests.sh", limit=limit,
                         machine=guest.Machine(cmdline=NO_KUNIT))
    return results.guest(asked, verdict, tests)


def soak(asked, made):
    """What takes long: the tests that race or take random steps, and devices that vanish."""
    total = results.Total()
    total.add(*kunit(asked, made, race=600, steps=10_000_000, limit=2400))
    rounds, limit = 500, 7200
    tests = [dataclasses.replace(test, limit=limit) for test in results.guest_tests()
             if test.name == "vanish"]
    if not tests:
        raise Failed("soak", f"vanish.sh is not among the tests in {results.TESTS}")
    say(f"{rounds} rounds of devices that vanish on {asked.variant.name} ...")
    verdict = guest.boot(asked, made.folder, "vanish",
                         f"TESTS=vanish.sh ROUNDS={rounds} LIMIT={limit} "
                         "exec $CHECKOUT/scripts/guest/tests.sh", limit=limit + 60,
                         machine=guest.Machine(cmdline=NO_KUNIT))
    total.add(*results.guest(asked, verdict, tests))
    return total.conclude()


def test(kernels):
    """Everything that each of the kernels can run; the exit code."""
    built = [(asked, modules.build(asked)) for asked in kernels]
    total = results.Total()
    with concurrent.futures.ThreadPoolExecutor(len(built)) as pool:
        try:
            for one in pool.map(lambda pair: _all(*pair), built):
                total.add_total(one)
        except BaseException:
            guest.stop_all()
            raise
    return total.conclude()


def matrix(get):
    """The same on every kernel of MATRIX, one after the other, and a table; the exit code.

    get makes a kernel. A kernel that cannot be had or built for does not stop the others.
    """
    total, rows = results.Total(), []
    for variant in MATRIX:
        say(f"==== {variant.name}")
        begin = time.monotonic()
        one = results.Total()
        try:
            asked = get(variant)
            one = _all(asked, modules.build(asked))
        except Failed as failure:
            one.add(0, 0, [results.Failure(variant.name, str(failure), None)])
        total.add_total(one)
        rows.append((variant.name, one, clock(time.monotonic() - begin)))
    print(f"{'kernel':<18}{'passed':>8}{'failed':>8}{'skipped':>9}{'took':>8}")
    for name, one, took in rows:
        print(f"{name:<18}{one.passed:>8}{len(one.failures):>8}{one.skipped:>9}{took:>8}")
    return total.conclude()


def _all(asked, made):
    total = results.Total()
    if made.kunit:
        total.add(*kunit(asked, made, race=30))
    total.add(*guest_tests(asked, made))
    return total
