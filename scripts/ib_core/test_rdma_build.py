# SPDX-License-Identifier: GPL-2.0
"""Which messages of modpost are expected, and which headers an object may have seen."""

import tempfile
import unittest
from pathlib import Path

from scripts.ib_core.rdma_build import SETS, Build
from scripts.ib_core.semantic_patch import Error

NOWHERE = Path("/nonexistent")


def message(module: str, symbol: str) -> tuple[str, str]:
    """An undefined symbol, as modpost of 7.3 says it and as earlier ones do."""
    return (f"WARNING: modpost: drivers/hw/{module}.ko: symbol '{symbol}' undefined!\n",
            f'WARNING: modpost: "{symbol}" [drivers/hw/{module}.ko] undefined!\n')


class Undefined(unittest.TestCase):
    def _expected(self, module: str, symbol: str, what: str, symvers: bool) -> bool:
        build = Build(NOWHERE, SETS[what], NOWHERE, NOWHERE if symvers else None, [], 1)
        old, new = (build.expected(line) for line in message(module, symbol))
        self.assertEqual(old, new)
        return new

    def test_tracker_may_be_missing_only_without_its_symvers(self) -> None:
        for symbol in ("rdma_restrack_add", "rdma_is_kernel_res"):
            self.assertTrue(self._expected("ib_core", symbol, "software", False))
            self.assertFalse(self._expected("ib_core", symbol, "software", True))

    def test_other_symbols(self) -> None:
        self.assertFalse(self._expected("ib_core", "rdma_create_qp", "software", False))

    def test_drivers_without_their_other_half(self) -> None:
        self.assertTrue(self._expected("bng_re", "bnge_send", "drivers", True))
        self.assertFalse(self._expected("bng_re", "bnge_send", "software", True))
        self.assertFalse(self._expected("mlx5_ib", "bnge_send", "drivers", True))

    def test_other_warnings(self) -> None:
        build = Build(NOWHERE, SETS["drivers"], NOWHERE, None, [], 1)
        self.assertFalse(build.expected("bng_re.c:1: warning: unused variable\n"))


class Headers(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tree = Path(folder.name).resolve()
        (self.tree / "include/rdma").mkdir(parents=True)
        (self.tree / "include/rdma/ib_verbs.h").touch()

    def _compiled_with(self, *headers: str) -> None:
        (self.tree / ".device.o.cmd").write_text("".join(f"  {h} \\\n" for h in headers))
        Build(self.tree, SETS["software"], NOWHERE, None, [], 1).check_headers()

    def test_ours(self) -> None:
        self._compiled_with(f"{self.tree}/include/rdma/ib_verbs.h", "/k/include/rdma/other.h")

    def test_the_kernels(self) -> None:
        with self.assertRaisesRegex(Error, "compiled with /k/include/rdma/ib_verbs.h"):
            self._compiled_with(f"{self.tree}/include/rdma/ib_verbs.h",
                                "/k/include/rdma/ib_verbs.h")

    def test_none(self) -> None:
        for headers in ((), ("/k/include/linux/mm.h",)):
            with self.assertRaisesRegex(Error, "no object says"):
                self._compiled_with(*headers)
