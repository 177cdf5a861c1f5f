# SPDX-License-Identifier: GPL-2.0
"""What the checks look at."""

import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from scripts import checks
from scripts.progress import Failed


class Files(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        for name in ("a.py", "build/b.py"):
            (self.folder / name).parent.mkdir(exist_ok=True)
            (self.folder / name).touch()
        for name, where in (("CHECKOUT", self.folder), ("BUILD", self.folder / "build")):
            patch = mock.patch.object(checks, name, where)
            patch.start()
            self.addCleanup(patch.stop)

    def test_without_git(self) -> None:
        self.assertEqual(checks.files(), [self.folder / "a.py"])

    def test_with_git(self) -> None:
        (self.folder / ".git").mkdir()
        (self.folder / "ignored.py").touch()
        with mock.patch.object(shutil, "which", return_value="git"), \
                mock.patch.object(subprocess, "run", return_value=mock.Mock(stdout=b"a.py\0b.py\0")):
            self.assertEqual(checks.files(), [self.folder / "a.py"])

    def test_git_that_refuses_to_work(self) -> None:
        (self.folder / ".git").write_text("gitdir: /nonexistent\n")
        self.assertEqual(checks.having(".py"), [self.folder / "a.py"])

    def test_no_file_is_an_error(self) -> None:
        with self.assertRaises(Failed):
            checks.having(".rs")
