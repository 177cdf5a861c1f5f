# SPDX-License-Identifier: GPL-2.0
"""Which messages of modpost are expected."""

import unittest
from pathlib import Path

from scripts.ib_core.rdma_build import SETS, Build

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
