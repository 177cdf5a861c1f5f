# SPDX-License-Identifier: GPL-2.0
"""The targets of the Makefile: a function for each, whose docstring is its line in help."""

import contextlib
import functools
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from scripts import cache, checks, disk, host, inventory, program
from scripts.guest import qemu
from scripts.kernel import buildroot, kernels, modules, packages
from scripts.kernel.kernels import Kernel, Variant
from scripts.paths import BUILD, CHECKOUT
from scripts.progress import Failed, Step, say
from tests import kdir, suites
from tests.bench import benchmark
from tests.compare import comparison
from tests.model import protocol
from tests.mutants import mutants

HELP = """\
Variables:
  SERIES=7.3        series of Debian's kernel (7.2, 7.3)
  KERNEL=stock      kernel of 'all', 'shell', 'drivers', 'rust-analyzer': stock, stock-rt,
                    debug, debug-rt, kasan, kcsan
  LLVM=1            our own kernels, and what is built for them, with clang
  KDIR=<folder>     'all': build rdma_restrack.ko for that prepared kernel, with the
                    tools of this machine
  ONLY=<words>      'compare': only these workloads, e.g. "memory killed-siw rping*";
                    'kunit': only suites with such a name, e.g. restrack_c_*;
                    'mutants': only those whose name matches this
  SEED=<number>     'test', 'kunit', 'soak': make the same random choices again
  V=1               show the commands
Logs are in build/logs; downloads and kernels are in {cache}.
"""

# A target returns an exit code, nothing if it succeeds anyway, or a function that does the
# rest of the work.
Target = Callable[[], int | None | Callable[[], int | None]]

TARGETS: dict[str, Target] = {}

# These do not use build/, so they do not wait, and work on a disk that is full.
WITHOUT_BUILD = ("cache", "cache-clean", "help")


def target(name: str) -> Callable[[Target], Target]:
    """Makes a function a target. The Makefile finds the names of the targets by this word."""
    def add(function: Target) -> Target:
        TARGETS[name] = function
        return function
    return add


@target("all")
def build() -> None:
    """build rdma_restrack.ko and the RDMA modules for Debian's kernel"""
    if os.environ.get("KDIR"):
        modules.build_for_kdir(Path(os.environ["KDIR"]))
        return
    made = modules.build(_kernel())
    say(f"{made.restrack.relative_to(CHECKOUT)} and the modules beside it are built")


@target("run")
def demo() -> None:
    """boot Debian's kernel, run RDMA programs on a virtual device, show what is tracked"""
    stock = _kernel("stock")
    made = modules.build(stock)
    log = qemu.log_of(stock, "run").relative_to(CHECKOUT)
    say(f"booting {stock.release} as Debian ships it (log: {log})")
    verdict = qemu.boot(stock, made.folder, "run",
                        "exec $CHECKOUT/scripts/guest/demo.sh", limit=300, show=True)
    if verdict.why:
        raise Failed("run", verdict.why, log)
    say(f"run: done (log: {log})")


@target("test")
def test() -> int:
    """all KUnit suites and guest tests, on our debug kernel and on Debian's own"""
    # With KERNEL=, that kernel takes the place of the debug kernel.
    return suites.test(list(dict.fromkeys(
        (_kernel(os.environ.get("KERNEL") or "debug"), _kernel("stock")))))


@target("kunit")
def kunit() -> int:
    """KUnit suites only, on the debug kernel: the quick answer after an edit"""
    asked = _kernel(os.environ.get("KERNEL") or "debug")
    return suites.kunit(asked, modules.build(asked), os.environ.get("ONLY"))


@target("soak")
def soak() -> int:
    """the long tests: 10 million random steps, 10 minutes of races, 500 devices that vanish"""
    asked = _kernel(os.environ.get("KERNEL") or "debug")
    return suites.soak(asked, modules.build(asked))


@target("matrix")
def matrix() -> int:
    """'test' on the kernels of all series, by gcc and by clang (two hours the first time)"""
    host.prepare()
    return suites.matrix(kernels.get)


@target("compare")
def compare() -> int:
    """run the same workloads on the C tracker and on this one, and compare what they show"""
    return comparison.run(_kernel("stock"))


@target("kdir")
def own_kernel() -> Callable[[], None]:
    """build for a kernel tree as one with a kernel of one's own does, and load the result"""
    return functools.partial(kdir.check, _kernel("stock"))


@target("shell")
def shell() -> Callable[[], None]:
    """a shell in a guest with everything loaded and an rxe device up"""
    asked = _kernel()
    made = modules.build(asked)
    size = shutil.get_terminal_size()

    def work() -> None:
        qemu.boot(asked, made.folder, "shell",
                  f"stty rows {size.lines} cols {size.columns} 2>/dev/null; "
                  "exec $CHECKOUT/scripts/guest/shell.sh", limit=None, interactive=True)

    return work


@target("check")
def check() -> int:
    """style, lint, types and unit tests of Rust, C, Python and shell (half a minute)"""
    return checks.run_all(_kernel("stock"))


@target("drivers")
def drivers() -> None:
    """compile every RDMA driver that the kernel's configuration allows"""
    made = modules.build_drivers(_kernel())
    say(f"{len(made)} modules compiled against this project's header")


@target("model")
def model() -> int:
    """check the models of deletion and of the hash table in every interleaving"""
    return protocol.check(_kernel("stock").root)


@target("mutants")
def try_mutants() -> Callable[[], int]:
    """break the module on purpose, one way at a time, and see the tests notice (half an hour)"""
    for name in sorted({mutant.kernel for mutant in mutants.asked()}):
        _kernel(name)
    return functools.partial(mutants.try_in_copies, checks.files())


@target("bench")
def bench() -> int:
    """cost and throughput beside the tracker inside Debian's ib_core (15 minutes)"""
    return benchmark.run(_kernel("stock"), _kernel("stock-rt"))


@target("rust-analyzer")
def rust_analyzer() -> None:
    """write rust-project.json for editors"""
    asked = _kernel()
    modules.patch_sources(asked)
    out = modules.folder(asked.variant) / "module"
    modules.build_restrack(asked, out)
    with Step("rust-project.json", "rust-analyzer") as step:
        step.run(modules.make_command(asked, CHECKOUT, out, target="rust-analyzer"))
        shutil.copy2(out / "rust-project.json", CHECKOUT / "rust-project.json")


@target("update")
def update() -> None:
    """take Debian's newest kernel of the series, beside the one in the cache"""
    host.prepare()
    packages.update(Variant.asked().series, buildroot.get("gcc"))


@target("cache")
def show_cache() -> None:
    """list the cache: how large, when last used, needed by which checkouts"""
    inventory.show()


@target("cache-clean")
def clean_cache() -> None:
    """remove from the cache what no checkout needs and no running make uses"""
    inventory.clean()


@target("clean")
def clean() -> None:
    """remove build/ (the cache folder stays)"""
    shutil.rmtree(BUILD, ignore_errors=True)
    (CHECKOUT / "rust-project.json").unlink(missing_ok=True)


@target("help")
def show_help() -> None:
    """this text"""
    for name, function in TARGETS.items():
        print(f"  make {name:<15} {function.__doc__}")
    print(HELP.format(cache=cache.folder()), end="")


def _kernel(name: str | None = None) -> Kernel:
    """The kernel of that name, or the one that KERNEL= asks for."""
    host.prepare()
    return kernels.get(Variant.asked(name))


def main(name: str) -> int:
    """Runs one target and returns its exit code.

    Two makes in one checkout would write the same files, so the second one waits. A target
    may return a function that does the rest of the work beside another make.
    """
    # The guest has users of its own, who read and run what is made here.
    os.umask(0o022)
    if name not in WITHOUT_BUILD:
        host.check_checkout()
    with contextlib.nullcontext() if name in WITHOUT_BUILD else \
            cache.lock(BUILD / ".lock", "this checkout"):
        done = TARGETS[name]()
    code = (done() if callable(done) else done) or 0
    if code and (full := disk.complaint()):
        raise Failed(name, full, None, disk.HINT)
    return code


if __name__ == "__main__":
    program.run(lambda: main(sys.argv[1]))
