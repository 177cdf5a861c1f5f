# SPDX-License-Identifier: GPL-2.0
"""What is read of the messages of a kernel with a broken module, and how mutants are shared."""

import unittest

from tests.mutants.mutants import Mutant, first_failure, share

LOG = """\
[    1.0]     # Subtest: restrack_c_root
[    1.1]     ok 1 counts
[    1.2]     # Subtest: restrack_c_walk
"""


class FirstFailure(unittest.TestCase):
    def test_nothing(self) -> None:
        self.assertIsNone(first_failure(LOG, ""))

    def test_expectation(self) -> None:
        self.assertEqual(first_failure(LOG + "[ 2.0]     # in_order: EXPECTATION FAILED at w.c:1\n"
                                       "[ 2.1]     not ok 1 other\n", "late"),
                         "restrack_c_walk: in_order")

    def test_result(self) -> None:
        self.assertEqual(first_failure(LOG + "[ 2.0]     not ok 3 in_order\n", ""),
                         "restrack_c_walk: in_order")

    def test_kernel_complains(self) -> None:
        self.assertEqual(first_failure(LOG + "[    2.0] WARNING: CPU: 0\n", ""),
                         "restrack_c_walk: WARNING: CPU: 0")

    def test_boot_that_failed(self) -> None:
        self.assertEqual(first_failure(LOG, "no verdict"), "restrack_c_walk: no verdict")


class Share(unittest.TestCase):
    def test_each_mutant_is_in_one_part(self) -> None:
        mutants = [Mutant(str(i), "f", (), "a.sh" if i % 3 == 0 else "a", "debug")
                   for i in range(20)]
        for nr in (1, 2, 3, 8):
            parts = [share(mutants, number, nr) for number in range(nr)]
            self.assertEqual(sorted(mutant.name for part in parts for mutant in part),
                             sorted(mutant.name for mutant in mutants))
