# SPDX-License-Identifier: GPL-2.0
"""Every guest test that is written is run. Of tests in C and Rust the compiler says so."""

import re
import unittest

from tests import results


class Tests(unittest.TestCase):
    def test_functions_of_guest_tests(self) -> None:
        for test in results.guest_tests():
            text = test.path.read_text()
            for name in re.findall(r"^(\w+)\(\)", text, re.M):
                self.assertGreater(len(re.findall(rf"\b{name}\b", text)), 1, f"nothing runs {name}")

    def test_functions_of_dumps(self) -> None:
        called = (results.TESTS / "dumps.sh").read_text()
        table = (results.TESTS / "dumps.py").read_text().partition("\nTESTS = ")[2]
        names = re.findall(r"\b\w+\b", table[:table.index(")}")].partition("in (")[2])
        self.assertEqual(set(re.findall(r'"dump (\w+)', called)), set(names))
