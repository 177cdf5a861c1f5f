# SPDX-License-Identifier: GPL-2.0
"""The modules for one kernel, from sources to a folder that modprobe reads.

All of it is in build/<variant>/ and is kept up to date by make: module/
(rdma_restrack.ko), rdma/ (the patched RDMA sources and their modules), kunit/ (the
test suites in C), tree/ (/lib/modules of the guest), foreign/ (Debian's modules, which
some tests load by their paths).
"""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from scripts.kernel import kernels, packages
from scripts.kernel.kernels import Kernel, Variant
from scripts.paths import BUILD, CHECKOUT
from scripts.progress import VERBOSE, Failed, Step, Word, say

# Of Debian's modules, those that tests try to load beside ours.
FOREIGN = ("ib_core", "rdma_rxe", "nvme-rdma")


@dataclass(frozen=True)
class Modules:
    """What was built for one kernel."""

    folder: Path        # what the guest sees as /lib/modules
    restrack: Path      # rdma_restrack.ko
    kunit: tuple[str, ...]      # names of the C KUnit modules


def folder(variant: Variant) -> Path:
    """The folder with all that is built for a kernel."""
    return BUILD / variant.name


def symbols(kernel: Kernel) -> str:
    """The word that tells make of the symbols of rdma_restrack.ko and of ib_core."""
    out = folder(kernel.variant)
    return f"KBUILD_EXTRA_SYMBOLS={out}/module/Module.symvers {out}/rdma/Module.symvers"


def _step(kernel: Kernel, what: str, log: str) -> Step:
    """A step whose name and log name the kernel."""
    return Step(f"{what} for {kernel.variant.name}", f"{kernel.variant.name}-{log}")


def build(kernel: Kernel) -> Modules:
    """Builds what guests of this kernel load."""
    out = folder(kernel.variant)
    module, kunit = out / "module", out / "kunit"
    patch_sources(kernel)
    build_restrack(kernel, module)
    with _step(kernel, "RDMA modules", "rdma") as step:
        # Debug information takes a quarter of the time, and guests do not use it.
        step.run(_rdma_tree(kernel, "--build", "--module-symvers", module / "Module.symvers",
                            *kernel.variant.make_arguments, "KCFLAGS=-g0"))
    if _has_kunit(kernel):
        with _step(kernel, "KUnit modules", "kunit-modules") as step:
            kunit.mkdir(exist_ok=True)
            step.run(make_command(kernel, CHECKOUT / "tests/kunit", kunit,
                                  f"RESTRACK={CHECKOUT}", symbols(kernel)))
    return install(kernel)


def patch_sources(kernel: Kernel) -> None:
    """Makes build/<variant>/rdma, the kernel's RDMA sources with our semantic patches."""
    with _step(kernel, "RDMA sources", "sources") as step:
        (folder(kernel.variant) / "rdma").mkdir(parents=True, exist_ok=True)
        step.run(_rdma_tree(kernel))


def build_restrack(kernel: Kernel, out: Path) -> Path:
    """Builds rdma_restrack.ko in a folder and returns its path."""
    with _step(kernel, "rdma_restrack.ko", "module") as step:
        out.mkdir(parents=True, exist_ok=True)
        step.run(make_command(kernel, CHECKOUT, out))
    return out / "rdma_restrack.ko"


def build_drivers(kernel: Kernel) -> list[Path]:
    """Compiles every driver that the kernel's configuration allows; returns the modules."""
    out = folder(kernel.variant)
    patch_sources(kernel)
    build_restrack(kernel, out / "module")
    with _step(kernel, "every RDMA driver", "drivers") as step:
        (out / "drivers").mkdir(parents=True, exist_ok=True)
        step.run(_rdma_tree(kernel, "--set", "drivers", "--build",
                            "--module-symvers", out / "module/Module.symvers",
                            *kernel.variant.make_arguments, tree="drivers"))
    return sorted((out / "drivers").rglob("*.ko"))


def _has_kunit(kernel: Kernel) -> bool:
    """Returns true if the kernel has KUnit."""
    return "CONFIG_KUNIT=y" in (kernel.objects / ".config").read_text()


def _rdma_tree(kernel: Kernel, *words: Word, tree: str = "rdma") -> list[str]:
    """The command line of rdma_tree.py for a folder of the kernel."""
    out = folder(kernel.variant) / tree
    return kernel.root.enter(
        ["python3", "-B", "-m", "scripts.ib_core.rdma_tree",
         "--kernel-source", kernel.source, "--kernel-build", kernel.objects,
         "--out", out, *words],
        readable=[CHECKOUT, kernel.source, kernel.objects], writable=[out],
        directory=CHECKOUT)


def make_command(kernel: Kernel, sources: Path, out: Path, *words: str,
                 target: str = "modules") -> list[str]:
    """The command line of Kbuild for a folder of ours, with its output elsewhere."""
    return kernel.root.enter(
        ["make", f"-j{os.cpu_count()}", "-C", kernel.objects,
         f"M={sources}", f"MO={out}",
         f"RDMA_TREE={folder(kernel.variant)}/rdma",
         *kernel.variant.make_arguments, *(["V=1"] if VERBOSE else []),
         *words, target],
        readable=[CHECKOUT, kernel.source, kernel.objects],
        writable=[folder(kernel.variant)])


def install(kernel: Kernel) -> Modules:
    """Makes the folder that the guest sees as /lib/modules."""
    out = folder(kernel.variant)
    restrack = out / "module/rdma_restrack.ko"
    kunit = tuple(sorted((out / "kunit").glob("*.ko"))) if _has_kunit(kernel) else ()
    modules = [restrack, *sorted((out / "rdma").rglob("*.ko")), *kunit]
    with _step(kernel, "modules of the guest", "install") as step:
        fill_tree(step, kernel, out / "tree", modules)
    if kernel.variant.kernel == "stock":
        shutil.copy2(restrack, BUILD / "rdma_restrack.ko")
    if kernel.stock_rdma:
        foreign = out / "foreign"
        foreign.mkdir(exist_ok=True)
        for name in FOREIGN:
            shutil.copy2(next(kernel.stock_rdma.rglob(f"{name}.ko")), foreign)
    return Modules(out / "tree", restrack, tuple(k.stem for k in kunit))


def fill_tree(step: Step, kernel: Kernel, tree: Path, modules: list[Path]) -> None:
    """Brings a folder that takes the place of /lib/modules up to date.

    It has these modules, and those of the distribution.
    """
    updates = tree / kernel.release / "updates"
    updates.mkdir(parents=True, exist_ok=True)
    for old in updates.iterdir():
        if old.name not in {m.name for m in modules}:
            old.unlink()
    _distribution(tree / kernel.release / "kernel", kernel.modules)
    for module in modules:
        if _older(updates / module.name, module):
            # Debug information is most of a module.
            fresh = updates / f".{module.name}"
            step.run(kernel.root.enter(["objcopy", "--strip-debug", module, fresh],
                                       readable=[CHECKOUT], writable=[tree]))
            fresh.rename(updates / module.name)
    _depmod(step, kernel, tree)


def install_distribution(kernel: Kernel) -> Path:
    """Makes the same with Debian's RDMA modules, which have the C tracker."""
    tree = folder(kernel.variant) / "tree-c"
    with _step(kernel, "Debian's own RDMA modules", "install-c") as step:
        (tree / kernel.release).mkdir(parents=True, exist_ok=True)
        _distribution(tree / kernel.release / "kernel", kernel.stock_rdma)
        _depmod(step, kernel, tree)
    return tree


def build_for_kdir(tree: Path) -> None:
    """Builds rdma_restrack.ko for a prepared kernel tree, with the tools of this machine."""
    config = tree / ".config"
    if not config.exists():
        raise Failed("KDIR", f"{tree} is not a prepared kernel tree", None,
                     "it must be configured, with 'make modules_prepare' or a build")
    source = tree / "source" if (tree / "source").exists() else tree
    packages.warn_if_unknown(kernels.series_of(source))
    out = BUILD / "kdir"
    out.mkdir(parents=True, exist_ok=True)
    with Step(f"rdma_restrack.ko for {tree}", "kdir") as step:
        step.run([sys.executable, "-B", "-m", "scripts.ib_core.rdma_tree",
                  "--kernel-source", source.resolve(), "--kernel-build", tree.resolve(),
                  "--out", out / "rdma"], cwd=CHECKOUT)
        (out / "module").mkdir(exist_ok=True)
        compiler = [f"{name}={os.environ[name]}" for name in ("LLVM", "CC") if os.environ.get(name)]
        step.run(["make", f"-j{os.cpu_count()}", "-C", tree.resolve(), f"M={CHECKOUT}",
                  f"MO={out / 'module'}", f"RDMA_TREE={out / 'rdma'}", *compiler,
                  "modules"])
        shutil.copy2(out / "module/rdma_restrack.ko", BUILD / "rdma_restrack.ko")
    say("build/rdma_restrack.ko is built; the sources of an ib_core that uses it "
        "are in build/kdir/rdma")


def _older(made: Path, source: Path) -> bool:
    return not made.exists() or made.stat().st_mtime < source.stat().st_mtime


def _distribution(into: Path, modules: Path | None) -> None:
    """Copies modules of the distribution, if there are any and they are not there."""
    if not modules:
        return
    source = into.with_name(".kernel-source")
    if not into.exists() or not source.exists() or source.read_text() != str(modules):
        fresh = into.with_name("kernel.new")
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(modules / "kernel", fresh)
        source.unlink(missing_ok=True)
        shutil.rmtree(into, ignore_errors=True)
        fresh.rename(into)
        source.write_text(str(modules))


def _depmod(step: Step, kernel: Kernel, tree: Path) -> None:
    """Runs depmod for a folder that takes the place of /lib/modules."""
    for name in ("modules.builtin", "modules.order"):
        # depmod wants these files. Nothing that modprobe asks for is built in.
        (tree / kernel.release / name).touch()
    step.run(kernel.root.enter(["depmod", kernel.release],
                               readable=[CHECKOUT],
                               over=[(tree, "/usr/lib/modules")]))
