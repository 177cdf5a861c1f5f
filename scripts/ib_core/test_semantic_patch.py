# SPDX-License-Identifier: GPL-2.0
"""What is read of semantic patches, and what is counted of what they change."""

import tempfile
import unittest
from pathlib import Path

from scripts.ib_core.rdma_tree import edit_makefile
from scripts.ib_core.semantic_patch import Error, SemanticPatch, changes, hunks, items

SOURCE = """\
int a(void)
{
	return 1;
}

int b(void)
{
	if (a())
		return 2;
	return 3;
}
struct c {
	int d;
};
"""

PATCH = """\
// SPDX-License-Identifier: GPL-2.0
// File: drivers/infiniband/core/nldev.c
// Options: --no-loops
// Rule one: 1 place, +2 -1
// Rule two: 3 places, +0 -3

@ one @
@@
- a();
+ b();
+ c();

@two@
@@
- d();
"""


class Changes(unittest.TestCase):
    def test_lines_are_told_apart_by_function_and_type(self) -> None:
        self.assertEqual(items(SOURCE.splitlines()), [0] * 4 + [1] * 7 + [2] * 3 + [3])

    def test_nothing(self) -> None:
        self.assertEqual(changes(SOURCE, SOURCE), (0, 0, 0))

    def test_one_function(self) -> None:
        self.assertEqual(changes(SOURCE, SOURCE.replace("return 2", "return 4")), (1, 1, 1))

    def test_several_lines_of_one_function_are_one_place(self) -> None:
        new = SOURCE.replace("return 3;", "x();\n\treturn 4;").replace("if (a())", "if (x)")
        self.assertEqual(changes(SOURCE, new), (1, 3, 2))

    def test_functions_and_types_are_places_of_their_own(self) -> None:
        new = SOURCE.replace("return 1", "return 0").replace("\tint d;\n", "\tint d;\n\tint e;\n")
        self.assertEqual(changes(SOURCE, new), (2, 2, 1))

    def test_what_comes_at_the_end(self) -> None:
        self.assertEqual(changes(SOURCE, SOURCE + "int e;\n"), (1, 1, 0))

    def test_hunks_are_ranges_of_both_texts(self) -> None:
        self.assertEqual(hunks(list("abcd"), list("axxd")), [(range(1, 3), range(1, 3))])
        self.assertEqual(hunks(list("abc"), list("ac")), [(range(1, 2), range(1, 1))])
        self.assertEqual(hunks(list("ac"), list("abc")), [(range(1, 1), range(1, 2))])


class Patch(unittest.TestCase):
    def _read(self, text: str) -> SemanticPatch:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.cocci"
            path.write_text(text)
            return SemanticPatch(path)

    def test_head(self) -> None:
        patch = self._read(PATCH)
        self.assertEqual(patch.file, "drivers/infiniband/core/nldev.c")
        self.assertEqual(patch.options, ["--no-loops"])

    def test_rules_stand_alone_with_their_counts(self) -> None:
        one, two = self._read(PATCH).rules
        self.assertEqual((one.name, one.places, one.added, one.removed), ("one", 1, 2, 1))
        self.assertEqual((two.name, two.places, two.added, two.removed), ("two", 3, 0, 3))
        self.assertEqual(one.text, "@ one @\n@@\n- a();\n+ b();\n+ c();\n\n")
        self.assertEqual(two.text, "@two@\n@@\n- d();\n")

    def test_rule_without_counts(self) -> None:
        with self.assertRaisesRegex(Error, "rules are .*two"):
            self._read(PATCH.replace("// Rule two", "// two"))

    def test_counts_without_rule(self) -> None:
        with self.assertRaisesRegex(Error, "expectations"):
            self._read(PATCH.replace("@two@\n", ""))

    def test_no_file(self) -> None:
        with self.assertRaisesRegex(Error, "File"):
            self._read(PATCH.replace("// File:", "// file:"))


class Makefile(unittest.TestCase):
    def test_tracker_is_exchanged(self) -> None:
        self.assertEqual(edit_makefile("a-y := b.o restrack.o \\\n\tc.o\n"),
                         "a-y := b.o restrack_nl.o \\\n\tc.o\n")

    def test_tracker_is_there_once(self) -> None:
        for text in ("a-y := b.o c.o\n", "a-y := restrack.o b.o restrack.o c.o\n",
                     "a-y := my_restrack.o c.o\n"):
            with self.assertRaisesRegex(Error, "restrack.o once"):
                edit_makefile(text)
