# SPDX-License-Identifier: GPL-2.0
"""What is taken from apt: mirrors, proxies, versions."""

import unittest
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
"""

SETTINGS = """\
APT::Architecture "amd64";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::http::Proxy::one.example "DIRECT";
Acquire::https::Proxy "";
Acquire::http::ProxyAutoDetect "/usr/bin/detect";
"""


class Mirrors(unittest.TestCase):
    def test_places_of_debian_once_in_their_order(self) -> None:
        self.assertEqual(debian.mirrors_among(URIS),
                         ["http://one.example/debian", "http://two.example/debian"])

    def test_others_serve_no_debian(self) -> None:
        self.assertEqual(debian.mirrors_among(URIS.replace("trixie/", "bionic/")
                                              .replace("sid/", "jammy/")), [])

    def test_no_mirror_is_an_error(self) -> None:
        with mock.patch.object(debian, "mirrors_among", return_value=[]), \
                self.assertRaisesRegex(Failed, "apt: .* no source"):
            debian.mirrors()

    def test_sources_name_the_first_mirror_and_the_keyring(self) -> None:
        with mock.patch.object(debian, "mirrors", return_value=["http://m", "http://n"]):
            self.assertEqual(debian.sources(["a", "b"]).splitlines(), [
                f"deb [signed-by={debian.KEYRING}] http://m {suite} main" for suite in "ab"])

    def test_proxies_that_are_set(self) -> None:
        self.assertEqual(debian.proxies_among(SETTINGS), SETTINGS.splitlines()[1:3]
                         + SETTINGS.splitlines()[4:])


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
