# SPDX-License-Identifier: GPL-2.0
"""Which modules are chosen for guests."""

import tempfile
import unittest
from pathlib import Path

from scripts.kernel.guest_modules import Everything

DEP = """\
kernel/net/rds/rds.ko.xz:
kernel/net/rds/rds_rdma.ko.xz: kernel/net/rds/rds.ko.xz kernel/ib/ib-core.ko.xz
kernel/ib/ib-core.ko.xz:
kernel/drivers/net/dummy.ko.xz:
"""


class Chosen(unittest.TestCase):
    def setUp(self) -> None:
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.folder = Path(made.name)
        (self.folder / "modules.dep").write_text(DEP)

    def test_modules_come_with_what_they_need(self) -> None:
        self.assertEqual(Everything(self.folder).chosen(["rds-rdma"]), [
            "kernel/ib/ib-core.ko.xz", "kernel/net/rds/rds.ko.xz", "kernel/net/rds/rds_rdma.ko.xz"])

    def test_modules_that_the_kernel_lacks_are_left_out(self) -> None:
        self.assertEqual(Everything(self.folder).chosen(["nvme", "dummy"]),
                         ["kernel/drivers/net/dummy.ko.xz"])

    def test_copy_keeps_the_paths(self) -> None:
        (self.folder / "kernel/drivers/net").mkdir(parents=True)
        (self.folder / "kernel/drivers/net/dummy.ko.xz").write_text("x")
        Everything(self.folder).copy(["dummy"], self.folder / "into")
        self.assertTrue((self.folder / "into/kernel/drivers/net/dummy.ko.xz").exists())
