# SPDX-License-Identifier: GPL-2.0
"""How tests are shared among guests, and the seed."""

import contextlib
import functools
import io
import os
import unittest
from pathlib import Path
from unittest import mock

from scripts.progress import Failed
from tests import suites
from tests.results import GuestTest, Total


def tests(*takes: int) -> list[GuestTest]:
    return [GuestTest(Path(f"t{number}.sh"), 300, time) for number, time in enumerate(takes)]


class Parts(unittest.TestCase):
    def test_each_test_is_in_one_part(self) -> None:
        for all_tests in (tests(10), tests(400, 1), tests(*range(1, 200, 7))):
            for speed in (0.1, 1):
                found = [test for part in suites.parts(all_tests, speed) for test in part]
                self.assertEqual(sorted(found, key=str), sorted(all_tests, key=str))

    def test_parts_take_about_the_same_time(self) -> None:
        found = suites.parts(tests(120, 100, 70, 50, 30, 20), 1)
        self.assertEqual([suites.takes(part) for part in found], [140, 130, 120])


class Run(unittest.TestCase):
    def _run(self, *takes: int) -> list[int]:
        ran: list[int] = []

        def work(takes: int) -> Total:
            ran.append(takes)
            return Total(passed=1)

        jobs = [suites.Job(time, functools.partial(work, time)) for time in takes]
        with mock.patch.object(os, "cpu_count", return_value=1), \
                contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(suites._run(jobs).passed, len(takes))
        return ran

    def test_longest_first(self) -> None:
        self.assertEqual(self._run(3, 1, 4, 2), [4, 3, 2, 1])


class Seed(unittest.TestCase):
    def _seed(self, given: str) -> int:
        suites.seed.cache_clear()
        self.addCleanup(suites.seed.cache_clear)
        with mock.patch.dict(os.environ, SEED=given), contextlib.redirect_stdout(io.StringIO()):
            return suites.seed()

    def test_given(self) -> None:
        self.assertEqual(self._seed("77"), 77)

    def test_not_given(self) -> None:
        self.assertNotEqual(self._seed(""), self._seed(""))

    def test_no_number(self) -> None:
        for given in ("0", "x", "-1", "99999999999"):
            with self.assertRaises(Failed):
                self._seed(given)
