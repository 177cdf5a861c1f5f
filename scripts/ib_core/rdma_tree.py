# SPDX-License-Identifier: GPL-2.0
"""
Make a tree of the kernel's RDMA sources that use rdma_restrack instead of the
tracker inside ib_core, and build modules from it.

The tree is a copy of the kernel's drivers/infiniband and include/rdma, changed
by the semantic patches in cocci/ and completed by the C files beside this one. It
is brought up to date, not made anew: a file is written only
if its content changes, so make rebuilds what it has to and no more. It may be
interrupted at any time.

Every rule of every semantic patch says in the head of its file in how many
functions or types it has to change something, and how many lines it has to add
and remove. Anything else is an error: a kernel in which code that we replace
has changed needs a person to look at it.
"""

import argparse
import concurrent.futures
import dataclasses
import difflib
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from scripts.paths import CHECKOUT

IB_CORE = pathlib.Path(__file__).resolve().parent
COCCI = IB_CORE / "cocci"
MACROS = COCCI / "macros.h"

CORE = "drivers/infiniband/core"
STATE = ".rdma_tree.json"

@dataclasses.dataclass(frozen=True)
class Set:
    """What to build: directories, and what make is told about them."""

    dirs: tuple
    # Drivers that this project needs and a distribution may have switched off;
    # nothing else is built that the kernel's configuration does not ask for.
    switches: tuple
    # Modules of drivers for which the kernel may lack the other half.
    incomplete: tuple = ()


SETS = {
    "software": Set(
        dirs=(CORE, "drivers/infiniband/sw/rxe", "drivers/infiniband/sw/siw"),
        switches=("CONFIG_RDMA_SIW=m",)),
    "drivers": Set(
        dirs=("drivers/infiniband",),
        switches=("CONFIG_RDMA_SIW=m",
                  "CONFIG_INFINIBAND_BNG_RE=m",
                  "CONFIG_INFINIBAND_EFA=m",
                  "CONFIG_INFINIBAND_ERDMA=m",
                  "CONFIG_INFINIBAND_HNS_HIP08=m",
                  "CONFIG_INFINIBAND_IONIC=m",
                  "CONFIG_INFINIBAND_RTRS=m",
                  "CONFIG_INFINIBAND_RTRS_CLIENT=m",
                  "CONFIG_INFINIBAND_RTRS_SERVER=m",
                  "CONFIG_INFINIBAND_VMWARE_PVRDMA=m"),
        incomplete=("bng_re", "hns-roce-hw-v2")),
}

# Never taken from the kernel: its tracker, and the interface of it.
LEFT_OUT = {
    f"{CORE}/restrack.c",
    f"{CORE}/restrack.h",
    "include/rdma/restrack.h",
}

# Our own, in their place.
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


# What modpost of 7.3 says, and that of earlier kernels.
UNDEFINED = re.compile(r"WARNING: modpost: (?:"
                       r"(?P<path>\S+)\.ko: symbol '(?P<new>\w+)'|"
                       r'"(?P<old>\w+)" \[(?P<in>\S+)\.ko\]) undefined!$')


class Error(Exception):
    """Something that a person has to read; no traceback."""


@dataclasses.dataclass
class Rule:
    name: str
    text: str
    places: int
    added: int
    removed: int


class SemanticPatch:
    """One file of cocci/, taken apart into rules that stand alone."""

    EXPECT = re.compile(r"^// Rule (\w+): (\d+) places?, \+(\d+) -(\d+)$", re.M)
    HEAD = re.compile(r"^@\s*(\w+)\s*@$", re.M)

    def __init__(self, path):
        self.path = path
        self.text = path.read_text()
        self.file = self._field("File")
        self.options = (self._field("Options") or "").split()
        if not self.file:
            raise Error(f"{path}: no line '// File: ...'")

        expected = {m[1]: tuple(map(int, m.groups()[1:]))
                    for m in self.EXPECT.finditer(self.text)}
        heads = list(self.HEAD.finditer(self.text))
        names = [m[1] for m in heads]
        if sorted(names) != sorted(expected):
            raise Error(f"{path}: rules are {names}, "
                        f"but expectations are for {list(expected)}")

        ends = [m.start() for m in heads[1:]] + [len(self.text)]
        self.rules = [Rule(m[1], self.text[m.start():end], *expected[m[1]])
                      for m, end in zip(heads, ends)]

    def _field(self, name):
        found = re.search(rf"^// {name}: (.*)$", self.text, re.M)
        return found and found[1].strip()

    def apply(self, text):
        for rule in self.rules:
            text = self.apply_rule(rule, text)
        return text

    def apply_rule(self, rule, text):
        where = f"{self.path.name}, rule {rule.name}, on {self.file}"
        with tempfile.TemporaryDirectory() as tmp:
            tmp = pathlib.Path(tmp)
            source = tmp / pathlib.Path(self.file).name
            patch = tmp / "rule.cocci"
            source.write_text(text)
            patch.write_text(rule.text)
            command = ["spatch", "--very-quiet", "--no-includes",
                       "--macro-file", MACROS, *self.options,
                       "--in-place", "--sp-file", patch, source]
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
            raise Error("{}: expected {} place(s), +{} -{}; got {}, +{} -{}"
                        .format(where, rule.places, rule.added, rule.removed,
                                *found))
        return result


def items(lines):
    """For each line, and for the end, in which function, type, ... it is: a number."""
    # A closing brace in the first column ends a function or a type.
    item, found = 0, []
    for line in lines:
        found.append(item)
        item += line.startswith("}")
    return found + [item]


def hunks(old, new):
    """What differs: pairs of ranges of lines, in the old text and in the new one."""
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    return [(range(i1, i2), range(j1, j2))
            for tag, i1, i2, j1, j2 in matcher.get_opcodes() if tag != "equal"]


def changes(old, new):
    """How many functions, types, ... differ, and lines added and removed."""
    old, new = old.splitlines(), new.splitlines()
    found, item = hunks(old, new), items(old)
    return (len({item[gone.start] for gone, _ in found}),
            sum(len(come) for _, come in found), sum(len(gone) for gone, _ in found))


def edit_makefile(text):
    """Coccinelle knows no Makefiles: exchange the tracker for our object."""
    text, count = re.subn(r"(?<=\s)restrack\.o(?=\s)", "restrack_nl.o", text)
    if count != 1:
        raise Error(f"{CORE}/Makefile: expected restrack.o once, got {count}")
    return text


# rxe has a data race of its own: rxe_requester() writes need_req_skb, which
# rxe_skb_tx_dtor() reads.
UNWATCHED = """
# Drivers are not what the tests are about: on a kernel with KCSAN, a race in one
# of them would end the guest.
KCSAN_SANITIZE := n
"""


def write_if_changed(path, data):
    """Write atomically, and not at all if that would only touch the time."""
    try:
        if path.read_bytes() == data:
            return False
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(data)
    fresh.replace(path)
    return True


def read_state(path):
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}


class Tree:
    def __init__(self, source, out, dirs):
        self.source = source
        self.out = out
        self.dirs = dirs
        self.patches = {}
        for path in sorted(COCCI.glob("*.cocci")):
            patch = SemanticPatch(path)
            self.patches.setdefault(patch.file, []).append(patch)

    def update(self):
        """Bring the tree up to date; return how many files were written."""
        old = read_state(self.out / STATE)
        state, jobs = {}, {}
        for name, path in self._inputs():
            stat = path.stat()
            state[name] = [str(path), stat.st_size, stat.st_mtime_ns,
                           self._recipe(name)]
            if state[name] != old.get(name) or not (self.out / name).exists():
                jobs[name] = path
        for name in self.patches:
            if name not in state:
                raise Error(f"no {name} in {self.source}")

        written = 0
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for name, data in zip(jobs, pool.map(self._content, jobs,
                                                 jobs.values())):
                written += write_if_changed(self.out / name, data)
        written += write_if_changed(self.out / "Kbuild", self._kbuild())

        self._forget(old.keys() - state.keys(), state)
        write_if_changed(self.out / STATE, json.dumps(state).encode())
        return written

    def _forget(self, gone, state):
        """Remove files, and with the last one what was built beside it."""
        folders = {os.path.dirname(name) for name in state}
        for name in gone:
            folder, path = os.path.dirname(name), self.out / name
            if folder in folders:
                path.unlink(missing_ok=True)
            else:
                shutil.rmtree(path.parent, ignore_errors=True)

    def _inputs(self):
        for top in ["include/rdma", *self.dirs]:
            if not (self.source / top).is_dir():
                raise Error(f"no {top} in {self.source}")
            for path in sorted((self.source / top).rglob("*")):
                name = str(path.relative_to(self.source))
                if name not in LEFT_OUT and self._is_source(path):
                    yield name, path
        yield from ADDED.items()

    @staticmethod
    def _is_source(path):
        """A kernel tree that somebody built in holds more than sources."""
        return (path.suffix in {".c", ".h", ".S"}
                or path.name in {"Makefile", "Kbuild"}) \
            and not path.name.endswith(".mod.c") and path.is_file()

    def _recipe(self, name):
        """Changes whenever what is done to this file does."""
        if name in self.patches:
            recipe = MACROS.read_text() + "".join(patch.text for patch in self.patches[name])
        else:
            recipe = pathlib.Path(__file__).read_text()
        return hashlib.sha256(recipe.encode()).hexdigest()

    def _content(self, name, path):
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

    def _kbuild(self):
        return (KBUILD + "".join(f"obj-y += {d}/\n" for d in self.dirs)).encode()


class Build:
    """Runs make and understands what it says."""

    def __init__(self, tree, what, kernel_build, symvers, make_args, jobs):
        self.tree = tree
        self.what = what
        self.obj = kernel_build
        self.symvers = symvers
        self.make_args = make_args
        self.jobs = jobs
        self.log = tree.out / "build.log"

    def run(self):
        command = ["make", "-k", f"-j{self.jobs}", "-C", self.obj,
                   f"M={self.tree.out}", f"RESTRACK={CHECKOUT}",
                   *self._compiler(), *self._symbols(), *self.what.switches,
                   *self.make_args, "modules"]
        started = last = time.monotonic()
        objects, complaints = 0, []
        with open(self.log, "w", encoding="utf-8") as log, subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, errors="replace") as make:
            for line in make.stdout:
                log.write(line)
                objects += line.startswith("  CC ")
                if re.search(r"\b(warning|error): |^WARNING:|^ERROR:|\*\*\* ",
                             line, re.I) and not self._expected(line):
                    complaints.append(line.rstrip())
                if time.monotonic() - last > 10:
                    last = time.monotonic()
                    say(f"  {objects} objects, {last - started:.0f} s")
        if make.returncode or complaints:
            shown = "\n".join(complaints[:30])
            raise Error(f"{shown}\nbuild failed, the log is {self.log}")
        self._check_headers()
        say(f"  {objects} objects compiled in {time.monotonic() - started:.0f} s")

    def modules(self):
        return sorted(self.tree.out.rglob("*.ko"))

    def _compiler(self):
        """The kernel's own compiler, unless the caller says which."""
        if any(re.match(r"(CC|LLVM)=", arg) for arg in self.make_args):
            return []
        config = (self.obj / ".config").read_text()
        version = re.search(r'^CONFIG_CC_VERSION_TEXT="(\S+)', config, re.M)
        clang = "CONFIG_CC_IS_CLANG=y" in config
        if not version:
            return []
        compiler = version[1]
        if clang:
            suffix = re.search(r"clang(-\d+)?$", compiler)
            return [f"LLVM={suffix and suffix[1] or 1}"]
        return [f"CC={compiler}"] if shutil.which(compiler) else []

    def _symbols(self):
        symbols = []
        if self.symvers:
            symbols += [f"KBUILD_EXTRA_SYMBOLS={self.symvers}"]
        if self.what.incomplete or not self.symvers:
            symbols += ["KBUILD_MODPOST_WARN=1"]
        return symbols

    def _expected(self, line):
        """Symbols that cannot be found, for a reason that is known."""
        undefined = UNDEFINED.match(line)
        if not undefined:
            return False
        module = os.path.basename(undefined["path"] or undefined["in"])
        symbol = undefined["new"] or undefined["old"]
        if symbol == "rdma_is_kernel_res" or symbol.startswith("rdma_restrack_"):
            return not self.symvers
        return module in self.what.incomplete

    def _check_headers(self):
        """No object may have seen the kernel's own version of a header."""
        own = {p.name for p in (self.tree.out / "include/rdma").iterdir()}
        own.add("restrack.h")
        header = re.compile(r"(\S*)/include/rdma/(\w+\.h)\b")
        good = {str(self.tree.out), str(CHECKOUT)}
        for path in self.tree.out.rglob(".*.o.cmd"):
            for where, name in set(header.findall(path.read_text())):
                where = os.path.normpath(self.tree.out / where)
                if name in own and where not in good:
                    raise Error(f"{path}: compiled with {where}/include/rdma/"
                                f"{name} instead of ours")


def say(text):
    print(text, file=sys.stderr, flush=True)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.strip().split("\n\n", maxsplit=1)[0])
    parser.add_argument("--kernel-source", required=True, type=pathlib.Path,
                        help="sources of the kernel")
    parser.add_argument("--kernel-build", type=pathlib.Path,
                        help="where that kernel is prepared or built "
                             "(default: in its sources)")
    parser.add_argument("--out", required=True, type=pathlib.Path,
                        help="the tree to make or to bring up to date")
    parser.add_argument("--set", choices=SETS, default="software",
                        help="software: ib_core and what comes with it, rxe, "
                             "siw; drivers: everything in drivers/infiniband "
                             "(default: %(default)s)")
    parser.add_argument("--also", action="append", default=[], metavar="DIR",
                        help="one more directory of the kernel, e.g. net/rds")
    parser.add_argument("--build", action="store_true",
                        help="build the modules, too")
    parser.add_argument("--module-symvers", type=pathlib.Path,
                        help="Module.symvers of rdma_restrack.ko; without it "
                             "its symbols may stay undefined")
    parser.add_argument("--jobs", "-j", type=int, default=os.cpu_count())
    parser.add_argument("make_args", nargs="*", metavar="VAR=VALUE",
                        help="for make, e.g. CC=gcc-14")
    return parser.parse_args()


def main():
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
        say(f"RDMA tree: {written} files written in "
            f"{time.monotonic() - started:.1f} s")
        if args.build:
            build = Build(tree, what, (args.kernel_build or source).resolve(),
                          args.module_symvers and args.module_symvers.resolve(),
                          args.make_args, args.jobs)
            build.run()
            for module in build.modules():
                print(module)


if __name__ == "__main__":
    try:
        main()
    except Error as error:
        sys.exit(f"rdma_tree: {error}")
