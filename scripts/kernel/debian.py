# SPDX-License-Identifier: GPL-2.0
"""Debian 13's package archive, read with an apt configuration of our own.

The mirror is the one the machine itself uses: no address is written down
here. The private configuration leaves the machine's own lists alone, works
for users other than root, and is the same on Debian 12 and 13.
"""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scripts import cache
from scripts.progress import Failed, Step

# Debian 13 itself, for the build root; and where its newer kernels are.
SUITES = ("trixie", "trixie-updates")
KERNEL_SUITES = ("trixie-backports",)
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# Releases of Debian proper; the mirror that serves one of them serves the suites above.
RELEASES = ("bookworm", "trixie", "forky", "sid",
            "oldstable", "stable", "testing", "unstable")


def mirrors() -> list[str]:
    """The places where this machine gets Debian itself from."""
    # What an update would read: known without a network, without root, and on
    # a machine that has never been updated.
    places = mirrors_among(subprocess.run(["apt-get", "update", "--print-uris"],
                                          capture_output=True, text=True, check=False).stdout)
    if not places:
        raise Failed("apt", "this machine's apt has no source for Debian", None,
                     "add one for its own release")
    return places


def mirrors_among(uris: str) -> list[str]:
    """The places with a release of Debian, each once, among what `apt-get --print-uris` lists."""
    places = [base for base, release in
              re.findall(r"^'(\S+)/dists/([^/\s]+)/InRelease'", uris, re.M)
              if release in RELEASES]
    return list(dict.fromkeys(places))


def sources(suites: Iterable[str]) -> str:
    """Lines of a sources.list for the suites, from the first mirror we know."""
    return "".join(f"deb [signed-by={KEYRING}] {mirrors()[0]} {suite} main\n"
                   for suite in suites)


def proxies() -> list[str]:
    """The machine's own proxy settings, as lines of an apt configuration."""
    return proxies_among(subprocess.run(["apt-config", "dump"], capture_output=True,
                                        text=True, check=False).stdout)


def proxies_among(settings: str) -> list[str]:
    """The lines that set a proxy, among what `apt-config dump` prints."""
    return [line for line in settings.splitlines()
            if re.match(r'Acquire::.*[Pp]roxy.* "[^"]+";', line)]


class Archive:
    """The archive as of now; made in a folder that holds apt's own state."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.home = cache.folder() / "apt"

    def update(self) -> None:
        for sub in ("lists/partial", "archives/partial", "state"):
            (self.home / sub).mkdir(parents=True, exist_ok=True)
        (self.home / "state" / "status").touch()
        (self.home / "sources.list").write_text(sources(KERNEL_SUITES))
        (self.home / "apt.conf").write_text(
            # Hooks of the machine's own apt have no business with ours.
            "#clear APT::Update::Post-Invoke;\n"
            "#clear APT::Update::Post-Invoke-Success;\n"
            f'Dir::State "{self.home}/state";\n'
            f'Dir::State::lists "{self.home}/lists";\n'
            f'Dir::State::status "{self.home}/state/status";\n'
            f'Dir::Cache "{self.home}";\n'
            f'Dir::Etc::sourcelist "{self.home}/sources.list";\n'
            'Dir::Etc::sourceparts "/dev/null";\n'
            'Dir::Etc::preferencesparts "/dev/null";\n'
            'APT::Architecture "amd64";\n'
            'APT::Architectures { "amd64"; };\n'
            'Acquire::Languages "none";\n'
            # The cache folder is not readable for apt's own account.
            'APT::Sandbox::User "";\n')
        self._apt("apt-get", "update", hint="is there a network?")

    def _apt(self, tool: str, *words: str, **kwargs: Any) -> None:
        self.step.run([tool, "-q", "-c", self.home / "apt.conf", *words], **kwargs)

    def _query(self, *words: str) -> str:
        return subprocess.run(["apt-cache", "-c", self.home / "apt.conf", *words],
                              capture_output=True, text=True, check=False).stdout

    def newest(self, prefix: str, pattern: str) -> tuple[str, str] | None:
        """The newest package whose name matches: its name and version."""
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
        """Downloads the packages (name=version) into a folder, checked by apt."""
        self._apt("apt-get", "download", *packages, cwd=folder,
                  hint="is there a network?")


def newer(a: str, b: str) -> bool:
    return subprocess.run(["dpkg", "--compare-versions", a, "gt", b],
                          check=False).returncode == 0

