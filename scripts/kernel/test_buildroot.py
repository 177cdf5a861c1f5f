# SPDX-License-Identifier: GPL-2.0
"""What is said where no build root can be made."""

import os
import pwd
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from scripts.kernel import buildroot
from scripts.progress import Failed


class Tools(unittest.TestCase):
    def setUp(self) -> None:
        said = subprocess.CompletedProcess([], 1, "", "\nbwrap: no\nmore\n")
        for what, answer in ((mock.patch.object(subprocess, "run"), said),
                             (mock.patch.object(os, "geteuid"), 1000)):
            what.start().return_value = answer
            self.addCleanup(what.stop)

    def test_first_words_of_the_tool_are_the_reason(self) -> None:
        with mock.patch.dict(os.environ, {"TMPDIR": "/"}), \
                mock.patch.object(buildroot, "SIZE", 0), \
                self.assertRaisesRegex(Failed, "^host: bwrap: bwrap: no; in a container"):
            buildroot.try_tools()

    def test_room_for_the_tree_is_needed_in_tmpdir(self) -> None:
        with mock.patch.dict(os.environ, {"TMPDIR": "/"}), \
                mock.patch.object(buildroot, "SIZE", 10 ** 18), \
                self.assertRaisesRegex(Failed, "the disk of / has .* set TMPDIR"):
            buildroot.try_tools()


class Ranges(unittest.TestCase):
    def setUp(self) -> None:
        self.user = pwd.getpwuid(os.getuid()).pw_name

    def test_line_of_the_user_is_found(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            table = Path(folder, "subuid")
            self.assertFalse(buildroot.has_range(table, "me"))
            table.write_text("you:100000:65536\nmeme:165536:65536\n")
            self.assertFalse(buildroot.has_range(table, "me"))
            table.write_text("you:100000:65536\nme:165536:65536\n")
            self.assertTrue(buildroot.has_range(table, "me"))

    def test_only_what_lacks_is_to_be_added(self) -> None:
        with mock.patch.object(buildroot, "has_range", lambda table, _: "subuid" in str(table)):
            self.assertEqual(buildroot.way_to_ids(),
                             f"run as root: usermod --add-subgids 10000000-10065535 {self.user}")
        with mock.patch.object(buildroot, "has_range", return_value=True):
            self.assertIn("reinstall uidmap", buildroot.way_to_ids())
