# SPDX-License-Identifier: GPL-2.0
"""What counts as caught, in samples of what guests say."""

import unittest

from tests.mutants.judgement import (CAUGHT, NOT_TRIED, PASSED, Outcome, of_guest_test,
                                     of_suite)

BEFORE = """\
[    0.9][    T1] Linux version 7.3.4
[    1.0][   T60]     KTAP version 1
[    1.0][   T60]     # Subtest: restrack_c_root
[    1.1][   T60]     ok 1 counts
[    1.1][   T60] ok 1 restrack_c_root
"""
BEGUN = BEFORE + """\
[    1.2][   T60]     # Subtest: restrack_c_walk
[    1.2][   T60]     # module: rdma_restrack_kunit
[    1.2][   T60]     ok 1 in_order
"""
PASSED_ALL = BEGUN + "[    1.3][   T60] ok 2 restrack_c_walk\n"


class Suite(unittest.TestCase):
    def of(self, messages: str, why: str = "") -> Outcome:
        return of_suite("restrack_c_walk", messages, why)

    def test_all_passed(self) -> None:
        self.assertEqual(self.of(PASSED_ALL), Outcome(PASSED))

    def test_expectation(self) -> None:
        said = "[ 2.0]     # once: EXPECTATION FAILED at w.c:1\n[ 2.1]     not ok 2 once\n"
        self.assertEqual(self.of(BEGUN + said, "ended with code 1"),
                         Outcome(CAUGHT, "restrack_c_walk: once"))

    def test_result_of_a_test_with_parameters(self) -> None:
        self.assertEqual(self.of(BEGUN + "[ 2.0]         not ok 3 begin_del\n"),
                         Outcome(CAUGHT, "restrack_c_walk: begin_del"))

    def test_kernel_complains_meanwhile(self) -> None:
        self.assertEqual(self.of(BEGUN + "[    2.0][ C1] WARNING: CPU: 0 PID: 60\n", "late"),
                         Outcome(CAUGHT, "restrack_c_walk: WARNING: CPU: 0 PID: 60"))

    def test_kernel_complains_before(self) -> None:
        self.assertEqual(self.of("[ 0.1] BUG: bad page\n" + PASSED_ALL, "the kernel said: BUG"),
                         Outcome(NOT_TRIED, "the kernel said: BUG"))

    def test_kernel_complains_afterwards(self) -> None:
        self.assertEqual(self.of(PASSED_ALL + "[ 4.0] BUG: bad page\n", "the kernel said: BUG"),
                         Outcome(NOT_TRIED, "the kernel said: BUG"))

    def test_other_suite_fails(self) -> None:
        said = BEFORE.replace("    ok 1 counts", "    not ok 1 counts")
        self.assertEqual(self.of(said, "ended with code 1"),
                         Outcome(NOT_TRIED, "ended with code 1"))

    def test_suite_with_a_longer_name(self) -> None:
        said = BEGUN.replace("restrack_c_walk", "restrack_c_walks") + "[ 2.0]     not ok 2 once\n"
        self.assertEqual(self.of(said).kind, NOT_TRIED)

    def test_no_guest(self) -> None:
        self.assertEqual(self.of("", "the guest ended without a verdict"),
                         Outcome(NOT_TRIED, "the guest ended without a verdict"))

    def test_time_limit(self) -> None:
        self.assertEqual(self.of(BEGUN, "no verdict within 150 s"),
                         Outcome(NOT_TRIED, "no verdict within 150 s"))

    def test_machine_is_too_small_or_too_slow(self) -> None:
        for said in ("Kernel panic - not syncing: System is deadlocked on memory",
                     "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [kunit_try_catch:60]",
                     "INFO: task kunit_try_catch:60 blocked for more than 30 seconds."):
            self.assertEqual(self.of(f"{BEGUN}[ 9.1] {said}\n", "the kernel said: that"),
                             Outcome(NOT_TRIED, "the kernel said: that"))

    def test_suite_that_does_not_run(self) -> None:
        self.assertEqual(self.of(BEFORE), Outcome(NOT_TRIED, "restrack_c_walk gave no result"))


START = "[ 3.0][ T99] guest tests: start of owners\n"


class GuestTest(unittest.TestCase):
    def of(self, log: str, code: str, messages: str = START, why: str = "",
           left: str = "") -> Outcome:
        return of_guest_test("owners", log, left, code, messages, why)

    def test_all_passed(self) -> None:
        self.assertEqual(self.of("KTAP version 1\n1..1\nok 1 exec\n", "0\n"), Outcome(PASSED))

    def test_one_failed(self) -> None:
        self.assertEqual(self.of("1..2\nok 1 exec\nnot ok 2 threads rxe\n", "", why="code 1"),
                         Outcome(CAUGHT, "owners: threads rxe"))

    def test_module_cannot_be_unloaded_afterwards(self) -> None:
        self.assertEqual(self.of("1..1\nok 1 exec\n", "0\n", left="left modules loaded: siw\n"),
                         Outcome(CAUGHT, "owners: left modules loaded: siw"))

    def test_kernel_complains_meanwhile(self) -> None:
        said = START + "[ 3.5][ C0] WARNING: CPU: 1\n"
        self.assertEqual(self.of("1..2\n", "", said, "the guest ended without a verdict"),
                         Outcome(CAUGHT, "owners: WARNING: CPU: 1"))

    def test_kernel_complains_before(self) -> None:
        said = "[ 2.0] WARNING: CPU: 1\n" + START
        self.assertEqual(self.of("", "", said, "the kernel said: WARNING"),
                         Outcome(NOT_TRIED, "the kernel said: WARNING"))

    def test_module_does_not_load(self) -> None:
        self.assertEqual(self.of("", "", "", "the command in the guest ended with code 1"),
                         Outcome(NOT_TRIED, "the command in the guest ended with code 1"))

    def test_time_limit(self) -> None:
        left = "took longer than 60 s\nleft modules loaded: siw\n"
        self.assertEqual(self.of("1..2\nok 1 exec\n", "124\n", left=left),
                         Outcome(NOT_TRIED, "owners gave no result"))

    def test_ends_early_without_a_failure(self) -> None:
        self.assertEqual(self.of("1..2\nok 1 exec\n", "1\n"),
                         Outcome(NOT_TRIED, "owners gave no result"))
