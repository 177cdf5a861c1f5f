# SPDX-License-Identifier: GPL-2.0
"""Builds the modules of a tree that rdma_tree.py has made."""

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from scripts.ib_core.semantic_patch import Error
from scripts.paths import CHECKOUT
from scripts.progress import Word

CORE = "drivers/infiniband/core"


@dataclass(frozen=True)
class Set:
    """What to build: directories, and what make is told about them."""

    dirs: tuple[str, ...]
    # Drivers that this project needs and a distribution may have switched off;
    # nothing else is built that the kernel's configuration does not ask for.
    switches: tuple[str, ...]
    # Modules of drivers for which the kernel may lack the other half.
    incomplete: tuple[str, ...] = ()


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

# What modpost of 7.3 says, and that of earlier kernels.
UNDEFINED = re.compile(r"WARNING: modpost: (?:"
                       r"(?P<path>\S+)\.ko: symbol '(?P<new>\w+)'|"
                       r'"(?P<old>\w+)" \[(?P<in>\S+)\.ko\]) undefined!$')


class Build:
    """Runs make and understands what it says."""

    def __init__(self, out: Path, what: Set, kernel_build: Path, symvers: Path | None,
                 make_args: list[str], jobs: int) -> None:
        self.out = out
        self.what = what
        self.obj = kernel_build
        self.symvers = symvers
        self.make_args = make_args
        self.jobs = jobs
        self.log = out / "build.log"

    def run(self) -> None:
        command: list[Word] = ["make", "-k", f"-j{self.jobs}", "-C", self.obj,
                   f"M={self.out}", f"RESTRACK={CHECKOUT}",
                   *self._compiler(), *self._symbols(), *self.what.switches,
                   *self.make_args, "modules"]
        started = last = time.monotonic()
        objects, complaints = 0, []
        with open(self.log, "w", encoding="utf-8") as log, subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, errors="replace") as make:
            for line in make.stdout or ():
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

    def modules(self) -> list[Path]:
        return sorted(self.out.rglob("*.ko"))

    def _compiler(self) -> list[str]:
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

    def _symbols(self) -> list[str]:
        symbols = []
        if self.symvers:
            symbols += [f"KBUILD_EXTRA_SYMBOLS={self.symvers}"]
        if self.what.incomplete or not self.symvers:
            symbols += ["KBUILD_MODPOST_WARN=1"]
        return symbols

    def _expected(self, line: str) -> bool:
        """Symbols that cannot be found, for a reason that is known."""
        undefined = UNDEFINED.match(line)
        if not undefined:
            return False
        module = os.path.basename(undefined["path"] or undefined["in"])
        symbol = undefined["new"] or undefined["old"]
        if symbol == "rdma_is_kernel_res" or symbol.startswith("rdma_restrack_"):
            return not self.symvers
        return module in self.what.incomplete

    def _check_headers(self) -> None:
        """No object may have seen the kernel's own version of a header."""
        own = {p.name for p in (self.out / "include/rdma").iterdir()}
        own.add("restrack.h")
        header = re.compile(r"(\S*)/include/rdma/(\w+\.h)\b")
        good = {str(self.out), str(CHECKOUT)}
        for path in self.out.rglob(".*.o.cmd"):
            for where, name in set(header.findall(path.read_text())):
                where = os.path.normpath(self.out / where)
                if name in own and where not in good:
                    raise Error(f"{path}: compiled with {where}/include/rdma/"
                                f"{name} instead of ours")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
