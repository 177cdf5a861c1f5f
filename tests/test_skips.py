# SPDX-License-Identifier: GPL-2.0
"""Which skips are allowed."""

import re
import tomllib
import unittest

from scripts.kernel.kernels import KERNELS
from scripts.paths import CHECKOUT
from tests import results, skips
from tests.skips import Skip

KNOWN = [Skip("s: a", "why"), Skip("t: b rxe", "no device")]


class Wrong(unittest.TestCase):
    def _wrong(self, seen: list[Skip], *ran: str) -> list[str]:
        return [one.test for one in skips.wrong(seen, KNOWN, ran)]

    def test_all_that_may_skip(self) -> None:
        self.assertEqual(self._wrong(KNOWN, "s", "t"), [])

    def test_test_with_parameters(self) -> None:
        self.assertEqual(self._wrong([Skip("s: a: qp", "why"), Skip("s: a: mr", "why")], "s"), [])

    def test_another_test_or_reason(self) -> None:
        for skip in (Skip("s: ab", "why"), Skip("s: a", "why not"), Skip("s: a", "")):
            self.assertEqual(self._wrong([skip]), [skip.test])

    def test_entry_that_skips_no_more(self) -> None:
        self.assertEqual(self._wrong([], "s"), ["s: a"])
        self.assertEqual(self._wrong([KNOWN[0]], "s", "t"), ["t: b rxe"])
        self.assertEqual(self._wrong([]), [])


class List(unittest.TestCase):
    def test_kernels_and_tests_exist(self) -> None:
        scripts = {test.name: test.path.read_text() for test in results.guest_tests()}
        names = {name for module in results.modules() for name in results.suites(module)}
        suites = "".join(path.read_text() for path in (*CHECKOUT.glob("rust/**/*.rs"),
                                                       *CHECKOUT.glob("tests/kunit/*.c")))
        for entry in tomllib.loads(skips.SKIPS.read_text())["skip"]:
            self.assertLessEqual(set(entry["kernels"]), set(KERNELS))
            for name in entry["tests"]:
                where, _, test = name.partition(": ")
                text = scripts[where] if where in scripts else suites
                self.assertIn(where, scripts.keys() | names)
                self.assertTrue(re.search(rf"\b{re.escape(test)}\b", text), name)
