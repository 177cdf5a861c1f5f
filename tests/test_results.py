# SPDX-License-Identifier: GPL-2.0
"""What is made of KTAP documents and of what a guest has left.

KERNEL_SOURCE names the sources of a kernel, for its parser of KTAP.
"""

import contextlib
import io
import os
import tempfile
import unittest
from pathlib import Path

from scripts.guest.qemu import Verdict
from scripts.kernel.buildroot import BuildRoot
from scripts.kernel.kernels import Kernel, Variant
from tests import results
from tests.skips import Skip

SOURCE = Path(os.environ["KERNEL_SOURCE"])
NOWHERE = Path("/nonexistent")
KERNEL = Kernel(Variant("7.3", "debug", False), BuildRoot(NOWHERE), "7.3.0", SOURCE, NOWHERE,
                NOWHERE, None, None)


def suite(*lines: str, plan: int | None = None, end: str = "ok 1 s") -> str:
    """A document with one suite, as KUnit writes it."""
    inner = ["KTAP version 1", "# Subtest: s", f"1..{len(lines) if plan is None else plan}", *lines]
    return "\n".join(["KTAP version 1", "1..1", *(f"    {line}" for line in inner), end, ""])


class Documents(unittest.TestCase):
    def _read(self, text: str) -> tuple[int, int, list[tuple[str, str]]]:
        total = results.read(SOURCE, text, "k", NOWHERE)
        return total.passed, total.skipped, [(one.name, one.why) for one in total.failures]

    def test_passed_and_skipped(self) -> None:
        self.assertEqual(self._read(suite("ok 1 a", "ok 2 b", "ok 3 c # SKIP why")), (2, 1, []))

    def test_skip_has_a_name_and_a_reason(self) -> None:
        found = results.read(SOURCE, suite("ok 1 a # SKIP", "ok 2 b # SKIP no # b"), "k", NOWHERE)
        self.assertEqual(found.skips, [Skip("s: a", ""), Skip("s: b", "no # b")])
        flat = "KTAP version 1\n1..1\nok 1 a rxe # SKIP why\n"
        found = results.read(SOURCE, flat, "k", NOWHERE, "t")
        self.assertEqual(found.skips, [Skip("t: a rxe", "why")])

    def test_failed(self) -> None:
        self.assertEqual(self._read(suite("ok 1 a", "not ok 2 b", end="not ok 1 s")),
                         (1, 0, [("k: s: b", "failed")]))

    def test_flat_document_of_a_script(self) -> None:
        self.assertEqual(self._read("KTAP version 1\n1..2\n# says something\nok 1 a\nnot ok 2 b\n"),
                         (1, 0, [("k: b", "failed")]))

    def test_no_result_where_the_plan_has_one(self) -> None:
        passed, _, failures = self._read(suite("ok 1 a", plan=2))
        self.assertEqual(passed, 1)
        self.assertTrue(failures)

    def test_more_results_than_planned(self) -> None:
        self.assertEqual(self._read(suite("ok 1 a", "ok 2 b", plan=1))[2],
                         [("k", "its KTAP is not consistent (plan and results)")])

    def test_document_breaks_off(self) -> None:
        whole = suite("ok 1 a", "ok 2 b")
        self.assertTrue(self._read(whole[:whole.index("    ok 2")])[2])

    def test_no_document(self) -> None:
        for text in ("", "Killed\n", "KTAP version 1\n1..0\n"):
            self.assertTrue(self._read(text)[2], text)


class Guest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        silence = contextlib.redirect_stdout(io.StringIO())
        silence.__enter__()
        self.addCleanup(silence.__exit__, None, None, None)

    def _verdict(self, why: str = "") -> Verdict:
        return Verdict(0, why, self.folder, NOWHERE)

    def _write(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / name.replace("__", ".")).write_text(text)

    def _whys(self, total: results.Total) -> list[str]:
        return [one.why for one in total.failures]

    def _kunit(self, *wanted: str, why: str = "", only: str | None = None) -> results.Total:
        return results.kunit(KERNEL, self._verdict(why), "rdma_restrack", set(wanted), only)

    def test_suites_of_each_module(self) -> None:
        self._write(a__ktap=suite("ok 1 a"), b__ktap=suite("ok 1 b"),
                    c__ktap=suite("ok 1 c"))
        total = self._kunit("a", "b", "c")
        self.assertEqual((total.passed, total.failures), (3, []))

    def test_suite_that_did_not_run(self) -> None:
        self._write(a__ktap=suite("ok 1 a"))
        self.assertEqual(self._whys(self._kunit("a", "b")), ["did not run"])

    def test_suite_that_nobody_expects(self) -> None:
        self._write(a__ktap=suite("ok 1 a"), b__ktap=suite("ok 1 b"))
        self.assertEqual(self._whys(self._kunit("a")), ["ran, and the sources do not say so"])

    def test_boot_with_suites_that_failed(self) -> None:
        self._write(a__ktap=suite("ok 1 a"))
        self.assertEqual(self._whys(self._kunit("a", why="panic")), ["panic"])

    def test_times_of_suites(self) -> None:
        self.assertEqual(results.longest(
            "[    1.0]     # Subtest: a\n[    2.0]     ok 1 b\n[    9.2] ok 1 a\n"
            "[   10.0]     # Subtest: b\n[   10.4] ok 1 b\n"
            "[   11.0]     # Subtest: c\n[  111.0] not ok 1 c\n"),
            "c 100 s, a 8 s, 1 other suites 0 s")

    def test_suite_that_skips_and_may_not(self) -> None:
        self._write(a__ktap=suite("ok 1 a", "ok 2 b # SKIP why"))
        self.assertEqual(self._whys(self._kunit("a")), ["may not skip here (why)"])

    def test_script_that_skips_and_may_not(self) -> None:
        self._write(t__log="KTAP version 1\n1..2\nok 1 a\nok 2 b # SKIP why\n", t__code="0\n", t__seconds="9\n")
        self.assertEqual(self._whys(self._guest()), ["may not skip here (why)"])

    def _guest(self, why: str = "") -> results.Total:
        return results.guest(KERNEL, self._verdict(why), [results.GuestTest(Path("t.sh"), 60, 9)])

    def test_script_that_passed(self) -> None:
        self._write(t__log="KTAP version 1\n1..1\nok 1 a\n", t__code="0\n", t__seconds="9\n")
        self.assertEqual((self._guest().passed, self._guest().failures), (1, []))

    def test_script_that_did_not_run_or_end(self) -> None:
        self.assertEqual(self._whys(self._guest()), ["did not run"])
        self._write(t__log="KTAP version 1\n1..1\nok 1 a\n")
        self.assertEqual(self._whys(self._guest()), ["did not end"])
        self.assertEqual(self._whys(self._guest("panic")), ["panic"])

    def test_code_and_complaints(self) -> None:
        self._write(t__log="KTAP version 1\n1..1\nok 1 a\n", t__code="2\n", t__seconds="9\n")
        self.assertEqual(self._whys(self._guest()), ["ended with code 2"])
        self._write(t__complaint="left a\nleft b\n")
        self.assertEqual(self._whys(self._guest()), ["left a", "left b"])

    def test_nothing_passed_is_no_success(self) -> None:
        self.assertEqual(results.Total().conclude(), 1)
        self.assertEqual(results.Total(passed=1).conclude(), 0)
        total = results.Total(passed=1)
        total.fail("a", "b", None)
        self.assertEqual(total.conclude(), 1)
