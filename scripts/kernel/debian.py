# SPDX-License-Identifier: GPL-2.0
"""Debian 13's packages, read by apt with a configuration of our own.

The mirror is the one that the machine uses. Our configuration does not touch the
machine's lists of packages, works without root, and is the same on Debian 12 and 13.
"""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scripts import cache
from scripts.progress import Failed, Step

# Of the build root, and of newer kernels.
SUITES = ("trixie", "trixie-updates")
KERNEL_SUITES = ("trixie-backports",)
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# A mirror that has one of these releases has the suites above.
RELEASES = ("bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable")


def mirrors() -> list[str]:
    """The places where this machine gets Debian from."""
    # This needs no network and no root, and works before the first update.
    places = mirrors_among(subprocess.run(["apt-get", "update", "--print-uris"],
                                          capture_output=True, text=True, check=False).stdout)
    if not places:
        raise Failed("apt", "this machine's apt has no source for Debian", None,
                     "add one for its own release")
    return places


def mirrors_among(uris: str) -> list[str]:
    """Those with a release of Debian, each once, of what `apt-get --print-uris` lists."""
    places = [base for base, release in
              re.findall(r"^'(\S+)/dists/([^/\s]+)/InRelease'", uris, re.M)
              if release in RELEASES]
    return list(dict.fromkeys(places))


def sources(suites: Iterable[str]) -> str:
    """Lines of a sources.list for the suites, from the first mirror."""
    return "".join(f"deb [signed-by={KEYRING}] {mirrors()[0]} {suite} main\n" for suite in suites)


def proxies() -> list[str]:
    """The machine's proxies, as lines of an apt configuration."""
    return proxies_among(subprocess.run(["apt-config", "dump"], capture_output=True,
                                        text=True, check=False).stdout)


def proxies_among(settings: str) -> list[str]:
    """The lines that set a proxy, of what `apt-config dump` prints."""
    return [line for line in settings.splitlines()
            if re.match(r'Acquire::.*[Pp]roxy.* "[^"]+";', line)]


class Archive:
    """The archive of newer kernels, with a state of apt in the cache folder."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.home = cache.folder() / "apt"

    def update(self) -> None:
        """Fetches the lists of packages."""
        for sub in ("lists/partial", "archives/partial", "state"):
            (self.home / sub).mkdir(parents=True, exist_ok=True)
        (self.home / "state" / "status").touch()
        (self.home / "sources.list").write_text(sources(KERNEL_SUITES))
        (self.home / "apt.conf").write_text(
            # Not the hooks of the machine's apt.
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
            # apt's own account cannot read the cache folder.
            'APT::Sandbox::User "";\n')
        self._apt("apt-get", "update", hint="is there a network?")

    def _apt(self, tool: str, *words: str, **kwargs: Any) -> None:
        self.step.run([tool, "-q", "-c", self.home / "apt.conf", *words], **kwargs)

    def _query(self, *words: str) -> str:
        return subprocess.run(["apt-cache", "-c", self.home / "apt.conf", *words],
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
        self._apt("apt-get", "download", *packages, cwd=folder, hint="is there a network?")


def newer(a: str, b: str) -> bool:
    """Returns true if version a is newer than b."""
    return subprocess.run(["dpkg", "--compare-versions", a, "gt", b], check=False).returncode == 0

