# SPDX-License-Identifier: GPL-2.0
"""The kernels: Debian's as shipped, and ours, built from Debian's source.

A kernel is a series (SERIES=), a row of KERNELS (KERNEL=) and a compiler (LLVM=1).
Each is a cache entry, named by its version and by a hash of all that it is made of.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scripts import cache
from scripts.kernel import buildroot, guest_modules, packages
from scripts.kernel.buildroot import BuildRoot
from scripts.kernel.packages import Package
from scripts.progress import Failed, Step

# Bytes that it takes to prepare Debian's kernel, and to build one of ours.
STOCK_SIZE, OWN_SIZE = 350_000_000, 1_200_000_000

CONFIGS = Path(__file__).resolve().parent / "configs"


@dataclass(frozen=True)
class Recipe:
    """How a kernel is made."""

    fragments: tuple[str, ...] = ()     # on top of tinyconfig; none: Debian's binary
    flavour: str = ""                   # of Debian's kernel, as in the names of its packages
    clang: bool = False                 # it needs clang
    words: tuple[str, ...] = ()         # for the make of the kernel, not of modules

    @property
    def stock(self) -> bool:
        """True if it is Debian's binary."""
        return not self.fragments


# KCSAN watches the modules and, of the kernel, only what they need for that. Races
# elsewhere are not ours, and an access that is not watched costs nothing.
KCSAN_WORDS = (
    "KCSAN_SANITIZE=n",
    # These functions are the atomic operations of Rust.
    "KCSAN_SANITIZE_helpers/helpers.o=y",
    # Otherwise KCSAN takes locks for code without barriers.
    *(f"KCSAN_INSTRUMENT_BARRIERS_{name}.o=y" for name in (
        "mutex", "percpu-rwsem", "qrwlock", "rwsem", "semaphore", "spinlock",
        "spinlock_debug")),
)

KERNELS = {
    "stock": Recipe(),
    # PREEMPT_RT: spinlocks are mutexes with priority inheritance.
    "stock-rt": Recipe(flavour="rt"),
    "debug": Recipe(("guest", "rdma", "debug")),
    "debug-rt": Recipe(("guest", "rdma", "debug", "rt")),
    "kasan": Recipe(("guest", "rdma", "debug", "kasan"), clang=True),
    "kcsan": Recipe(("guest", "rdma", "debug", "kcsan"), clang=True,
                    words=KCSAN_WORDS),
}

GCC = ("CC=x86_64-linux-gnu-gcc-14",)
CLANG = ("LLVM=-19",)

@dataclass(frozen=True)
class Variant:
    """The choice of a kernel."""

    series: str
    kernel: str
    llvm: bool

    @staticmethod
    def asked(kernel: str | None = None) -> "Variant":
        """The one that the environment asks for, or the kernel of that name."""
        kernel = kernel or os.environ.get("KERNEL") or "stock"
        if kernel not in KERNELS:
            raise Failed("KERNEL", f"there is no kernel '{kernel}'", None,
                         f"choose one of {', '.join(KERNELS)}")
        llvm = os.environ.get("LLVM", "") not in ("", "0")
        return Variant(os.environ.get("SERIES") or "7.3", kernel,
                       (llvm or KERNELS[kernel].clang) and not KERNELS[kernel].stock)

    @property
    def name(self) -> str:
        return f"{self.series}-{self.kernel}" + \
            ("-llvm" if self.llvm and not self.recipe.clang else "")

    @property
    def recipe(self) -> Recipe:
        return KERNELS[self.kernel]

    @property
    def make_arguments(self) -> tuple[str, ...]:
        return CLANG if self.llvm else GCC


@dataclass(frozen=True)
class Kernel:
    """A kernel that modules can be built for and that can be booted."""

    variant: Variant
    root: buildroot.BuildRoot
    release: str        # what uname -r says
    source: Path
    objects: Path       # the folder O= of its build
    image: Path
    modules: Path | None        # modules of the distribution for guests
    stock_rdma: Path | None     # the same with the distribution's RDMA modules


def series_of(source: Path) -> str:
    """The series of the kernel with these sources."""
    text = (source / "Makefile").read_text()
    return ".".join(re.findall(rf"^{name} = (\d+)$", text, re.M)[0]
                    for name in ("VERSION", "PATCHLEVEL"))


def get(variant: Variant) -> Kernel:
    """The kernel of that variant; it is made if the cache has none."""
    packages.warn_if_unknown(variant.series)
    kind = "llvm" if variant.llvm else "gcc"
    _check_room(variant, kind)
    root = buildroot.get(kind)
    package = packages.get(variant.series, root)
    if variant.recipe.flavour:
        package = packages.get_flavour(variant.series, variant.recipe.flavour, package, root)
    if variant.recipe.stock:
        return _stock(variant, root, package)
    return _own(variant, root, package)


def _check_room(variant: Variant, kind: str) -> None:
    """Fails before anything is downloaded if there is no room for all of it."""
    lacking = [size for there, size in (
        (cache.exists(buildroot.name(kind)), buildroot.SIZE + STOCK_SIZE),
        (packages.is_there(variant.series), packages.SIZE)) if not there]
    if lacking:
        cache.want_room(f"kernel {variant.name}", sum(lacking))


def _make(step: Step, root: BuildRoot, source: Path, objects: Path, arguments: Iterable[str],
          targets: Iterable[str]) -> None:
    step.run(root.enter(
        ["make", f"-j{os.cpu_count()}", "-C", source, f"O={objects}",
         *arguments, *targets],
        readable=[source], writable=[objects]))


def _stock(variant: Variant, root: BuildRoot, package: Package) -> Kernel:
    """Debian's binary, and a build tree for modules.

    The package of headers lacks what Rust modules need. Debian's source with Debian's
    configuration and the same compilers has it.
    """
    release = package.release
    local = release.lstrip("0123456789.")
    arguments = (*variant.make_arguments, f"LOCALVERSION={local}")

    def make(objects: Path) -> None:
        with Step(f"preparing kernel {release} for modules", f"prepare-{variant.name}") as step:
            config = (package.headers / ".config").read_text()
            config = config.replace("CONFIG_LOCALVERSION_AUTO=y",
                                    "# CONFIG_LOCALVERSION_AUTO is not set")
            (objects / ".config").write_text(config)
            _make(step, root, package.source, objects, arguments, ["olddefconfig"])
            _make(step, root, package.source, objects, arguments, ["modules_prepare"])
            symbols = (package.headers / "Module.symvers").read_bytes()
            (objects / "Module.symvers").write_bytes(symbols)
            made = (objects / "include/config/kernel.release").read_text().strip()
            if made != release:
                step.fail(f"the tree calls itself {made}")
            config = (objects / ".config").read_text()
            if "CONFIG_RUST=y" not in config:
                step.fail("the configuration lost CONFIG_RUST with these compilers")

    objects = cache.entry(
        variant.name, f"kernels/{variant.series}/{release}-stock-"
        + cache.key(root.versions(), arguments), make, STOCK_SIZE)
    return Kernel(variant, root, release, package.source, objects,
                  package.binary / "vmlinuz",
                  *guest_modules.get(variant.name, variant.series, package, root))


def _own(variant: Variant, root: BuildRoot, package: Package) -> Kernel:
    """A kernel with our configuration. All but RDMA is built in."""
    recipe = variant.recipe
    fragments = "".join((CONFIGS / f"{name}.config").read_text() for name in recipe.fragments)
    arguments = (*variant.make_arguments, *recipe.words)

    def make(objects: Path) -> None:
        with Step(f"kernel {variant.name} from Debian's source (several minutes)",
                  f"kernel-{variant.name}") as step:
            source = package.source
            _make(step, root, source, objects, arguments, ["tinyconfig"])
            config = objects / ".config"
            config.write_text(config.read_text() + fragments)
            _make(step, root, source, objects, arguments, ["olddefconfig"])
            check_config(step, config.read_text(), fragments)
            _make(step, root, source, objects, arguments, ["bzImage", "modules_prepare"])
            # Only a build of all modules of the kernel would write this file.
            symbols = (objects / "vmlinux.symvers").read_bytes()
            (objects / "Module.symvers").write_bytes(symbols)

    objects = cache.entry(
        variant.name, f"kernels/{variant.series}/{package.release}-{variant.kernel}-"
        + cache.key(root.versions(), arguments, fragments), make, OWN_SIZE)
    release = (objects / "include/config/kernel.release").read_text().strip()
    return Kernel(variant, root, release, package.source, objects,
                  objects / "arch/x86/boot/bzImage", None, None)


def check_config(step: Step, config: str, fragments: str) -> None:
    """Fails if a line of the fragments had no effect, unless a later line takes it back.

    Kconfig drops without a word what it cannot give. A module that is not an RDMA module
    fails, too, for nothing builds it.
    """
    have = set(config.splitlines())
    asked = {found[1]: found[0] for found in re.finditer(
        r"^(?:# )?(CONFIG_\w+)(?:=.*| is not set)$", fragments, re.MULTILINE)}
    lost = [line for line in asked.values() if line.startswith("CONFIG_") and line not in have]
    lost += [line for name, line in asked.items()
             if line.startswith("#") and f"\n{name}=" in config]
    if lost:
        step.fail(f"Kconfig did not take {', '.join(lost)}", f"see {CONFIGS}")
    stray = [line for line in have
             if line.endswith("=m") and not re.match(r"CONFIG_(INFINIBAND|RDMA)", line)]
    if stray:
        step.fail(f"nothing would build {', '.join(sorted(stray))}", f"set it to y in {CONFIGS}")
