# SPDX-License-Identifier: GPL-2.0
"""What is taken from apt: mirrors, proxies, versions."""

import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from scripts.kernel import debian
from scripts.progress import Failed, Step

URIS = """\
'http://one.example/debian/dists/trixie/InRelease' one_dists_trixie_InRelease 0
'http://one.example/debian/dists/trixie-updates/InRelease' one_dists_trixie-updates_InRelease 0
'http://two.example/debian/dists/sid/InRelease' two_dists_sid_InRelease 0
'http://one.example/debian/dists/sid/InRelease' one_dists_sid_InRelease 0
'http://three.example/dists/noble/InRelease' three_dists_noble_InRelease 0
'http://four.example/debian/dists/trixie/main/binary-amd64/Packages' four 0
'https://download.docker.example/linux/debian/dists/trixie/InRelease' docker_dists_trixie_InRelease 0
'cdrom://Debian/dists/trixie/InRelease' Debian_dists_trixie_InRelease 0
"""

SETTINGS = """\
APT::Architecture "amd64";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::http::Proxy::one.example "DIRECT";
Acquire::https::Proxy "";
Acquire::https::CaInfo "/etc/ca.pem";
Acquire::http::Proxy-Auto-Detect "/usr/bin/detect";
Acquire::ForceIPv4 "1";
Acquire::Check-Valid-Until "false";
"""

UNSIGNED = """\
Get:1 http://one.example/debian trixie InRelease [7000 B]
Err:1 http://one.example/debian trixie InRelease
  The following signatures couldn't be verified
E: The repository 'http://one.example/debian trixie InRelease' is not signed.
"""


class Mirrors(unittest.TestCase):
    def test_places_that_may_have_debian_once_in_their_order(self) -> None:
        self.assertEqual(debian.mirrors_among(URIS), [
            "http://one.example/debian", "http://two.example/debian",
            "https://download.docker.example/linux/debian"])

    def test_a_machine_may_have_none(self) -> None:
        self.assertEqual(debian.mirrors_among(URIS.replace("trixie/", "bionic/")
                                              .replace("sid/", "jammy/")), [])

    def test_sources_name_the_mirror_and_the_keyring(self) -> None:
        self.assertEqual(debian.sources("http://m", ["a", "b"]).splitlines(), [
            f"deb [signed-by={debian.KEYRING}] http://m {suite} main" for suite in "ab"])

    def test_settings_of_the_network(self) -> None:
        lines = SETTINGS.splitlines()
        self.assertEqual(debian.access_among(SETTINGS), lines[1:3] + lines[4:7])

    def test_refusal_is_the_first_error(self) -> None:
        self.assertEqual(debian.refusal(UNSIGNED), "The repository 'http://one.example/debian "
                         "trixie InRelease' is not signed.")


class Choice(unittest.TestCase):
    """Of the mirrors, with an apt that takes the second one or none."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.home = Path(temporary.name)
        step = Step("test", "test")
        step.log = self.home / "log"
        self.archive = debian.Archive(step, self.home)
        self.good = "two.example"
        for name, answer in (("mirrors", ["http://one.example", "http://two.example"]),
                             ("access", ['Acquire::http::Proxy "http://proxy.example";'])):
            patch = mock.patch.object(debian, name, return_value=answer)
            patch.start()
            self.addCleanup(patch.stop)
        patch = mock.patch.object(subprocess, "run", side_effect=self.apt)
        patch.start()
        self.addCleanup(patch.stop)

    def apt(self, *_words: object, **_options: object) -> "subprocess.CompletedProcess[str]":
        sources = (self.home / "etc/sources.list").read_text()
        if self.good in sources:
            return subprocess.CompletedProcess([], 0, "")
        return subprocess.CompletedProcess([], 100, UNSIGNED)

    def test_first_mirror_that_apt_takes(self) -> None:
        self.assertEqual(self.archive.update(), "http://two.example")
        self.assertEqual((self.home / "etc/sources.list").read_text(),
                         debian.sources("http://two.example", debian.KERNEL_SUITES))

    def test_configuration_is_ours_with_the_proxies_of_the_machine(self) -> None:
        self.archive.update()
        written = (self.home / "apt.conf").read_text()
        self.assertIn(f'Dir::Etc "{self.home}/etc";\n', written)
        self.assertIn('Acquire::http::Proxy "http://proxy.example";\n', written)

    def test_no_source_is_an_error(self) -> None:
        with mock.patch.object(debian, "mirrors", return_value=[]), \
                self.assertRaisesRegex(Failed, "no source for Debian.*; add one"):
            self.archive.update()

    def test_no_mirror_is_an_error_that_says_why(self) -> None:
        self.good = "three.example"
        with self.assertRaisesRegex(Failed, "http://one.example: The repository .* not signed.*"
                                    "http://two.example: .*network"):
            self.archive.update()


class Archive(debian.Archive):
    """Packages and their versions, without a cache of apt."""

    def __init__(self, versions: dict[str, str]) -> None:
        super().__init__(Step("test", "test"))
        self.versions = versions

    def _query(self, *words: str) -> str:
        if words[0] == "pkgnames":
            return "".join(f"{name}\n" for name in self.versions if name.startswith(words[1]))
        name = words[-1]
        return f"Package: {name}\nSource: Version: 9\nVersion: {self.versions[name]}\n"


class Newest(unittest.TestCase):
    def test_versions_are_compared_as_debian_does(self) -> None:
        archive = Archive({"linux-7.3.9-amd64": "7.3.9-1", "linux-7.3.10-amd64": "7.3.10-1",
                           "linux-7.3.10-rt-amd64": "7.3.10-2"})
        self.assertEqual(archive.newest("linux-7.3.", r"linux-7\.3\.[0-9]+-amd64"),
                         ("linux-7.3.10-amd64", "7.3.10-1"))

    def test_nothing_matches(self) -> None:
        archive = Archive({"linux-7.3.9-rt-amd64": "7.3.9-1"})
        self.assertIsNone(archive.newest("linux-7.3.", r"linux-7\.3\.[0-9]+-amd64"))

    def test_test_versions_come_before_what_they_become(self) -> None:
        self.assertTrue(debian.newer("7.3-1", "7.3~rc1-1"))
        self.assertFalse(debian.newer("7.3~rc1-1", "7.3-1"))
        self.assertFalse(debian.newer("7.3-1", "7.3-1"))
