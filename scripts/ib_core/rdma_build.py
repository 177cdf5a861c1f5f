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
    """Directories to build, and words for make."""

    dirs: tuple[str, ...]
    # Drivers to build although the kernel's configuration may not ask for them.
    switches: tuple[str, ...]
    # Drivers that need modules which the kernel may lack.
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

# The message of modpost of 7.3, and that of earlier kernels.
UNDEFINED = re.compile(r"WARNING: modpost: (?:"
                       r"(?P<path>\S+)\.ko: symbol '(?P<new>\w+)'|"
                       r'"(?P<old>\w+)" \[(?P<in>\S+)\.ko\]) undefined!$')


@dataclass(frozen=True)
class Build:
    """A run of make, with the messages that are expected."""

    out: Path                   # the tree
    what: Set
    kernel: Path                # where the kernel was built
    symvers: Path | None        # of rdma_restrack.ko
    make_args: list[str]
    jobs: int

    def run(self) -> None:
        """Builds the modules."""
        command: list[Word] = [
            "make", "-k", f"-j{self.jobs}", "-C", self.kernel, f"M={self.out}",
            f"RESTRACK={CHECKOUT}", *self._compiler(), *self._symbols(),
            *self.what.switches, *self.make_args, "modules"]
        path = self.out / "build.log"
        started = last = time.monotonic()
        objects, complaints = 0, []
        with path.open("w") as log, subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, errors="replace") as make:
            for line in make.stdout or ():
                log.write(line)
                objects += line.startswith("  CC ")
                if re.search(r"\b(warning|error): |^WARNING:|^ERROR:|\*\*\* ",
                             line, re.I) and not self.expected(line):
                    complaints.append(line.rstrip())
                if time.monotonic() - last > 10:
                    last = time.monotonic()
                    say(f"  {objects} objects, {last - started:.0f} s")
        if make.returncode or complaints:
            shown = "\n".join(complaints[:30])
            raise Error(f"{shown}\nbuild failed, the log is {path}")
        self.check_headers()
        say(f"  {objects} objects compiled in {time.monotonic() - started:.0f} s")

    def modules(self) -> list[Path]:
        """The modules that were built."""
        return sorted(self.out.rglob("*.ko"))

    def _compiler(self) -> list[str]:
        """The compiler that the kernel was built with, unless the caller names one."""
        if any(re.match(r"(CC|LLVM)=", arg) for arg in self.make_args):
            return []
        config = (self.kernel / ".config").read_text()
        version = re.search(r'^CONFIG_CC_VERSION_TEXT="(\S+)', config, re.M)
        if not version:
            return []
        if "CONFIG_CC_IS_CLANG=y" in config:
            suffix = re.search(r"clang(-\d+)?$", version[1])
            return [f"LLVM={suffix and suffix[1] or 1}"]
        return [f"CC={version[1]}"] if shutil.which(version[1]) else []

    def _symbols(self) -> list[str]:
        """What make is told about symbols of other modules."""
        symbols = [f"KBUILD_EXTRA_SYMBOLS={self.symvers}"] if self.symvers else []
        return symbols + (["KBUILD_MODPOST_WARN=1"]
                          if self.what.incomplete or not self.symvers else [])

    def expected(self, line: str) -> bool:
        """Returns true if the line is about a symbol that may be undefined."""
        undefined = UNDEFINED.match(line)
        if not undefined:
            return False
        module = os.path.basename(undefined["path"] or undefined["in"])
        symbol = undefined["new"] or undefined["old"]
        if symbol == "rdma_is_kernel_res" or symbol.startswith("rdma_restrack_"):
            return not self.symvers
        return module in self.what.incomplete

    def check_headers(self) -> None:
        """Fails if an object was compiled with the kernel's version of a header of ours.

        Most have one. If none has, this looks in the wrong place.
        """
        own = {p.name for p in (self.out / "include/rdma").iterdir()}
        own.add("restrack.h")
        header = re.compile(r"(\S*)/include/rdma/(\w+\.h)\b")
        good = {str(self.out), str(CHECKOUT)}
        seen = 0
        for path in self.out.rglob(".*.o.cmd"):
            for where, name in set(header.findall(path.read_text())):
                where = os.path.normpath(self.out / where)
                if name in own and where not in good:
                    raise Error(f"{path}: compiled with {where}/include/rdma/"
                                f"{name} instead of ours")
                seen += name in own
        if not seen:
            raise Error(f"{self.out}: no object says which headers it was compiled with")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
