# SPDX-License-Identifier: GPL-2.0
"""What the host must have. All else is in the build root."""

import os
import shutil
import subprocess
from pathlib import Path

from scripts.paths import LOGS
from scripts.progress import Failed, say

# A program or a file, and the Debian package that has it.
NEEDED = (
    ("mmdebstrap", "mmdebstrap"),                # makes the build root
    ("bwrap", "bubblewrap"),                     # enters it, for root and others alike
    ("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"),
)
# Without root, mmdebstrap works in a user namespace and needs these.
NEEDED_BY_USERS = (("newuidmap", "uidmap"),)


def lacking() -> list[str]:
    """The packages that are not installed."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    needed = NEEDED + (NEEDED_BY_USERS if os.geteuid() else ())
    return [package for what, package in needed
            if not (Path(what).exists() if what.startswith("/")
                    else shutil.which(what, path=path))]


def prepare() -> None:
    """Installs what the host lacks; without root, fails and says what to run."""
    if not shutil.which("apt-get"):
        raise Failed("host", "this is not a Debian system (no apt-get)", None,
                     "use Debian 12 or 13, or KDIR= with your own tools")
    packages = lacking()
    if not packages:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if os.geteuid():
        raise Failed("host", f"lacks {', '.join(packages)}", None,
                     f"run as root: apt-get update && {' '.join(command)}")
    say(f"host: installing {', '.join(packages)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    log = LOGS / "host.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        for words in (["apt-get", "update"], command):
            code = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=out,
                                  stderr=out, env=environment, check=False).returncode
            # A third party's source that does not answer fails the update. If that
            # matters, the installation fails, too.
            if code and words is command:
                raise Failed("host", f"apt-get could not install {', '.join(packages)}", log)
