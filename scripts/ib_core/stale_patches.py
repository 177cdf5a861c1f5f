# SPDX-License-Identifier: GPL-2.0
"""
Show that a rule of a semantic patch that changes nothing is an error.

Each rule is applied to sources without the functions and types that it changes. The
error must name the file and the rule, for who brings a newer kernel gets to see it.
"""

import argparse
import concurrent.futures
import os
import sys
from pathlib import Path

from scripts.ib_core import semantic_patch


def without_places(old: str, new: str) -> str:
    """The old text without the functions and types that differ in the new one."""
    lines = old.splitlines(keepends=True)
    item = semantic_patch.items(lines)
    gone = {item[line] for gone, _ in semantic_patch.hunks(lines, new.splitlines(keepends=True))
            for line in (gone.start, *gone)}
    return "".join(line for line, its in zip(lines, item) if its not in gone)


def check(patch: semantic_patch.SemanticPatch, source: Path) -> list[str]:
    """What is wrong with the rules of a file."""
    wrong, text = [], (source / patch.file).read_text()
    for rule in patch.rules:
        name = f"{patch.path.name}, rule {rule.name}"
        result = patch.apply_rule(rule, text)
        try:
            patch.apply_rule(rule, without_places(text, result))
            wrong.append(f"{name}: changed nothing, and did not say so")
        except semantic_patch.Error as error:
            said = str(error)
            if not said.startswith(f"{name}, on {patch.file}: expected ") \
                    or not said.endswith("got 0, +0 -0"):
                wrong.append(f"{name}: said '{said}'")
        text = result
    return wrong


def main() -> str:
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n\n", maxsplit=1)[0])
    parser.add_argument("--kernel-source", required=True, type=Path)
    source = parser.parse_args().kernel_source
    patches = [semantic_patch.SemanticPatch(path)
               for path in sorted(semantic_patch.COCCI.glob("*.cocci"))]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        wrong = sum(pool.map(lambda patch: check(patch, source), patches), [])
    tried = sum(len(patch.rules) for patch in patches)
    print(f"{tried} rules tried")
    return "\n".join(wrong) if tried else f"error: no rule in {semantic_patch.COCCI}"


if __name__ == "__main__":
    try:
        sys.exit(main() or 0)
    except semantic_patch.Error as error:
        sys.exit(str(error))
