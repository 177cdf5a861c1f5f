# SPDX-License-Identifier: GPL-2.0
"""How a program ends: exit code, one line, and nothing of it left running."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

from scripts import children, disk, progress
from scripts.paths import BUILD, CHECKOUT
from scripts.progress import Failed, Step

# A step whose command writes its number to a file and hangs.
HANGS = """
import signal
import sys
from pathlib import Path
from scripts import program, progress
progress.Step.PULSE = 0.1
# A shell starts `make check &` with this signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
def main():
    with progress.Step("step", "test-program") as step:
        step.run(["bash", "-c", sys.argv[1]])
    return 0
program.run(main)
"""
TIDY = "trap 'echo tidied >{0}; exit' TERM; echo $$ >{0}; while :; do sleep 0.02; done"
STUBBORN = "trap '' TERM; setsid sleep 1000 & echo $! >{0}; wait"


def program(main: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-B", "-c", main, *words], cwd=CHECKOUT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def alive(number: int) -> bool:
    """Returns true if the process is there and not a zombie."""
    try:
        return ") Z " not in Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return False


class Signals(unittest.TestCase):
    def interrupted(self, command: str, number: int, again: bool = False) -> tuple[int, str, str]:
        """Exit code, messages and what the command wrote, after a signal."""
        with tempfile.TemporaryDirectory() as folder:
            wrote = Path(folder) / "wrote"
            with program(HANGS, command.format(wrote)) as started:
                while not wrote.exists() or not wrote.read_text().endswith("\n"):
                    self.assertIsNone(started.poll())
                before = int(wrote.read_text())
                os.kill(started.pid, number)
                while again and started.poll() is None:
                    os.kill(started.pid, signal.SIGINT)
                    time.sleep(0.05)
                _, said = started.communicate()
            self.assertFalse(alive(before))
            return started.returncode, said, wrote.read_text()

    def test_each_signal_lets_the_command_tidy_up(self) -> None:
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            self.assertEqual(self.interrupted(TIDY, number), (code, "interrupted\n", "tidied\n"))

    def test_second_interrupt_kills_at_once(self) -> None:
        code, *_ = self.interrupted(STUBBORN, signal.SIGINT, again=True)
        self.assertEqual(code, 130)

    def test_output_that_nobody_reads_ends_it(self) -> None:
        with program(HANGS, "sleep 1000") as started:
            assert started.stdout
            started.stdout.readline()
            started.stdout.close()
            try:
                self.assertEqual(started.wait(20), 129)
            finally:
                started.kill()


class Errors(unittest.TestCase):
    def said(self, raises: str) -> tuple[int, str]:
        """Exit code and message of a program that raises an exception."""
        main = ("from scripts import program, progress\n"
                f"def main(): raise {raises}\n"
                "program.run(main)\n")
        with program(main) as started:
            _, said = started.communicate()
        return started.returncode, said

    def test_failure_is_one_line(self) -> None:
        self.assertEqual(self.said("progress.Failed('a', 'b', None, 'c')"), (1, "FAILED a: b; c\n"))

    def test_error_of_the_system_is_one_line(self) -> None:
        self.assertEqual(self.said("PermissionError(13, 'Permission denied', '/x')"),
                         (1, "FAILED system: Permission denied: /x; "
                             "does it belong to another user?\n"))

    def test_full_disk_is_one_line(self) -> None:
        code, said = self.said("OSError(28, 'No space left on device')")
        self.assertEqual(code, 1)
        self.assertRegex(said, r"^FAILED system: .* full.*; make room.*`make cache`.*\n$")


class Disk(unittest.TestCase):
    def test_full_disk_is_named(self) -> None:
        with mock.patch.object(disk, "free", side_effect=lambda path: 0 if path == BUILD
                               else 1 << 40):
            self.assertEqual(disk.complaint(), f"the disk of {BUILD} is full")

    def test_disk_that_was_full_is_known_by_what_programs_say(self) -> None:
        with mock.patch.object(disk, "free", return_value=5_000_000_000):
            self.assertIn("5.0 GB", disk.complaint("cp: x: No space left on device") or "")
            self.assertIsNone(disk.complaint("cp: x: No such file or directory"))

    def test_path_need_not_exist(self) -> None:
        self.assertGreater(disk.free(Path("/nonexistent/folder")), -1)

    def test_step_says_that_the_disk_is_full(self) -> None:
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(progress, "LOGS", Path(folder)), \
                mock.patch.object(progress, "say"):
            with self.assertRaisesRegex(Failed, "step: .*full"), Step("step", "step") as step:
                step.run(["sh", "-c", "echo 'cc: No space left on device'; exit 1"])
            with self.assertRaisesRegex(Failed, "step: .*full"), Step("step", "step"):
                raise OSError(errno.ENOSPC, "No space left on device")


class Children(unittest.TestCase):
    def test_descendants_with_odd_names_but_no_zombies(self) -> None:
        stats = [f"7 (a) b (c) S {os.getpid()} 1 1", "8 (d) R 7 1 1", "9 (e) Z 7 1 1",
                 "10 (f) S 9999999 1 1"]
        self.assertEqual(children.living(stats), {7: "a) b (c", 8: "d"})
