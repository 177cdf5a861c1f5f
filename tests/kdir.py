# SPDX-License-Identifier: GPL-2.0
"""`make kdir`: does what Documentation/loading.md says, and boots a guest with the result.

The build root, whose tools fit the kernel, stands for the machine.
"""

from scripts.guest import qemu
from scripts.kernel import modules
from scripts.kernel.kernels import Kernel
from scripts.paths import BUILD, CHECKOUT
from scripts.progress import Failed, Step, Word, say

OUT = BUILD / "kdir"


def check(kernel: Kernel) -> None:
    """Builds for the kernel's tree, with one more user of RDMA, and loads it."""
    OUT.mkdir(parents=True, exist_ok=True)
    _run(kernel, f"make KDIR={kernel.objects}", "kdir-make",
         "make", f"KDIR={kernel.objects}", *kernel.variant.make_arguments)
    _run(kernel, "rdma_tree.py --also net/rds", "kdir-rdma",
         "python3", "-B", "-m", "scripts.ib_core.rdma_tree",
         "--kernel-source", kernel.source, "--kernel-build", kernel.objects,
         "--out", OUT / "rdma", "--also", "net/rds", "--build",
         "--module-symvers", OUT / "module/Module.symvers", "KCFLAGS=-g0")
    with Step("modules of the guest for it", "kdir-install") as step:
        modules.fill_tree(step, kernel, OUT / "tree", [
            OUT / "module/rdma_restrack.ko", *sorted((OUT / "rdma").rglob("*.ko"))])
    say("loading them ...")
    verdict = qemu.boot(kernel, OUT / "tree", "kdir", "exec $CHECKOUT/tests/kdir.sh", limit=120)
    if verdict.why:
        raise Failed("kdir", verdict.why, verdict.log)
    say("rdma_restrack, ib_core, rdma_rxe and rds_rdma work together")


def _run(kernel: Kernel, what: str, log: str, *command: Word) -> None:
    """Runs a command in the checkout, in the build root."""
    with Step(what, log) as step:
        step.run(kernel.root.enter(command, readable=[CHECKOUT, kernel.source, kernel.objects],
                                   writable=[BUILD], directory=CHECKOUT))
