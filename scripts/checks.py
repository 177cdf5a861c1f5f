# SPDX-License-Identifier: GPL-2.0
"""The checks of `make check`. All of them run, also after one has failed.

The tools are those of the build root and of the kernel's source tree.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts import unsafe_blocks
from scripts.kernel import modules
from scripts.kernel.kernels import Kernel
from scripts.paths import BUILD, CHECKOUT
from scripts.progress import Failed, Step, Word, say
from tests.mutants import mutants as mutation

HEADER = CHECKOUT / "include/rdma/restrack.h"

# Functions that Rust calls to panic.
_PANIC = re.compile(r"panic|unwrap_failed|expect_failed|rust_helper_BUG|slice_\w+_fail")


def files() -> list[Path]:
    """The files that git would commit; where git says nothing, all but those in build/."""
    found = [CHECKOUT / name for name in sorted(_known_to_git())] or sorted(CHECKOUT.rglob("*"))
    return [path for path in found
            if path.is_file() and not path.is_relative_to(BUILD) and ".git" not in path.parts]


def _known_to_git() -> set[str]:
    """The names of the files that git would commit; none if git refuses to work here."""
    if not (CHECKOUT / ".git").exists() or not shutil.which("git"):
        return set()
    # The checkout may belong to somebody else.
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={CHECKOUT}", "-C", CHECKOUT, "ls-files", "-z", "--cached",
         "--others", "--exclude-standard"], capture_output=True, check=False).stdout
    return {name for name in listed.decode().split("\0") if name}


def having(*suffixes: str) -> list[Path]:
    """The files whose names end so. A tool that is given no file finds no fault."""
    found = [path for path in files() if path.suffix in suffixes]
    if not found:
        raise Failed("files", f"{CHECKOUT} has none that ends in {' or '.join(suffixes)}")
    return found


def shell_scripts() -> list[Path]:
    """The files that a shell reads, by their names or first lines."""
    return [path for path in files() if path.suffix == ".sh" or not path.suffix
            and path.read_bytes().startswith((b"#!/bin/sh", b"#!/bin/bash"))]


def spdx(step: Step, _kernel: Kernel) -> None:
    """SPDX line in every file"""
    without = []
    for path in files():
        if path.is_relative_to(CHECKOUT / "LICENSES"):
            continue
        head = path.read_text(errors="replace").split("\n", 3)[:3]
        if not any("SPDX-License-Identifier: GPL-2.0" in line for line in head):
            without.append(str(path.relative_to(CHECKOUT)))
    step.note("\n".join(without))
    if without:
        step.fail(f"no SPDX line in {', '.join(without)}")


def rustfmt(step: Step, kernel: Kernel) -> None:
    """Rust is formatted"""
    step.run(_inside(kernel, "rustfmt", "--check", "--edition", "2021",
                     *having(".rs")), "see the log, or run rustfmt")


def clippy(step: Step, kernel: Kernel) -> None:
    """clippy has nothing to say, warnings are errors"""
    out = modules.folder(kernel.variant) / "clippy"
    out.mkdir(parents=True, exist_ok=True)
    # Only the Rust object is built: modpost would want the whole module.
    step.run(modules.make_command(kernel, CHECKOUT, out, "CLIPPY=1", "W=e"))


def unsafe(step: Step, _kernel: Kernel) -> None:
    """every unsafe block says why it is sound"""
    unsafe_blocks.check(step, CHECKOUT / "rust")


def panics(step: Step, kernel: Kernel) -> None:
    """nothing in the module can panic"""
    # Debian's kernel checks sums, indices and slices at run time. Where the compiler cannot
    # show that a check holds, the object refers to the function that panics.
    module = modules.build_restrack(kernel, modules.folder(kernel.variant) / "module")
    listed = subprocess.run(_inside(kernel, "nm", "--undefined-only", module),
                            capture_output=True, text=True, check=True).stdout
    step.note(listed)
    names = [line.split()[-1] for line in listed.splitlines() if line]
    if "up_write" not in names:
        step.fail("nm does not list what the module needs")
    if paths := [name for name in names if _PANIC.search(name)]:
        step.fail(f"it refers to {', '.join(paths)}")


def wrong_uses(step: Step, kernel: Kernel) -> None:
    """what the types forbid does not compile"""
    out = modules.folder(kernel.variant)
    step.run(kernel.root.enter(
        ["python3", "-B", CHECKOUT / "tests/compile_fail/check.py", CHECKOUT / "rust",
         out / "module", out / "compile_fail"],
        readable=[CHECKOUT, kernel.source, kernel.objects], writable=[out]), "see the log")


def patches(step: Step, kernel: Kernel) -> None:
    """a semantic patch that changes nothing is an error"""
    step.run(_inside(kernel, "python3", "-B", "-m", "scripts.ib_core.stale_patches",
                     "--kernel-source", kernel.source), "see the log")


def mutants(step: Step, _kernel: Kernel) -> None:
    """each mutant can be applied"""
    if wrong := mutation.stale():
        step.note("\n".join(wrong))
        step.fail("; ".join(wrong))


def checkpatch(step: Step, kernel: Kernel) -> None:
    """the C follows the kernel's style"""
    step.run(_inside(kernel, "perl", kernel.source / "scripts/checkpatch.pl",
                     "--no-tree", "--no-summary", "--show-types", "--terse",
                     # The functions that we export are in Rust, not in the same file.
                     "--ignore", "EXPORT_SYMBOL", "-f",
                     *having(".c", ".h")))


def kernel_doc(step: Step, kernel: Kernel) -> None:
    """every name in the header is documented"""
    tool = kernel.source / "tools/docs/kernel-doc"
    if not tool.exists():
        tool = kernel.source / "scripts/kernel-doc"
    step.run(_inside(kernel, tool, "-none", "-Wall", "-Werror", HEADER))


def python(step: Step, kernel: Kernel) -> None:
    """Python has no unknown or unused names"""
    step.run(_inside(kernel, "pyflakes3", *having(".py")))


def types(step: Step, kernel: Kernel) -> None:
    """the types of the Python are right"""
    # The Python of Debian 12. It is enough for the guest, too.
    BUILD.joinpath("mypy").mkdir(exist_ok=True)
    step.run(_inside(kernel, "mypy", "--strict", "--explicit-package-bases",
                     "--python-version", "3.11", "--cache-dir", BUILD / "mypy",
                     *having(".py"), writable=[BUILD / "mypy"]))


def shell(step: Step, kernel: Kernel) -> None:
    """shell scripts have no warnings from shellcheck"""
    step.run(_inside(kernel, "shellcheck", "--severity=warning", "--external-sources",
                     # Words without quotes are split on purpose. shellcheck does not
                     # find the files that scripts read.
                     "--exclude=SC2046,SC2086,SC2034,SC2154",
                     "--shell=bash", *shell_scripts()))


def unit_tests(step: Step, kernel: Kernel) -> None:
    """the unit tests of the Python pass"""
    names = [".".join(path.relative_to(CHECKOUT).with_suffix("").parts)
             for path in having(".py") if path.name.startswith("test_")]
    step.run([sys.executable, "-B", "-m", "unittest", *names], "see the log", cwd=CHECKOUT,
             env=os.environ | {"KERNEL_SOURCE": str(kernel.source)})


CHECKS = (spdx, rustfmt, clippy, unsafe, panics, wrong_uses, patches, mutants, checkpatch,
          kernel_doc, python, types, shell, unit_tests)


def _inside(kernel: Kernel, *command: Word, writable: Sequence[Path] = ()) -> list[str]:
    """The command line that runs a command in the build root."""
    return kernel.root.enter(command, readable=[CHECKOUT, kernel.source], writable=writable,
                             directory=CHECKOUT)


def run_all(kernel: Kernel) -> int:
    """Runs every check; returns 1 if one failed."""
    failures = []
    modules.patch_sources(kernel)
    for check in CHECKS:
        try:
            with Step(f"check: {check.__doc__}", f"check-{check.__name__}") as step:
                check(step, kernel)
        except Failed as failure:
            failures.append(failure)
            print(f"FAILED {failure}", flush=True)
    say(f"{len(CHECKS) - len(failures)} of {len(CHECKS)} checks passed")
    return 1 if failures else 0
