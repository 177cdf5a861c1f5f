# SPDX-License-Identifier: GPL-2.0
"""The targets of the Makefile, one function each; a docstring is its line in help."""

import fcntl
import os
import shutil
import sys
from pathlib import Path

from scripts import cache, checks, host
from scripts.guest import qemu
from scripts.kernel import kernels, modules
from scripts.paths import BUILD, CHECKOUT, LOGS
from scripts.progress import Failed, Step, say
from tests import results, suites
from tests.bench import benchmark
from tests.compare import comparison
from tests.model import protocol
from tests.mutants import mutants as mutation

HELP = """\
Variables:
  SERIES=7.3        series of Debian's kernel (7.2, 7.3)
  KERNEL=stock      kernel of 'all', 'shell', 'drivers', 'rust-analyzer': stock, stock-rt,
                    debug, debug-rt, kasan, kcsan
  LLVM=1            our own kernels, and what is built for them, with clang
  KDIR=<folder>     'all': build rdma_restrack.ko for that prepared kernel, with this machine's tools
  ONLY=<words>      'compare': only these workloads, e.g. "memory killed-siw rping*";
                    'kunit': only suites with such a name, e.g. restrack_c_*;
                    'mutants': only those whose name matches this
  V=1               show the commands
Logs are in build/logs; downloads and kernels are in {cache}.
"""


def all():
    """build rdma_restrack.ko and the RDMA modules for Debian's kernel"""
    if os.environ.get("KDIR"):
        return build_for_kdir(Path(os.environ["KDIR"]))
    made = modules.build(_kernel())
    say(f"{made.restrack.relative_to(CHECKOUT)} and the modules beside it are built")
    return 0


def run():
    """boot Debian's kernel, run RDMA programs on a virtual device, show what is tracked"""
    stock = _kernel("stock")
    made = modules.build(stock)
    log = qemu.log_of(stock, "run")
    say(f"booting {stock.release} as Debian ships it (log: {log.relative_to(CHECKOUT)})")
    verdict = qemu.boot(stock, made.folder, "run",
                        "exec $CHECKOUT/scripts/guest/demo.sh", limit=300, show=True)
    return _conclude("run", verdict)


def test():
    """all KUnit suites and guest tests, on our debug kernel and on Debian's own"""
    # With KERNEL=, that kernel takes the place of the debug kernel.
    return suites.test(list(dict.fromkeys(
        (_kernel(os.environ.get("KERNEL") or "debug"), _kernel("stock")))))


def kunit():
    """KUnit suites only, on the debug kernel: the quick answer after an edit"""
    asked = _kernel(os.environ.get("KERNEL") or "debug")
    total = results.Total()
    total.add(*suites.kunit(asked, modules.build(asked), only=os.environ.get("ONLY")))
    return total.conclude()


def soak():
    """the long tests: 10 million random steps, 10 minutes of races, 500 devices that vanish"""
    asked = _kernel(os.environ.get("KERNEL") or "debug")
    return suites.soak(asked, modules.build(asked))


def matrix():
    """'test' on Debian's kernels of both series, and on debug kernels of both with gcc and clang (two hours the first time)"""
    host.prepare(LOGS / "host.log")
    return suites.matrix(lambda variant: kernels.get(variant, LOGS))


def compare():
    """run the same workloads on the C tracker and on this one, and compare what they show"""
    return comparison.run(_kernel("stock"))


def shell():
    """a shell in a guest with everything loaded and an rxe device up"""
    asked = _kernel()
    made = modules.build(asked)
    # From here on another make may work beside the shell.
    fcntl.flock(_LOCK, fcntl.LOCK_UN)
    size = shutil.get_terminal_size()
    qemu.boot(asked, made.folder, "shell",
              f"stty rows {size.lines} cols {size.columns} 2>/dev/null; "
              "exec $CHECKOUT/scripts/guest/shell.sh", limit=None, interactive=True)
    return 0


def check():
    """style and lint: rustfmt, clippy, unsafe code, panics, checkpatch, kernel-doc, SPDX, Python, shell"""
    return checks.run_all(_kernel("stock"))


def drivers():
    """compile every RDMA driver that the kernel's configuration allows"""
    made = modules.build_drivers(_kernel())
    say(f"{len(made)} modules compiled against this project's header")
    return 0


def model():
    """check the protocol between deletion and readers in every interleaving"""
    return protocol.check(_kernel("stock").root)


def mutants():
    """break the module on purpose, one way at a time, and see the tests notice (half an hour)"""
    _kernel(mutation.variant().kernel)
    # Copies of the checkout are all that this needs, so another make may work beside it.
    fcntl.flock(_LOCK, fcntl.LOCK_UN)
    return mutation.run(checks.files())


def bench():
    """cost and throughput beside the tracker inside Debian's ib_core (15 minutes)"""
    return benchmark.run(_kernel("stock"), _kernel("stock-rt"))


def rust_analyzer():
    """write rust-project.json for editors"""
    asked = _kernel()
    modules.patch_sources(asked)
    out = modules.folder(asked.variant) / "module"
    modules.build_restrack(asked, out)
    with Step("rust-project.json", LOGS / "rust-analyzer.log") as step:
        step.run(modules.make_command(asked, CHECKOUT, out, target="rust-analyzer"))
        shutil.copy2(out / "rust-project.json", CHECKOUT / "rust-project.json")
    return 0


def clean():
    """remove build/ (the cache folder stays)"""
    shutil.rmtree(BUILD, ignore_errors=True)
    (CHECKOUT / "rust-project.json").unlink(missing_ok=True)
    return 0


def help():
    """this text"""
    for name, target in TARGETS.items():
        print(f"  make {name:<15} {target.__doc__}")
    print(HELP.format(cache=cache.folder()), end="")
    return 0


TARGETS = {f.__name__.replace("_", "-"): f for f in (
    all, run, test, kunit, soak, matrix, compare, shell, check, drivers, bench, model,
    mutants, rust_analyzer, clean, help)}


def build_for_kdir(tree):
    """rdma_restrack.ko for a prepared kernel tree, with the tools of this machine."""
    config = tree / ".config"
    if not config.exists():
        raise Failed("KDIR", f"{tree} is not a prepared kernel tree", None,
                     "it must be configured, with 'make modules_prepare' or a build")
    source = tree / "source" if (tree / "source").exists() else tree
    kernels.warn_if_unknown(kernels.series_of(source))
    out = BUILD / "kdir"
    out.mkdir(parents=True, exist_ok=True)
    with Step(f"rdma_restrack.ko for {tree}", LOGS / "kdir.log") as step:
        step.run([sys.executable, "-B", "-m", "scripts.ib_core.rdma_tree",
                  "--kernel-source", source.resolve(), "--kernel-build", tree.resolve(),
                  "--out", out / "rdma"], cwd=CHECKOUT)
        (out / "module").mkdir(exist_ok=True)
        compiler = [f"{name}={os.environ[name]}" for name in ("LLVM", "CC")
                    if os.environ.get(name)]
        step.run(["make", f"-j{os.cpu_count()}", "-C", tree.resolve(), f"M={CHECKOUT}",
                  f"MO={out / 'module'}", f"RDMA_TREE={out / 'rdma'}", *compiler,
                  "modules"])
        shutil.copy2(out / "module/rdma_restrack.ko", BUILD / "rdma_restrack.ko")
    say("build/rdma_restrack.ko is built; the sources of an ib_core that uses it "
        "are in build/kdir/rdma")
    return 0


def _kernel(name=None):
    """A kernel by name, or the one that KERNEL= asks for, with all it needs."""
    host.prepare(LOGS / "host.log")
    variant = kernels.Variant.asked(name)
    return kernels.get(variant, LOGS)


def _conclude(what, verdict):
    where = verdict.log.relative_to(CHECKOUT)
    if verdict.why:
        raise Failed(what, verdict.why, where)
    say(f"{what}: done (log: {where})")
    return 0


def main(names):
    try:
        fcntl.flock(_LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("waiting for another make in this checkout")
        fcntl.flock(_LOCK, fcntl.LOCK_EX)
    return next((code for name in names if (code := TARGETS[name]())), 0)


if __name__ == "__main__":
    # Two makes in one checkout would write the same files.
    BUILD.mkdir(exist_ok=True)
    with (BUILD / ".lock").open("w") as _LOCK:
        try:
            sys.exit(main(sys.argv[1:]))
        except Failed as failure:
            sys.exit(f"FAILED {failure}")
        except KeyboardInterrupt:
            sys.exit("interrupted")
