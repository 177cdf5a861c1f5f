# SPDX-License-Identifier: GPL-2.0
"""Counts the unsafe blocks and implementations of the module; each must say why it is right.

clippy sees only what one configuration compiles; this sees every line.
"""

import re
from pathlib import Path

from scripts.progress import Step, say

# Where an unsafe block or implementation begins, in a line without its comment.
_BEGIN = re.compile(r"\bunsafe\s*(\{|impl\b)")
# A line after which a new statement begins.
_STATEMENT_END = re.compile(r"(^|[;{}]|=>.*,)$")


def count(text: str) -> tuple[int, list[int]]:
    """The number of unsafe blocks, and the lines whose block has no SAFETY comment."""
    lines = text.splitlines()
    code = [re.sub(r"//.*", "", line).strip() for line in lines]
    blocks, without = 0, []
    for number, line in enumerate(code):
        here = len(_BEGIN.findall(line))
        blocks += here
        if here and not _is_explained(lines, code, number):
            without.append(number + 1)
    return blocks, without


def _is_explained(lines: list[str], code: list[str], number: int) -> bool:
    """Returns true if a SAFETY comment is above the statement that this line belongs to."""
    above = number - 1
    while above >= 0:
        comment = lines[above].strip()
        if comment.startswith("//"):
            if "SAFETY:" in comment:
                return True
        elif _STATEMENT_END.search(code[above]):
            return False
        above -= 1
    return False


def check(step: Step, folder: Path) -> None:
    """Says how many there are; fails if one has no reason."""
    found, wrong = {}, []
    for path in sorted(folder.rglob("*.rs")):
        name = str(path.relative_to(folder))
        found[name], without = count(path.read_text())
        wrong += [f"rust/{name}:{line} has no SAFETY comment" for line in without]
    say("  " + ", ".join(f"{name} {blocks}" for name, blocks in found.items() if blocks)
        + f"; {sum(found.values())} in all")
    if wrong:
        step.fail("; ".join(wrong))
    if not any(found.values()):
        step.fail(f"found none in {folder}")
