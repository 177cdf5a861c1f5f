# SPDX-License-Identifier: GPL-2.0
"""What is made of a boot: whether KVM works, and what went wrong."""

import concurrent.futures
import contextlib
import io
import os
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

from scripts import cache
from scripts.guest import qemu

ASSERTION = "qemu-system-x86_64: ../hw/pci/msix.c:227: f: Assertion `addr' failed.\n"


class Probe(unittest.TestCase):
    """/bin/sh plays the machine."""

    def _works(self, script: str, limit: float = 20) -> bool:
        return qemu.looks_for_root(["/bin/sh", "-c", script], limit)

    def test_kernel_that_looks_for_its_root(self) -> None:
        self.assertTrue(self._works("echo '[ 1.0] Unable to mount root fs on'; exit 1"))

    def test_kernel_that_says_something_else(self) -> None:
        self.assertFalse(self._works("echo 'Booting'"))
        self.assertFalse(self._works("echo 'Unable to mount root fs' >&2"))

    def test_abort(self) -> None:
        self.assertFalse(self._works("kill -ABRT $$"))

    def test_hang(self) -> None:
        self.assertFalse(self._works("echo 'Unable to mount root fs'; exec sleep 20", limit=0.2))


class Unexpected(unittest.TestCase):
    def test_only_warnings_that_are_provoked_are_left_out(self) -> None:
        lines = ["[ 1.0] a: warnings on purpose begin", "[ 1.1] WARNING: at f", "[ 1.2] BUG: x",
                 "[ 1.3] a: warnings on purpose end", "[ 1.4] WARNING: at g"]
        self.assertEqual(qemu.unexpected("\n".join(lines)), [lines[2], lines[4]])


class Trial(unittest.TestCase):
    def test_guests_that_start_together_try_kvm_once(self) -> None:
        tried = []

        def try_kvm(_kernel: object, answer: Path) -> None:
            tried.append(answer)
            time.sleep(0.2)
            answer.write_text("kvm")

        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(cache, "folder", return_value=Path(folder)), \
                mock.patch.object(os, "access", return_value=True), \
                mock.patch.object(qemu, "_try_kvm", try_kvm), \
                contextlib.redirect_stdout(io.StringIO()), \
                concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(qemu.accelerator_for, [mock.Mock()] * 4))
        self.assertEqual((answers, len(tried)), (["kvm"] * 4, 1))


class Boot(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.output = Path(folder.name) / "output.log"
        self.messages = Path(folder.name) / "kernel.log"
        self.served = Path(folder.name) / "virtiofsd.log"

    def _complaint(self, code: int | None, late: bool = False) -> str:
        return qemu.complaint(code, late, 60, self.messages, self.output)

    def test_good_end(self) -> None:
        self.messages.write_text("[    1.0] rdma_restrack: loaded\n")
        self.assertEqual(self._complaint(0), "")

    def test_code_of_the_command(self) -> None:
        self.output.write_text("one\ntwo\n")
        self.assertIn("code 3; its last words: two", self._complaint(3))

    def test_time_limit(self) -> None:
        self.assertIn("60 s", self._complaint(None, late=True))

    def test_kernel_complains(self) -> None:
        for line in ("WARNING: CPU: 0 PID: 1 at a.c:1", "BUG: sleeping function", "Oops: 0000",
                     "Kernel panic - not syncing", "refcount_t: underflow",
                     "INFO: task a:1 blocked for more than 120 seconds.",
                     "unregister_netdevice: waiting for a to become free. Usage count = 2"):
            self.messages.write_text(f"[    1.0] fine\n[    2.0] {line}\n")
            self.assertIn(line, self._complaint(0))

    def test_grep_reads_the_list_of_messages_as_python_does(self) -> None:
        patterns = qemu.BAD_MESSAGES.pattern.split("|")
        lines = [pattern.replace(".*", " x ") for pattern in patterns]
        self.assertTrue(all(map(qemu.BAD_MESSAGES.search, lines)))
        found = subprocess.run(["grep", "-c", "-E", *(f"-e{pattern}" for pattern in patterns)],
                               input="\n".join([*lines, "rdma_restrack: loaded", ""]),
                               capture_output=True, text=True, check=False)
        self.assertEqual(int(found.stdout), len(patterns))

    def test_no_verdict(self) -> None:
        self.output.write_text("one\ntwo\n")
        self.assertIn("two", self._complaint(None))

    def test_nobody_serves_the_files(self) -> None:
        self.served.write_text("[ERROR virtiofsd] no such folder\n")
        self.assertIn("no such folder", self._complaint(None))

    def test_emulator_breaks_down(self) -> None:
        self.assertIsNone(qemu.broke_down(self.output, self.messages))
        self.output.write_text(ASSERTION)
        self.assertIn("Assertion", qemu.broke_down(self.output, self.messages) or "")

    def test_guest_that_has_begun_is_not_tried_again(self) -> None:
        self.output.write_text(ASSERTION)
        self.messages.write_text("[    0.0] Linux version\n")
        self.assertIsNone(qemu.broke_down(self.output, self.messages))
        self.messages.unlink()
        self.output.write_text(ASSERTION + "one\n")
        self.assertIsNone(qemu.broke_down(self.output, self.messages))
