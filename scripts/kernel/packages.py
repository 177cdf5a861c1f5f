# SPDX-License-Identifier: GPL-2.0
"""Debian's packages of a kernel: binary, modules, headers and source.

Each kernel is a cache entry. The first time that a series is asked for, its newest
kernel is taken; then that one is kept.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scripts import cache
from scripts.kernel import debian
from scripts.kernel.buildroot import BuildRoot
from scripts.progress import Step, say

# The series that the tests pass on. Others get a warning.
KNOWN_SERIES = ("7.2", "7.3")

# Of Debian's modules, those that a guest may load. What they need comes along.
GUEST_MODULES = """
    dummy veth tun bridge 8021q macvlan configfs overlay virtio-rng
    udp_tunnel ip6_udp_tunnel null_blk nvme nvmet nvme-fabrics loop
""".split()
# Debian's own RDMA modules: the C tracker, for comparison.
RDMA_MODULES = """
    ib_core ib_uverbs ib_umad ib_cm iw_cm rdma_cm rdma_ucm rdma_rxe
    rds_rdma nvme-rdma nvmet-rdma
""".split()


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
    pointer = cache.folder() / "kernels" / series / "release"
    with cache.lock(cache.folder() / "locks" / f"kernel-{series}", f"Debian's {series} kernel"):
        if not pointer.exists():
            release = _download(series, root)
            pointer.with_suffix(".new").write_text(release)
            pointer.with_suffix(".new").rename(pointer)
    release = pointer.read_text()
    folder = cache.folder() / "kernels" / series / release
    return Package(folder, release, folder / "source")


def get_flavour(series: str, flavour: str, package: Package, root: BuildRoot) -> Package:
    """Another flavour of that kernel, which Debian made from the same source."""
    base, architecture = package.release.rsplit("-", 1)
    release = f"{base}-{flavour}-{architecture}"

    def make(folder: Path) -> None:
        with Step(f"Debian's {release} kernel (binary, modules, headers)",
                  f"kernel-{series}-{flavour}") as step:
            archive = debian.Archive(step)
            archive.update()
            name = f"linux-binary-{release}"
            found = archive.newest(name, re.escape(name))
            if not found:
                step.fail(f"Debian has no kernel {release} any more",
                          f"remove {package.folder.parent} to begin with a newer one")
            _unpack(step, root, archive, folder, release, found[1])

    folder = cache.entry(f"kernels/{series}/{release}", make)
    return Package(folder, release, package.source)


def _download(series: str, root: BuildRoot) -> str:
    """Makes a cache entry of the newest kernel of the series; returns its release."""
    with Step(f"Debian's {series} kernel (binary, modules, headers, source)",
              f"kernel-{series}") as step:
        archive = debian.Archive(step)
        archive.update()
        # Not a flavour (cloud, rt), which has its name before the architecture.
        found = archive.newest(f"linux-binary-{series}.",
                               rf"linux-binary-{re.escape(series)}\.[0-9]+[^-]*-amd64")
        if not found:
            step.fail(f"Debian has no kernel of series {series} for amd64",
                      f"meant to work: SERIES={' or SERIES='.join(KNOWN_SERIES)}")
        name, version = found
        release = name.removeprefix("linux-binary-")

        def unpack(folder: Path) -> None:
            _unpack(step, root, archive, folder, release, version, f"linux-source-{series}")
            tarball = folder / f"usr/src/linux-source-{series}.tar.xz"
            (folder / "source").mkdir()
            step.run(root.enter(["tar", "-x", "-I", "xz -T0", "--strip-components=1",
                                 "-C", folder / "source", "-f", tarball],
                                writable=[folder]))
            tarball.unlink()

        cache.entry(f"kernels/{series}/{release}", unpack)
    return release


def _unpack(step: Step, root: BuildRoot, archive: debian.Archive, folder: Path, release: str,
            version: str, *more: str) -> None:
    """Unpacks Debian's packages of a kernel, and more of that version, in a folder."""
    downloads = folder / "downloads"
    downloads.mkdir()
    archive.fetch([f"{package}={version}" for package in (
        *more, f"linux-binary-{release}", f"linux-modules-{release}",
        f"linux-headers-{release}")], downloads)
    for package in sorted(downloads.iterdir()):
        step.run(["dpkg-deb", "-x", package, folder])
        package.unlink()
    downloads.rmdir()
    _choose_modules(step, root, folder, release)


def _choose_modules(step: Step, root: BuildRoot, folder: Path, release: str) -> None:
    """Makes two small folders of modules for guests, so that depmod has little to read.

    guest: without Debian's RDMA modules; ours take their place.
    guest-rdma: with Debian's RDMA modules.
    """
    everything = folder / f"usr/lib/modules/{release}"
    step.run(root.enter(["depmod", release], over=[(everything.parent, "/usr/lib/modules")]))
    needs, paths = {}, {}
    for line in (everything / "modules.dep").read_text().splitlines():
        path, _, needed = line.partition(":")
        name = _module_name(path)
        paths[name] = path
        needs[name] = [_module_name(other) for other in needed.split()]

    def take(names: Iterable[str], into: Path) -> None:
        chosen = set()
        for name in names:
            name = name.replace("-", "_")
            chosen.update([name, *needs[name]] if name in paths else [])
        for name in sorted(chosen):
            target = into / paths[name]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((everything / paths[name]).read_bytes())
        step.run(root.enter(["sh", "-c", f"find {into} -name '*.xz' -exec xz -d {{}} +"],
                            writable=[folder]))

    take(GUEST_MODULES, folder / "guest")
    take(GUEST_MODULES + RDMA_MODULES, folder / "guest-rdma")


def _module_name(path: str) -> str:
    return Path(path).name.split(".")[0].replace("-", "_")
