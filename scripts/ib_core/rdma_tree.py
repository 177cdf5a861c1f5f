# SPDX-License-Identifier: GPL-2.0
"""
Make a tree of the kernel's RDMA sources that use rdma_restrack instead of the
tracker inside ib_core, and build modules from it.

The tree is a copy of the kernel's drivers/infiniband and include/rdma, changed
by the semantic patches in cocci/ and completed by the C files beside this one. It
is brought up to date, not made anew: a file is written only if its content
changes, so make rebuilds only what it has to. It may be interrupted at any time.
"""

import argparse
import concurrent.futures
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.ib_core import semantic_patch
from scripts.ib_core.rdma_build import CORE, SETS, Build, say
from scripts.ib_core.semantic_patch import COCCI, MACROS, Error, SemanticPatch

IB_CORE = COCCI.parent
STATE = ".rdma_tree.json"

# Not taken from the kernel: its tracker and the header of it.
LEFT_OUT = {f"{CORE}/restrack.c", f"{CORE}/restrack.h", "include/rdma/restrack.h"}

# Ours in their place.
ADDED = {
    f"{CORE}/restrack.h": IB_CORE / "restrack.h",
    f"{CORE}/restrack_nl.c": IB_CORE / "restrack_nl.c",
}

KBUILD = """\
# SPDX-License-Identifier: GPL-2.0
# Made by scripts/ib_core/rdma_tree.py, as everything else here.

ifndef RESTRACK
$(error RESTRACK= has to name the rdma_restrack checkout)
endif

# The tracker's header, then the patched ones, then those of the kernel. The
# kernel exports this variable, so it reaches the subdirectories, too.
LINUXINCLUDE := -I$(RESTRACK)/include -I$(abspath $(src))/include $(LINUXINCLUDE)

"""


def edit_makefile(text: str) -> str:
    """Replaces the object of the tracker. Coccinelle does not read Makefiles."""
    text, count = re.subn(r"(?<=\s)restrack\.o(?=\s)", "restrack_nl.o", text)
    if count != 1:
        raise Error(f"{CORE}/Makefile: expected restrack.o once, got {count}")
    return text


# rxe has a data race: rxe_requester() writes need_req_skb, which rxe_skb_tx_dtor() reads.
UNWATCHED = """
# Drivers are not what the tests are about: on a kernel with KCSAN, a race in one
# of them would end the guest.
KCSAN_SANITIZE := n
"""


def write_if_changed(path: Path, data: bytes) -> bool:
    """Writes a file, and returns true, if that changes its content."""
    try:
        if path.read_bytes() == data:
            return False
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(data)
    fresh.replace(path)
    return True


def read_state(path: Path) -> dict[str, Any]:
    """What the last update knew of each file; nothing if there was none."""
    try:
        state: dict[str, Any] = json.loads(path.read_text())
        return state
    except (FileNotFoundError, ValueError):
        return {}


class Tree:
    """The tree, with the folders of the kernel that it is made of."""

    def __init__(self, source: Path, out: Path, dirs: list[str]) -> None:
        self.source = source
        self.out = out
        self.dirs = dirs
        # What changes the files.
        self.code = "".join(Path(path).read_text() for path in (__file__, semantic_patch.__file__))
        self.patches: dict[str, list[SemanticPatch]] = {}
        for path in sorted(COCCI.glob("*.cocci")):
            patch = SemanticPatch(path)
            self.patches.setdefault(patch.file, []).append(patch)

    def update(self) -> int:
        """Brings the tree up to date; returns how many files it has written."""
        old = read_state(self.out / STATE)
        state, jobs = {}, {}
        for name, path in self._inputs():
            stat = path.stat()
            state[name] = [str(path), stat.st_size, stat.st_mtime_ns, self._recipe(name)]
            if state[name] != old.get(name) or not (self.out / name).exists():
                jobs[name] = path
        for name in self.patches:
            if name not in state:
                raise Error(f"no {name} in {self.source}")

        written = 0
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for name, data in zip(jobs, pool.map(self._content, jobs, jobs.values())):
                written += write_if_changed(self.out / name, data)
        written += write_if_changed(self.out / "Kbuild", self._kbuild())

        self._forget(old.keys() - state.keys(), state)
        write_if_changed(self.out / STATE, json.dumps(state).encode())
        return written

    def _forget(self, gone: set[str], state: dict[str, Any]) -> None:
        """Removes files, and with the last one of a folder what was built there."""
        folders = {os.path.dirname(name) for name in state}
        for name in gone:
            folder, path = os.path.dirname(name), self.out / name
            if folder in folders:
                path.unlink(missing_ok=True)
            else:
                shutil.rmtree(path.parent, ignore_errors=True)

    def _inputs(self) -> Iterator[tuple[str, Path]]:
        """The files of the tree, by their names, and what they are made of."""
        for top in ["include/rdma", *self.dirs]:
            if not (self.source / top).is_dir():
                raise Error(f"no {top} in {self.source}")
            for path in sorted((self.source / top).rglob("*")):
                name = str(path.relative_to(self.source))
                if name not in LEFT_OUT and self._is_source(path):
                    yield name, path
        yield from ADDED.items()

    @staticmethod
    def _is_source(path: Path) -> bool:
        """Returns true for sources. A tree that somebody has built in has more files."""
        return (path.suffix in {".c", ".h", ".S"}
                or path.name in {"Makefile", "Kbuild"}) \
            and not path.name.endswith(".mod.c") and path.is_file()

    def _recipe(self, name: str) -> str:
        """A hash of what is done to this file."""
        recipe = self.code
        if name in self.patches:
            recipe += MACROS.read_text() + "".join(patch.text for patch in self.patches[name])
        return hashlib.sha256(recipe.encode()).hexdigest()

    def _content(self, name: str, path: Path) -> bytes:
        """The content of a file of the tree."""
        data = path.read_bytes()
        if name in self.patches:
            text = data.decode()
            for patch in self.patches[name]:
                text = patch.apply(text)
            data = text.encode()
        elif name == f"{CORE}/Makefile":
            data = edit_makefile(data.decode()).encode()
        elif path.name == "Makefile" and not name.startswith(f"{CORE}/"):
            data += UNWATCHED.encode()
        return data

    def _kbuild(self) -> bytes:
        return (KBUILD + "".join(f"obj-y += {d}/\n" for d in self.dirs)).encode()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n\n", maxsplit=1)[0])
    parser.add_argument("--kernel-source", required=True, type=Path, help="sources of the kernel")
    parser.add_argument("--kernel-build", type=Path,
                        help="where that kernel is prepared or built "
                             "(default: in its sources)")
    parser.add_argument("--out", required=True, type=Path,
                        help="the tree to make or to bring up to date")
    parser.add_argument("--set", choices=SETS, default="software",
                        help="software: ib_core and what comes with it, rxe, "
                             "siw; drivers: everything in drivers/infiniband "
                             "(default: %(default)s)")
    parser.add_argument("--also", action="append", default=[], metavar="DIR",
                        help="one more directory of the kernel, e.g. net/rds")
    parser.add_argument("--build", action="store_true", help="build the modules, too")
    parser.add_argument("--module-symvers", type=Path,
                        help="Module.symvers of rdma_restrack.ko; without it "
                             "its symbols may stay undefined")
    parser.add_argument("--jobs", "-j", type=int, default=os.cpu_count())
    parser.add_argument("make_args", nargs="*", metavar="VAR=VALUE",
                        help="for make, e.g. CC=gcc-14")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    source = args.kernel_source.resolve()
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    with open(out / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        what = SETS[args.set]
        tree = Tree(source, out, [*what.dirs, *args.also])
        started = time.monotonic()
        written = tree.update()
        say(f"RDMA tree: {written} files written in {time.monotonic() - started:.1f} s")
        if args.build:
            build = Build(out, what, (args.kernel_build or source).resolve(),
                          args.module_symvers and args.module_symvers.resolve(),
                          args.make_args, args.jobs)
            build.run()
            for module in build.modules():
                print(module)


if __name__ == "__main__":
    try:
        main()
    except (Error, OSError) as error:
        sys.exit(f"rdma_tree: {error}")
