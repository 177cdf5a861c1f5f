# SPDX-License-Identifier: GPL-2.0
"""The count of unsafe blocks."""

import unittest

from scripts.unsafe_blocks import count

EXPLAINED = """\
// SAFETY: the caller holds the lock.
let a = unsafe { f() };
"""


class Count(unittest.TestCase):
    def test_block_with_a_reason(self) -> None:
        self.assertEqual(count(EXPLAINED), (1, []))

    def test_block_without_a_reason(self) -> None:
        self.assertEqual(count("let a = 1;\nlet b = unsafe { f() };\n"), (1, [2]))
        self.assertEqual(count("// It is quick.\nlet b = unsafe { f() };\n"), (1, [2]))

    def test_implementation_counts_and_a_function_does_not(self) -> None:
        self.assertEqual(count("unsafe impl Send for A {}\nunsafe fn f() {}\n"), (1, [1]))

    def test_a_reason_is_for_one_statement(self) -> None:
        self.assertEqual(count(EXPLAINED + "let b = unsafe { f() };\n"), (2, [3]))
        self.assertEqual(count("// SAFETY: true.\n}\nlet b = unsafe { f() };\n"), (1, [3]))

    def test_a_reason_is_for_all_lines_of_its_statement(self) -> None:
        self.assertEqual(count("// SAFETY: true.\nlet a =\n    unsafe { f() };\n"), (1, []))

    def test_attributes_stand_between_reason_and_block(self) -> None:
        self.assertEqual(count("// SAFETY: true.\n#[cfg(a)]\nunsafe impl A for B {}\n"), (1, []))

    def test_every_arm_of_a_match_has_its_own_reason(self) -> None:
        self.assertEqual(count("// SAFETY: true.\nA => unsafe { f() },\nB => unsafe { f() },\n"),
                         (2, [3]))

    def test_comments_have_no_blocks(self) -> None:
        self.assertEqual(count("// unsafe { f() }\nlet a = 1; // unsafe { g() }\n"), (0, []))

    def test_two_blocks_in_a_line(self) -> None:
        self.assertEqual(count("f(unsafe { a() }, unsafe { b() });\n"), (2, [1]))
