# SPDX-License-Identifier: GPL-2.0
"""Applies semantic patches, and counts what each rule changes.

The head of a patch says for each rule in how many functions or types it changes
something, and how many lines it adds and removes. Any other number is an error: a
person has to look at a kernel in which the replaced code has changed.
"""

import difflib
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.progress import Word

COCCI = Path(__file__).resolve().parent / "cocci"
MACROS = COCCI / "macros.h"


class Error(Exception):
    """A message for a person; no traceback."""


@dataclass
class Rule:
    """A rule, with the numbers of what it must change."""

    name: str
    text: str
    places: int
    added: int
    removed: int


class SemanticPatch:
    """One file of cocci/, taken apart into rules that stand alone."""

    EXPECT = re.compile(r"^// Rule (\w+): (\d+) places?, \+(\d+) -(\d+)$", re.M)
    HEAD = re.compile(r"^@\s*(\w+)\s*@$", re.M)

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text()
        self.file = self._field("File")
        self.options = self._field("Options").split()
        if not self.file:
            raise Error(f"{path}: no line '// File: ...'")

        expected = {m[1]: tuple(map(int, m.groups()[1:])) for m in self.EXPECT.finditer(self.text)}
        heads = list(self.HEAD.finditer(self.text))
        names = [m[1] for m in heads]
        if sorted(names) != sorted(expected):
            raise Error(f"{path}: rules are {names}, but expectations are for {list(expected)}")

        ends = [m.start() for m in heads[1:]] + [len(self.text)]
        self.rules = [Rule(m[1], self.text[m.start():end], *expected[m[1]])
                      for m, end in zip(heads, ends)]

    def _field(self, name: str) -> str:
        found = re.search(rf"^// {name}: (.*)$", self.text, re.M)
        return found[1].strip() if found else ""

    def apply(self, text: str) -> str:
        """The text after all rules."""
        for rule in self.rules:
            text = self.apply_rule(rule, text)
        return text

    def apply_rule(self, rule: Rule, text: str) -> str:
        """The text after one rule; fails if the numbers are others."""
        where = f"{self.path.name}, rule {rule.name}, on {self.file}"
        with tempfile.TemporaryDirectory() as tmp:
            source = Path(tmp) / Path(self.file).name
            patch = Path(tmp) / "rule.cocci"
            source.write_text(text)
            patch.write_text(rule.text)
            command: list[Word] = [
                "spatch", "--very-quiet", "--no-includes", "--macro-file", MACROS,
                *self.options, "--in-place", "--sp-file", patch, source]
            try:
                run = subprocess.run(command, capture_output=True, text=True,
                                     timeout=120, check=False)
            except FileNotFoundError:
                raise Error("spatch not found: install coccinelle") from None
            except subprocess.TimeoutExpired:
                raise Error(f"{where}: spatch did not come to an end") from None
            if run.returncode:
                raise Error(f"{where}: spatch failed\n{run.stderr.strip()}")
            result = source.read_text()

        found = changes(text, result)
        if found != (rule.places, rule.added, rule.removed):
            places, added, removed = found
            raise Error(f"{where}: expected {rule.places} place(s), +{rule.added} "
                        f"-{rule.removed}; got {places}, +{added} -{removed}")
        return result


def items(lines: Sequence[str]) -> list[int]:
    """The number of the function or type that each line, and the end, is in."""
    # A brace in the first column ends one.
    item, found = 0, []
    for line in lines:
        found.append(item)
        item += line.startswith("}")
    return found + [item]


def hunks(old: Sequence[str], new: Sequence[str]) -> list[tuple[range, range]]:
    """Where texts differ: pairs of ranges of lines, old and new."""
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    return [(range(i1, i2), range(j1, j2))
            for tag, i1, i2, j1, j2 in matcher.get_opcodes() if tag != "equal"]


def changes(old: str, new: str) -> tuple[int, int, int]:
    """The number of functions and types that differ, of lines added, and of lines removed."""
    lines = old.splitlines()
    found, item = hunks(lines, new.splitlines()), items(lines)
    return (len({item[gone.start] for gone, _ in found}),
            sum(len(come) for _, come in found), sum(len(gone) for gone, _ in found))
