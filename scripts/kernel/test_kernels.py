# SPDX-License-Identifier: GPL-2.0
"""What is read of a kernel: its series, and whether Kconfig did what it was asked."""

import tempfile
import unittest
from pathlib import Path

from scripts.kernel import kernels
from scripts.kernel.buildroot import BuildRoot
from scripts.progress import Failed, Step

MAKEFILE = """\
# SPDX-License-Identifier: GPL-2.0
VERSION = 7
PATCHLEVEL = 3
SUBLEVEL = 4
"""


class Series(unittest.TestCase):
    def test_version_and_patchlevel(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "Makefile").write_text(MAKEFILE)
            self.assertEqual(kernels.series_of(Path(folder)), "7.3")


class Kernels(unittest.TestCase):
    def test_kernel_that_is_asked_for_twice_is_one(self) -> None:
        """`make test KERNEL=stock` runs it once."""
        nowhere = Path("/nonexistent")
        kernel = [kernels.Kernel(kernels.Variant("7.3", "stock", False), BuildRoot(nowhere),
                                 "7.3.0", nowhere, nowhere, nowhere, None, None)
                  for _ in range(2)]
        self.assertEqual(len(dict.fromkeys(kernel)), 1)


class Config(unittest.TestCase):
    def _lost(self, config: str, fragments: str) -> str:
        """What is said about it; nothing if the configuration is as the fragments ask."""
        try:
            kernels.check_config(Step("test", "test"), config, fragments)
        except Failed as failure:
            return failure.why
        return ""

    def test_as_asked(self) -> None:
        self.assertEqual(self._lost("CONFIG_A=y\nCONFIG_N=42\n# CONFIG_B is not set\n",
                                    "CONFIG_A=y\nCONFIG_N=42\n# CONFIG_B is not set\n"), "")

    def test_lost(self) -> None:
        self.assertIn("CONFIG_A=y", self._lost("# CONFIG_A is not set\n", "CONFIG_A=y\n"))
        self.assertIn("CONFIG_A=y", self._lost("CONFIG_A=m\n", "CONFIG_A=y\n"))

    def test_not_taken_away(self) -> None:
        self.assertIn("CONFIG_A", self._lost("\nCONFIG_A=y\n", "# CONFIG_A is not set\n"))

    def test_later_fragment_takes_back(self) -> None:
        self.assertEqual(self._lost("\nCONFIG_A=y\n", "# CONFIG_A is not set\nCONFIG_A=y\n"), "")

    def test_modules_that_nobody_builds(self) -> None:
        self.assertIn("CONFIG_A=m", self._lost("CONFIG_A=m\n", ""))
        self.assertEqual(self._lost("CONFIG_INFINIBAND=m\nCONFIG_RDMA_RXE=m\n", ""), "")
