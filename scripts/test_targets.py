# SPDX-License-Identifier: GPL-2.0
"""The Makefile knows the targets."""

import re
import subprocess
import unittest

from scripts.paths import CHECKOUT
from scripts.targets import TARGETS


class Makefile(unittest.TestCase):
    def test_knows_every_target_and_no_other(self) -> None:
        said = subprocess.run(["make", "-C", CHECKOUT, "-npq", "help"], capture_output=True,
                              text=True, check=False).stdout
        phony = re.findall(r"^\.PHONY: (.*)$", said, re.M)
        self.assertEqual(phony[0].split(), list(TARGETS))
