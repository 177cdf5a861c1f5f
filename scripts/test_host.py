# SPDX-License-Identifier: GPL-2.0
"""What cannot work on a machine is said in one line."""

import os
import platform
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from scripts import host
from scripts.paths import CHECKOUT
from scripts.progress import Failed

MOUNTINFO = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
28 27 254:1 /data /data rw,relatime shared:1 - ext4 /dev/vdb rw
"""


class Paths(unittest.TestCase):
    def refused(self, path: str) -> str:
        try:
            host.check_path(Path(path), "the checkout", "move it")
        except Failed as failure:
            return str(failure)
        return ""

    def test_usual_paths_are_taken(self) -> None:
        for path in ("/home/me/rdma_restrack", "/root/a-b.c+d@e~f", "/home/zoë/x", "/var/x",
                     "/usr/src/x", "/usr/local/x", "/tmp/x"):
            self.assertEqual(self.refused(path), "", path)

    def test_what_make_splits_is_refused(self) -> None:
        self.assertEqual(self.refused("/home/me too/x"), "host: the checkout is /home/me too/x, "
                         "and kernel builds cannot take a space in a path; move it")
        for sign in ":$#%'\"\\*?;&|,=":
            self.assertIn("cannot take", self.refused(f"/home/me{sign}/x"), sign)

    def test_folders_of_the_build_root_are_refused(self) -> None:
        for path in ("/usr/share/x", "/usr", "/etc/x"):
            self.assertIn("the checkout is in /", self.refused(path), path)


class Folders(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def test_folder_of_another_user_is_refused(self) -> None:
        host.check_writable([self.folder], "")
        with mock.patch.object(os, "access", return_value=False), \
                self.assertRaisesRegex(Failed, f"belongs to user {os.getuid()}.; do"):
            host.check_writable([self.folder], "do")

    def test_cache_is_looked_at_inside(self) -> None:
        inner = self.folder / "rdma_restrack/roots"
        inner.mkdir(parents=True)

        def access(path: Path, _mode: int) -> bool:
            return path != inner

        with mock.patch.dict(os.environ, {"XDG_CACHE_HOME": str(self.folder)}), \
                mock.patch.object(os, "access", access), \
                self.assertRaisesRegex(Failed, f"{inner} cannot be written to"):
            host.check_cache()

    def test_cache_folder_must_be_absolute(self) -> None:
        with mock.patch.dict(os.environ, {"XDG_CACHE_HOME": "cache"}), \
                self.assertRaisesRegex(Failed, "not an absolute path; set XDG_CACHE_HOME"):
            host.check_cache()

    def test_noexec_is_refused(self) -> None:
        flags = os.statvfs_result((0,) * 8 + (os.ST_NOEXEC, 0))
        with mock.patch.object(os, "statvfs", return_value=flags), \
                self.assertRaisesRegex(Failed, "noexec; do"):
            host.check_programs_run(self.folder / "not/there", "do")

    def test_room_is_compared(self) -> None:
        host.check_room(self.folder, 1, "")
        with self.assertRaisesRegex(Failed, "GB free, and 1000000000.0 GB are needed; make room"):
            host.check_room(self.folder, 10 ** 18, "do")


class Machine(unittest.TestCase):
    def check(self, machine: str, architecture: str, pages: int = 1 << 20) -> None:
        sizes = {"SC_PHYS_PAGES": pages, "SC_PAGE_SIZE": 4096}
        dpkg = subprocess.CompletedProcess([], 0, f"{architecture}\n")
        with mock.patch.object(platform, "machine", return_value=machine), \
                mock.patch.object(os, "sysconf", sizes.__getitem__), \
                mock.patch.object(subprocess, "run", return_value=dpkg):
            host.check_machine()

    def test_another_distribution_is_warned_of(self) -> None:
        for name, warnings in (("debian", 0), ("ubuntu", 1)):
            with mock.patch.object(platform, "freedesktop_os_release",
                                   return_value={"ID": name, "NAME": name.title()}), \
                    mock.patch.object(host, "say") as say:
                self.check("x86_64", "amd64")
            self.assertEqual(say.call_count, warnings)

    def test_amd64_with_4_gb_is_taken(self) -> None:
        self.check("x86_64", "amd64")

    def test_other_architectures_are_refused(self) -> None:
        for machine, architecture in (("aarch64", "arm64"), ("x86_64", "i386"), ("x86_64", "")):
            with self.assertRaisesRegex(Failed, f"{machine} with Debian for"):
                self.check(machine, architecture)

    def test_little_memory_is_refused(self) -> None:
        with self.assertRaisesRegex(Failed, "has 2.1 GB of memory; use one with 4 GB"):
            self.check("x86_64", "amd64", pages=1 << 19)


class Namespaces(unittest.TestCase):
    def test_mount_points(self) -> None:
        self.assertTrue(host.is_mount_point("/", MOUNTINFO))
        self.assertTrue(host.is_mount_point("/data", MOUNTINFO))
        self.assertFalse(host.is_mount_point("/", MOUNTINFO.replace(" / / ", " / /x ")))

    def test_reason_of_the_kernel_is_said(self) -> None:
        said = subprocess.CompletedProcess([], 1, "", "unshare: unshare failed: Not permitted\n")
        with mock.patch.object(subprocess, "run", return_value=said), \
                mock.patch.object(host, "way_to_namespaces", return_value="do"), \
                self.assertRaisesRegex(Failed, "no namespaces .unshare: .*Not permitted.; do"):
            host.check_namespaces()


class Python(unittest.TestCase):
    def test_old_one_is_refused_before_anything_is_imported(self) -> None:
        old = subprocess.run([sys.executable, "-B", "-c", "import sys; sys.version_info = (3, 9, 2); "
                              "sys.path.insert(0, sys.argv[1]); import scripts", CHECKOUT],
                             capture_output=True, text=True, check=False)
        self.assertEqual(old.returncode, 1)
        self.assertRegex(old.stderr, "^FAILED host: Python 3.9 is too old; use Debian 12 or 13.*\n$")
