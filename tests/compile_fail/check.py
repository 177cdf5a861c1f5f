#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Compiles the module with one wrong use after the other, which has to fail as the use says.

Each file beside this one is a module of the crate. Its first line of documentation names an error
code; each line that ends with "//~" must have an error with that code, and no other line may have
one. control.rs is the right use, and must compile.

The command is the one that Kbuild has saved for the module, which is thus to be built before.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

CONTROL = "control.rs"
MARK = "//~"

# A place and an error code: (line, code).
Errors = set[tuple[int, str]]


@dataclass(frozen=True)
class Compiler:
    """How Kbuild compiled the module, to do the same with another crate root."""

    words: list[str]
    environment: dict[str, str]
    directory: Path

    @staticmethod
    def read(built: Path, root: Path, out: Path) -> "Compiler":
        """The command that made rust/rdma_restrack.o in that folder, with another output."""
        saved = (built / "rust/.rdma_restrack.o.cmd").read_text().split("\n", 1)[0]
        words = shlex.split(saved.partition(":=")[2])
        start = words.index("rustc")
        settings = dict(word.split("=", 1) for word in words[:start])
        # What makefiles export is not in the command.
        settings["RUSTC_BOOTSTRAP"] = "1"
        settings["RESTRACK_BINDINGS"] = str(built / "rust/bindings/generated.rs")
        left = [word for word in words[start:]
                if not word.startswith("--emit=") and word != str(root)]
        left[left.index("--out-dir") + 1] = str(out)
        return Compiler(left, {**os.environ, **settings}, built)

    def errors(self, root: Path, of: Path) -> tuple[Errors, str]:
        """The errors in a file of a crate, and all messages; errors elsewhere are at line 0."""
        done = subprocess.run(
            [*self.words, "--emit=metadata", "--error-format=json", str(root)],
            cwd=self.directory, env=self.environment, capture_output=True, text=True, check=False)
        found: Errors = set()
        messages = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
        for message in messages:
            if message["level"] == "error" and message["spans"]:
                found |= {(span["line_start"] if span["file_name"] == str(of) else 0,
                           (message["code"] or {}).get("code", "none"))
                          for span in message["spans"] if span["is_primary"]}
        if done.returncode and not found:
            found.add((0, "none"))
        text = "".join(message["rendered"] for message in messages if message["level"] == "error")
        return found, text or done.stderr


def expected(wrong: Path) -> Errors:
    """The errors that a wrong use says it has."""
    text = wrong.read_text()
    code = re.search(r"^//! (E\d{4}): ", text, re.M)
    return {(number, code[1] if code else "no code in its head")
            for number, line in enumerate(text.splitlines(), 1) if line.endswith(MARK)}


def judge(compiler: Compiler, rust: Path, use: Path) -> str:
    """What is wrong with the outcome of a use; nothing if it is as it should be."""
    root = rust / f"with_{use.name}"
    root.write_text((rust / "rdma_restrack.rs").read_text()
                    + f'\n#[path = "{use}"]\nmod {use.stem};\n')
    found, text = compiler.errors(root, use)
    wanted = expected(use)
    if use.name == CONTROL:
        return f"error: {use.name} does not compile:\n{text}" if found else ""
    if not wanted:
        return f"error: {use.name} has no line that ends with {MARK}"
    if found != wanted:
        return (f"error: {use.name} should have the errors {sorted(wanted)}, and has {sorted(found)}:\n"
                f"{text}")
    return ""


def main(sources: Path, built: Path, out: Path) -> int:
    """Tries all uses; sources is the module's folder of Rust, built where Kbuild built it."""
    uses = sorted(Path(__file__).parent.glob("*.rs"))
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(sources, out)
    compiler = Compiler.read(built, sources / "rdma_restrack.rs", out)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        verdicts = list(pool.map(lambda use: judge(compiler, out, use), uses))
    for verdict in filter(None, verdicts):
        print(verdict)
    wrong = sum(map(bool, verdicts))
    print(f"{len(uses) - wrong} of {len(uses)} uses compile, or do not, as they should")
    if len(uses) < 2:
        print(f"error: there is no wrong use beside {CONTROL}")
    return 1 if wrong or len(uses) < 2 else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
