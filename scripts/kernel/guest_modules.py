# SPDX-License-Identifier: GPL-2.0
"""Of Debian's modules, those that guests load: two small folders, as depmod reads them slowly.

They are a cache entry of their own, so that a change here does not touch that of the kernel.
"""

from collections.abc import Iterable
from pathlib import Path

from scripts import cache
from scripts.kernel.buildroot import BuildRoot
from scripts.kernel.packages import Package
from scripts.progress import Step

# Those that a guest may load. What they need comes along.
GUEST_MODULES = """
    dummy veth tun bridge 8021q macvlan configfs overlay virtio-rng
    udp_tunnel ip6_udp_tunnel null_blk nvme nvmet nvme-fabrics loop
""".split()
# Debian's own RDMA modules: the C tracker, for comparison.
RDMA_MODULES = """
    ib_core ib_uverbs ib_umad ib_cm iw_cm rdma_cm rdma_ucm rdma_rxe
    rds_rdma nvme-rdma nvmet-rdma
""".split()

SIZE = 50_000_000


def get(use: str, series: str, package: Package, root: BuildRoot) -> tuple[Path, Path]:
    """The folder without Debian's RDMA modules, and the one with them."""
    def make(folder: Path) -> None:
        with Step(f"modules of {package.release} for guests", f"{use}-guest-modules") as step:
            everything = Everything(package.binary)
            for name, chosen in (("guest", GUEST_MODULES),
                                 ("guest-rdma", GUEST_MODULES + RDMA_MODULES)):
                everything.copy(chosen, folder / name)
            step.run(root.enter(["sh", "-c", f"find {folder} -name '*.xz' -exec xz -d {{}} +"],
                                writable=[folder]))

    # The lists are in this file, and so is what is done to the modules.
    made_by = cache.key(Path(__file__).read_text())
    folder = cache.entry(f"{use}-guest", f"kernels/{series}/{package.release}-guest-{made_by}",
                         make, SIZE)
    return folder / "guest", folder / "guest-rdma"


class Everything:
    """All modules of a kernel, in a folder in which depmod has run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths: dict[str, str] = {}
        self.needs: dict[str, list[str]] = {}
        for line in (folder / "modules.dep").read_text().splitlines():
            path, _, needed = line.partition(":")
            name = _module_name(path)
            self.paths[name] = path
            self.needs[name] = [_module_name(other) for other in needed.split()]

    def chosen(self, names: Iterable[str]) -> list[str]:
        """The paths of these modules and of all that they need; a kernel may lack some."""
        wanted = set()
        for name in (name.replace("-", "_") for name in names):
            wanted.update([name, *self.needs[name]] if name in self.paths else [])
        return sorted(self.paths[name] for name in wanted)

    def copy(self, names: Iterable[str], into: Path) -> None:
        """Copies these modules, and all that they need, to a folder."""
        for path in self.chosen(names):
            target = into / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((self.folder / path).read_bytes())


def _module_name(path: str) -> str:
    return Path(path).name.split(".")[0].replace("-", "_")
