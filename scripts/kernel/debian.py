# SPDX-License-Identifier: GPL-2.0
"""Debian 13's packages, read by apt with a configuration of our own.

The mirror is one that the machine uses. Of the machine's configuration only the way to
the network is taken: no sources, preferences, hooks or lists of packages. It works
without root, and is the same on Debian 12 and 13.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from scripts import cache
from scripts.progress import Step

# Of the build root, and of newer kernels.
SUITES = ("trixie", "trixie-updates")
KERNEL_SUITES = ("trixie-backports",)
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# A mirror that has one of these releases may have the suites above. Third parties use the
# same names for packages of their own, so each is asked, with Debian's keyring.
RELEASES = ("bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable")
# Otherwise a mirror that does not answer takes ten minutes.
IMPATIENT = ("-oAcquire::Retries=0", "-oAcquire::http::Timeout=15",
             "-oAcquire::https::Timeout=15")


def mirrors() -> list[str]:
    """The places where this machine may get Debian from."""
    # This needs no network and no root, and works before the first update.
    return mirrors_among(subprocess.run(["apt-get", "update", "--print-uris"],
                                        capture_output=True, text=True, check=False).stdout)


def mirrors_among(uris: str) -> list[str]:
    """Those with a release of Debian, each once, of what `apt-get --print-uris` lists."""
    places = [base for base, release in
              re.findall(r"^'(\S+)/dists/([^/\s]+)/InRelease'", uris, re.M)
              if release in RELEASES and not base.startswith("cdrom:")]
    return list(dict.fromkeys(places))


def sources(mirror: str, suites: Iterable[str]) -> str:
    """Lines of a sources.list for the suites."""
    return "".join(f"deb [signed-by={KEYRING}] {mirror} {suite} main\n" for suite in suites)


def access() -> list[str]:
    """How the machine's apt reaches the network, as lines of an apt configuration."""
    return access_among(subprocess.run(["apt-config", "dump"], capture_output=True,
                                       text=True, check=False).stdout)


def access_among(settings: str) -> list[str]:
    """The lines about the network, proxies above all, of what `apt-config dump` prints."""
    return [line for line in settings.splitlines()
            if re.match(r'Acquire::(https?|ForceIPv[46])(::.*)? "[^"]+";', line)]


class Archive:
    """Debian's archive, with a state of apt of its own: in the cache, or in another folder."""

    def __init__(self, step: Step, home: Path | None = None) -> None:
        self.step = step
        self.home = home or cache.folder() / "apt"

    def update(self, suites: Iterable[str] = KERNEL_SUITES, lists: bool = True) -> str:
        """Fetches the lists of packages from the first mirror that has the suites.

        Debian has signed them, also for who wants no lists. Returns the mirror.
        """
        self._configure(lists)
        refusals = []
        for mirror in mirrors():
            (self.home / "etc/sources.list").write_text(sources(mirror, suites))
            asked = subprocess.run(["apt-get", "-q", "update", "--error-on=any", *IMPATIENT],
                                   env=self._environment(), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, check=False)
            self.step.note(f"asked {mirror}\n{asked.stdout}")
            if not asked.returncode:
                return mirror
            refusals.append(f"{mirror}: {refusal(asked.stdout)}")
        if not refusals:
            self.step.fail("this machine's apt has no source for Debian",
                           "add one for its own release")
        self.step.fail("no mirror of Debian answers: " + "; ".join(refusals),
                       "is there a network? A proxy is taken from apt's configuration")

    def _configure(self, lists: bool) -> None:
        """Writes the configuration."""
        for sub in ("etc/apt.conf.d", "etc/preferences.d", "lists/partial", "archives/partial",
                    "state"):
            (self.home / sub).mkdir(parents=True, exist_ok=True)
        (self.home / "state/status").touch()
        (self.home / "apt.conf").write_text("\n".join([
            # With this the machine's own configuration is not read.
            f'Dir::Etc "{self.home}/etc";',
            f'Dir::State "{self.home}/state";',
            f'Dir::State::lists "{self.home}/lists";',
            f'Dir::State::status "{self.home}/state/status";',
            f'Dir::Cache "{self.home}";',
            'APT::Architecture "amd64";',
            'APT::Architectures { "amd64"; };',
            'Acquire::Languages "none";',
            f'Acquire::IndexTargets::deb::Packages::DefaultEnabled "{str(lists).lower()}";',
            # apt's own account cannot write to this user's folders.
            'APT::Sandbox::User "";',
            *access()]) + "\n")

    def _environment(self) -> dict[str, str]:
        return os.environ | {"APT_CONFIG": str(self.home / "apt.conf"), "LC_ALL": "C"}

    def _query(self, *words: str) -> str:
        return subprocess.run(["apt-cache", *words], env=self._environment(),
                              capture_output=True, text=True, check=False).stdout

    def newest(self, prefix: str, pattern: str) -> tuple[str, str] | None:
        """Name and version of the newest package whose name matches."""
        best = None
        for name in self._query("pkgnames", prefix).split():
            if not re.fullmatch(pattern, name):
                continue
            shown = self._query("show", "--no-all-versions", name)
            version = re.findall(r"^Version: (\S+)$", shown, re.M)[0]
            if not best or newer(version, best[1]):
                best = name, version
        return best

    def fetch(self, packages: Iterable[str], folder: Path) -> None:
        """Downloads packages (name=version) into a folder. apt checks them."""
        self.step.run(["apt-get", "-q", "download", *packages], cwd=folder,
                      env=self._environment(), hint="is there a network?")


def refusal(said: str) -> str:
    """Why apt did not take a mirror: its first message."""
    messages = re.findall(r"^[EW]: (.*)$", said, re.M)
    return messages[0][:160] if messages else "apt said nothing"


def working_mirror(step: Step) -> str:
    """A mirror for the build root. mmdebstrap takes one from us, and has its own apt."""
    with tempfile.TemporaryDirectory() as home:
        return Archive(step, Path(home)).update(SUITES, lists=False)


def newer(a: str, b: str) -> bool:
    """Returns true if version a is newer than b."""
    return subprocess.run(["dpkg", "--compare-versions", a, "gt", b], check=False).returncode == 0

