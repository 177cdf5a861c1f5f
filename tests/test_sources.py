# SPDX-License-Identifier: GPL-2.0
"""Every test that is written is run."""

import re
import unittest

from scripts.paths import CHECKOUT
from tests import results


class Tests(unittest.TestCase):
    def _all_are_used(self, text: str, definition: str) -> None:
        names = re.findall(definition, text, re.M)
        for name in names:
            self.assertGreater(len(re.findall(rf"\b{name}\b", text)), 1, f"nothing runs {name}")

    def test_functions_of_guest_tests(self) -> None:
        for test in results.guest_tests():
            self._all_are_used(test.path.read_text(), r"^(\w+)\(\)")

    def test_functions_of_dumps(self) -> None:
        called = (results.TESTS / "dumps.sh").read_text()
        table = (results.TESTS / "dumps.py").read_text().partition("\nTESTS = ")[2]
        names = re.findall(r"\b\w+\b", table[:table.index(")}")].partition("in (")[2])
        self.assertEqual(set(re.findall(r'"dump (\w+)', called)), set(names))

    def test_functions_of_suites_in_c(self) -> None:
        for path in CHECKOUT.glob("tests/kunit/*.c"):
            self._all_are_used(path.read_text(), r"^static void (\w+)\(struct kunit \*test\)")
