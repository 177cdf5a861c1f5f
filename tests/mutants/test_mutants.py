# SPDX-License-Identifier: GPL-2.0
"""How mutants are shared, and what is said of them."""

import contextlib
import io
import unittest

from tests.mutants.judgement import CAUGHT, NOT_TRIED, PASSED, Outcome
from tests.mutants.mutants import Mutant, conclude, share


def mutants(nr: int) -> list[Mutant]:
    return [Mutant(str(i), "scripts/ib_core/a" if i % 5 == 0 else "f", (),
                   "a.sh" if i % 3 == 0 else "a", "stock" if i == 3 else "debug")
            for i in range(nr)]


class Share(unittest.TestCase):
    def test_each_mutant_is_in_one_part(self) -> None:
        for nr in (1, 2, 3, 8):
            parts = [share(mutants(20), number, nr) for number in range(nr)]
            self.assertEqual(sorted(mutant.name for part in parts for mutant in part),
                             sorted(mutant.name for mutant in mutants(20)))


class Conclude(unittest.TestCase):
    def conclude(self, *outcomes: Outcome) -> tuple[int, str]:
        """Of two mutants of which so many came to an end."""
        with contextlib.redirect_stdout(io.StringIO()) as said:
            code = conclude(mutants(2), {str(i): outcome for i, outcome in enumerate(outcomes)})
        return code, said.getvalue()

    def test_all_caught(self) -> None:
        self.assertEqual(
            self.conclude(Outcome(CAUGHT, "a: one"), Outcome(CAUGHT, "a: two")),
            (0, "0  a: one\n1  a: two\n2 mutants caught, 0 not caught, 0 not tried\n"))

    def test_one_passed(self) -> None:
        code, said = self.conclude(Outcome(CAUGHT, "a: one"), Outcome(PASSED))
        self.assertEqual(code, 1)
        self.assertIn("1  NOT CAUGHT by a\n1 mutants caught, 1 not caught, 0 not tried\n", said)

    def test_one_was_not_tried(self) -> None:
        code, said = self.conclude(Outcome(CAUGHT, "a: one"), Outcome(NOT_TRIED, "late"))
        self.assertEqual(code, 1)
        self.assertIn("1  NOT TRIED: late\n1 mutants caught, 0 not caught, 1 not tried\n", said)

    def test_copy_that_did_not_end(self) -> None:
        code, said = self.conclude(Outcome(CAUGHT, "a: one"))
        self.assertEqual(code, 1)
        self.assertIn("1  NOT TRIED: its copy did not come to its end\n", said)
