# SPDX-License-Identifier: GPL-2.0
"""Which targets count as missed."""

import unittest

from tests.bench.figures import Row, Setting
from tests.bench.report import text


def rows(add: float = 0.3, at_100_000: float = 300, threads: float = 4) -> list[Row]:
    """Figures that are all as they should be, but for what is given."""
    return [Row("add", 0, 1000, 1000 * add, add),
            *(Row(op, n, 10000, rust, rust / 10000) for op in ("dump_pd", "show_pd")
              for n, rust in ((32000, 100), (100000, at_100_000))),
            Row("threads", 1, 100, 400, threads, setting=Setting("amd64", 2)),
            Row("threads", 2, 100, 400, threads, setting=Setting("amd64", 2))]


class Missed(unittest.TestCase):
    def test_none(self) -> None:
        self.assertEqual(text(rows())[1:], (0, 0))

    def test_ratio(self) -> None:
        said, missed, slow = text(rows(add=0.4))
        self.assertEqual((missed, slow), (1, 0))
        self.assertRegex(said, r"(?m)^\| add .* ratio <= 0\.35 .*\| missed *\|$")

    def test_growth(self) -> None:
        self.assertEqual(text(rows(at_100_000=400))[1:], (1, 0))

    def test_threads(self) -> None:
        self.assertEqual(text(rows(threads=1.2))[1:], (0, 2))
