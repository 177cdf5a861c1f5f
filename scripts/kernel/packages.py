# SPDX-License-Identifier: GPL-2.0
"""Debian's packages of a kernel: binary, modules, headers and source.

Each kernel is a cache entry. The first time that a series is asked for, its newest
kernel is taken; then that one is kept until `make update`. The file `release` says
which one it is.
"""

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

from scripts import cache, inventory
from scripts.kernel import debian
from scripts.kernel.buildroot import BuildRoot
from scripts.progress import Step, say

# The series that the tests pass on. Others get a warning.
KNOWN_SERIES = ("7.2", "7.3")

# Bytes that it takes to make the entry of a kernel, and that of a flavour.
SIZE, FLAVOUR_SIZE = 2_700_000_000, 400_000_000


def warn_if_unknown(series: str) -> None:
    """Warns of a series that nobody has tried. It may work."""
    if series not in KNOWN_SERIES:
        say(f"warning: nothing was ever tried on series {series} "
            f"(meant to work: {', '.join(KNOWN_SERIES)})")


@dataclass(frozen=True)
class Package:
    """Debian's packages of a kernel, unpacked in a folder."""

    folder: Path
    release: str
    source: Path

    @property
    def headers(self) -> Path:
        return self.folder / f"usr/src/linux-headers-{self.release}"

    @property
    def binary(self) -> Path:
        return self.folder / f"usr/lib/modules/{self.release}"


def get(series: str, root: BuildRoot) -> Package:
    """The kernel of the series that the cache has, or the newest one."""
    pointer = _pointer(series)
    if not pointer.exists():
        with _pointer_lock(series):
            if not pointer.exists():
                _point(series, _package(series, _newest(series), root).release)
    return _package(series, pointer.read_text(), root)


def update(series: str, root: BuildRoot) -> None:
    """Takes the newest kernel of the series beside the one in the cache, and says what changed."""
    with _pointer_lock(series):
        pointer, newest = _pointer(series), _newest(series)
        old = pointer.read_text() if pointer.exists() else ""
        if old and not debian.newer(newest, old):
            say(f"Debian has nothing newer than {old} for series {series}")
            _package(series, old, root)
            return
        _package(series, newest, root)
        _point(series, newest)
    if not old:
        say(f"series {series} uses {newest}, its first kernel in the cache")
        return
    say(f"series {series} uses {newest} in place of {old}, which makes that run now still use")
    say(f"to be built anew when next used: {', '.join(outdated(series, old))}")
    say(f"`make cache-clean` removes the old one; to go back: echo {old} >{pointer}")


def outdated(series: str, old: str) -> list[str]:
    """What checkouts have used kernels of an old release for, and the modules for these."""
    prefix = f"kernels/{series}/{old.rsplit('-', 1)[0]}-"
    return sorted({use for _, _, uses in inventory.checkouts() for use, name in uses.items()
                   if name.startswith(prefix) and use.startswith(f"{series}-")}) \
        + ["the modules in build/"]


def get_flavour(series: str, flavour: str, package: Package, root: BuildRoot) -> Package:
    """Another flavour of that kernel, which Debian made from the same source."""
    base, architecture = package.release.rsplit("-", 1)
    release = f"{base}-{flavour}-{architecture}"

    def make(folder: Path) -> None:
        with Step(f"Debian's {release} kernel (binary, modules, headers)",
                  f"kernel-{series}-{flavour}") as step:
            _unpack(step, root, folder, release)

    folder = cache.entry(f"kernel-{series}-{flavour}", f"kernels/{series}/{release}", make,
                         FLAVOUR_SIZE)
    return Package(folder, release, package.source)


def _pointer(series: str) -> Path:
    """The file that names the release of the series that makes use."""
    return cache.folder() / "kernels" / series / "release"


def _pointer_lock(series: str) -> contextlib.AbstractContextManager[None]:
    return cache.lock(cache.lock_file(f"kernel-{series}"), f"Debian's {series} kernel")


def _point(series: str, release: str) -> None:
    fresh = _pointer(series).with_suffix(".new")
    fresh.write_text(release)
    fresh.rename(_pointer(series))


def is_there(series: str) -> bool:
    """Returns true if the cache has a kernel of the series."""
    return _pointer(series).exists()


def _newest(series: str) -> str:
    """The newest release of the series that Debian has."""
    with Step(f"newest {series} kernel of Debian", f"newest-{series}") as step:
        # Not a flavour (cloud, rt), which has its name before the architecture.
        found = _find(step, f"linux-binary-{series}.",
                      rf"linux-binary-{re.escape(series)}\.[0-9]+[^-]*-amd64")
        if not found:
            step.fail(f"Debian has no kernel of series {series} for amd64",
                      f"meant to work: SERIES={' or SERIES='.join(KNOWN_SERIES)}")
        return found[0].removeprefix("linux-binary-")


def _package(series: str, release: str, root: BuildRoot) -> Package:
    """The cache entry of that release."""
    def make(folder: Path) -> None:
        with Step(f"Debian's {release} kernel (binary, modules, headers, source)",
                  f"kernel-{series}") as step:
            _unpack(step, root, folder, release, f"linux-source-{series}")
            tarball = folder / f"usr/src/linux-source-{series}.tar.xz"
            (folder / "source").mkdir()
            step.run(root.enter(["tar", "-x", "-I", "xz -T0", "--strip-components=1",
                                 "-C", folder / "source", "-f", tarball],
                                writable=[folder]))
            tarball.unlink()

    folder = cache.entry(f"kernel-{series}", f"kernels/{series}/{release}", make, SIZE)
    return Package(folder, release, folder / "source")


def _unpack(step: Step, root: BuildRoot, folder: Path, release: str, *more: str) -> None:
    """Unpacks Debian's packages of a kernel, and more of that version, in a folder."""
    name = f"linux-binary-{release}"
    found = _find(step, name, re.escape(name))
    if not found:
        step.fail(f"Debian has no kernel {release} any more", "`make update` takes a newer one")
    downloads = folder / "downloads"
    downloads.mkdir()
    with _apt():
        debian.Archive(step).fetch([f"{package}={found[1]}" for package in (
            *more, name, f"linux-modules-{release}", f"linux-headers-{release}")], downloads)
    for package in sorted(downloads.iterdir()):
        step.run(["dpkg-deb", "-x", package, folder])
        package.unlink()
    downloads.rmdir()
    modules = folder / f"usr/lib/modules/{release}"
    step.run(root.enter(["depmod", release], over=[(modules.parent, "/usr/lib/modules")]))


def _apt() -> contextlib.AbstractContextManager[None]:
    """A lock: all makes on this machine have one state of apt."""
    return cache.lock(cache.lock_file("apt"), "downloads from Debian")


def _find(step: Step, prefix: str, pattern: str) -> tuple[str, str] | None:
    """Name and version of the newest package whose name matches."""
    with _apt():
        archive = debian.Archive(step)
        archive.update()
        return archive.newest(prefix, pattern)
