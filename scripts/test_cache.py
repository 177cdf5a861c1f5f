# SPDX-License-Identifier: GPL-2.0
"""The cache: entries are whole or not there, and what is used or needed stays."""

import fcntl
import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from scripts import cache, inventory
from scripts.kernel import packages
from scripts.progress import Failed


class Cache(unittest.TestCase):
    """A cache folder of its own for each test."""

    def setUp(self) -> None:
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.folder = Path(made.name) / "rdma_restrack"
        for name in ("folder", "say"):
            patch = mock.patch.object(cache, name, lambda *_: self.folder)
            patch.start()
            self.addCleanup(patch.stop)
        self.made: list[str] = []

    def entry(self, use: str, name: str) -> Path:
        def make(path: Path) -> None:
            self.made.append(name)
            (path / "content").write_text(name)

        return cache.entry(use, name, make, 0)

    def user(self, use: str, name: str, checkout: Path) -> None:
        """Uses an entry from a checkout, in a process that ends."""
        child = os.fork()
        if not child:
            with mock.patch.object(cache, "CHECKOUT", checkout):
                self.entry(use, name)
            os._exit(0)
        os.waitpid(child, 0)

    def checkout(self, name: str) -> Path:
        """A folder that looks like a checkout."""
        path = self.folder.parent / name
        (path / "scripts").mkdir(parents=True)
        (path / "scripts/cache.py").touch()
        return path

    def unneeded(self) -> dict[str, str]:
        return {item.name: item.unneeded for item in inventory.items() if item.unneeded}


class Entries(Cache):
    def test_entry_is_made_once(self) -> None:
        for _ in range(2):
            self.assertEqual((self.entry("root", "roots/a") / "content").read_text(), "roots/a")
        self.assertEqual(self.made, ["roots/a"])

    def test_entry_without_a_stamp_is_made_anew(self) -> None:
        (self.folder / "roots/a").mkdir(parents=True)
        (self.folder / "roots/a/half").touch()
        self.assertFalse((self.entry("root", "roots/a") / "half").exists())
        self.assertEqual(self.made, ["roots/a"])

    def test_nothing_is_left_of_an_entry_that_cannot_be_made(self) -> None:
        def make(path: Path) -> None:
            (path / "half").touch()
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            cache.entry("root", "roots/a", make, 0)
        self.assertFalse((self.folder / "roots/a").exists())
        self.entry("root", "roots/a")

    def test_entry_that_needs_more_than_is_free_is_not_begun(self) -> None:
        with self.assertRaisesRegex(Failed, "roots/a: needs 1.* GB of disk, .*make cache"):
            cache.entry("root", "roots/a", lambda _: self.fail("it was begun"), 10**18)

    def test_key_depends_on_every_part(self) -> None:
        self.assertNotEqual(cache.key("a", "b"), cache.key("a", "c"))
        self.assertNotEqual(cache.key("ab", ""), cache.key("a", "b"))


class Inventory(Cache):
    def test_entry_of_a_checkout_is_needed(self) -> None:
        self.user("root", "roots/a", self.checkout("one"))
        self.assertEqual(self.unneeded(), {})
        self.assertEqual(inventory.items()[0].users, (str(self.folder.parent / "one"),))

    def test_entry_that_was_replaced_by_all_is_not_needed(self) -> None:
        one, two = self.checkout("one"), self.checkout("two")
        for checkout in one, two:
            self.user("root", "roots/a", checkout)
        self.user("root", "roots/b", one)
        self.assertEqual(self.unneeded(), {})
        self.user("root", "roots/b", two)
        self.assertEqual(self.unneeded(), {"roots/a": "no checkout uses it"})

    def test_checkout_that_is_gone_needs_nothing(self) -> None:
        self.user("root", "roots/a", self.folder.parent / "gone")
        marks = next((self.folder / "checkouts").iterdir())
        self.assertEqual(list(self.unneeded()), ["roots/a", f"checkouts/{marks.name}"])

    def test_kernels_of_another_release_are_not_needed(self) -> None:
        names = [f"kernels/7.3/7.3.{release}+deb13-{rest}" for release in (4, 40)
                 for rest in ("amd64", "amd64-stock-012345", "rt-amd64")]
        one = self.checkout("one")
        for name in names:
            self.user(name, name, one)
        (self.folder / "kernels/7.3/release").write_text("7.3.4+deb13-amd64")
        self.assertEqual(list(self.unneeded()), sorted(names[3:]))

    def test_old_answers_and_lists_of_apt_are_not_needed(self) -> None:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        (self.folder / "apt/lists").mkdir(parents=True)
        for name in ("kvm-of-an-earlier-boot", f"kvm-{boot}"):
            (self.folder / name).touch()
        self.assertEqual(list(self.unneeded()), ["apt", "kvm-of-an-earlier-boot"])


class Clean(Cache):
    def clean(self) -> list[str]:
        """Cleans the cache; returns what it says."""
        said: list[str] = []
        with mock.patch.object(inventory, "say", said.append):
            inventory.clean()
        return said

    def test_only_what_nobody_needs_is_removed(self) -> None:
        one = self.checkout("one")
        self.user("root", "roots/a", one)
        self.user("root", "roots/b", one)
        (self.folder / "roots/half").mkdir()
        self.clean()
        self.assertEqual([path.name for path in (self.folder / "roots").iterdir()], ["b"])

    def test_entry_that_a_make_uses_stays(self) -> None:
        with mock.patch.object(cache, "CHECKOUT", self.folder.parent / "gone"):
            self.entry("root", "roots/a")
        self.assertIn("kept roots/a: a make uses it", self.clean())
        self.assertTrue(cache.exists("roots/a"))

    def test_entry_that_is_being_made_stays(self) -> None:
        (self.folder / "roots/a").mkdir(parents=True)
        with cache.lock(cache.lock_file("roots/a"), "a"):
            self.assertIn("kept roots/a: a make uses it", self.clean())

    def test_entry_that_is_needed_again_stays(self) -> None:
        (self.folder / "roots/a").mkdir(parents=True)
        self.assertFalse(cache.remove("roots/a", lambda: False))
        self.assertTrue((self.folder / "roots/a").exists())

    def test_lock_is_not_kept(self) -> None:
        (self.folder / "roots/a").mkdir(parents=True)
        self.clean()
        with cache.lock_file("roots/a").open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Update(Cache):
    def update(self, newest: str) -> str:
        """Updates to a release that Debian has; returns what is said."""
        said: list[str] = []

        def package(_series: str, release: str, _root: object) -> None:
            self.entry("kernel-7.3", f"kernels/7.3/{release}")

        with mock.patch.object(packages, "_newest", return_value=newest), \
                mock.patch.object(packages, "_package", package), \
                mock.patch.object(packages, "say", said.append):
            packages.update("7.3", mock.Mock())
        return "\n".join(said)

    def release(self) -> str:
        return (self.folder / "kernels/7.3/release").read_text()

    def test_first_kernel(self) -> None:
        self.assertIn("first kernel", self.update("7.3.4+deb13-amd64"))
        self.assertEqual(self.release(), "7.3.4+deb13-amd64")

    def test_newer_kernel_is_beside_the_old_one(self) -> None:
        self.update("7.3.9+deb13-amd64")
        self.entry("7.3-debug", "kernels/7.3/7.3.9+deb13-amd64-debug-0123")
        said = self.update("7.3.10+deb13-amd64")
        self.assertIn("7.3.10+deb13-amd64 in place of 7.3.9+deb13-amd64", said)
        self.assertIn("anew when next used: 7.3-debug, the modules in build/", said)
        self.assertEqual(self.release(), "7.3.10+deb13-amd64")
        self.assertTrue(cache.exists("kernels/7.3/7.3.9+deb13-amd64"))

    def test_nothing_newer(self) -> None:
        self.update("7.3.10+deb13-amd64")
        for release in ("7.3.10+deb13-amd64", "7.3.9+deb13-amd64"):
            self.assertIn("nothing newer than 7.3.10+deb13-amd64", self.update(release))
            self.assertEqual(self.release(), "7.3.10+deb13-amd64")
