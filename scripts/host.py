# SPDX-License-Identifier: GPL-2.0
"""What the machine must have. All else is in the build root.

What cannot work on this machine is found here, before anything is downloaded.
"""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from scripts import cache, disk
from scripts.paths import BUILD, CHECKOUT, LOGS
from scripts.progress import Failed, say

# A program or a file, and the Debian package that has it.
NEEDED = (
    ("mmdebstrap", "mmdebstrap"),                # makes the build root
    ("bwrap", "bubblewrap"),                     # enters it, for root and others alike
    ("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"),
)
# Without root, mmdebstrap works in a user namespace and needs these.
NEEDED_BY_USERS = (("newuidmap", "uidmap"),)

# A guest has 2 GB. A machine sold with 4 GB shows a little less.
MEMORY = 3.5e9

# Settings of the kernel that forbid namespaces to users: name, what forbids, what allows.
SWITCHES = (
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("user.max_user_namespaces", "0", "10000"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
)


def check_checkout() -> None:
    """Fails if nothing can be built in the checkout."""
    check_path(CHECKOUT, "the checkout", "move it to another folder")
    if BUILD.exists():
        check_writable([BUILD, *_inside(BUILD), *_inside(LOGS)],
                       f"remove {BUILD} as root, and run make in a checkout as one user only")
    check_writable([_existing(BUILD)], "use a checkout of your own")


def check_cache() -> None:
    """Fails if the folder of the cache cannot be used."""
    remedy = "set XDG_CACHE_HOME to another folder"
    store = cache.folder()
    if not store.is_absolute():
        raise Failed("host", f"the cache folder {store} is not an absolute path", None, remedy)
    check_path(store, "the cache folder", remedy)
    check_writable([_existing(store), *_inside(store), *_inside(store / "kernels")], remedy)
    check_programs_run(store, remedy)


def check_path(path: Path, what: str, remedy: str) -> None:
    """Fails if the tools cannot take this path."""
    bad = re.search(r"[^\w/.+@~-]", str(path))
    if bad:
        raise Failed("host", f"{what} is {path}, and kernel builds cannot take "
                     f"{'a space' if bad[0] == ' ' else repr(bad[0])} in a path", None, remedy)
    # The build root has folders of its own there.
    real = path.resolve()
    for place in ("/usr", "/etc"):
        if real.is_relative_to(place) and not any(
                real.is_relative_to(free) for free in ("/usr/local", "/usr/src")):
            raise Failed("host", f"{what} is in {place}", None, remedy)


def check_writable(paths: Iterable[Path], remedy: str) -> None:
    """Fails if this user may not write to one of the paths."""
    for path in paths:
        if not os.access(path, os.W_OK):
            raise Failed("host", f"{path} cannot be written to "
                         f"(it belongs to user {path.lstat().st_uid})", None, remedy)


def check_programs_run(path: Path, remedy: str) -> None:
    """Fails if the file system is mounted so that its programs do not run."""
    if os.statvfs(_existing(path)).f_flag & os.ST_NOEXEC:
        raise Failed("host", f"{path} is on a file system mounted noexec", None, remedy)


def check_room(path: Path, needed: int, remedy: str) -> None:
    """Fails if the disk has too little room."""
    free = disk.free(path)
    if free < needed:
        raise Failed("host", f"the disk of {path} has {disk.readable(free)} free, and "
                     f"{disk.readable(needed)} are needed", None, f"make room, or {remedy}")


def check_machine() -> None:
    """Fails if this is not a machine that Debian's kernel for amd64 can be built on."""
    if not shutil.which("apt-get"):
        raise Failed("host", "this is not a Debian system (no apt-get)", None,
                     "use Debian 12 or 13, or KDIR= with your own tools")
    system = platform.freedesktop_os_release()
    if system["ID"] != "debian":
        say(f"warning: nothing was ever tried on {system['NAME']} (meant to work: Debian 12, 13)")
    architecture = subprocess.run(["dpkg", "--print-architecture"], capture_output=True,
                                  text=True, check=False).stdout.strip()
    if (platform.machine(), architecture) != ("x86_64", "amd64"):
        raise Failed("host", f"this machine is {platform.machine()} with Debian for "
                     f"{architecture or 'nothing'}", None, "use one that is x86_64 with amd64")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if memory < MEMORY:
        raise Failed("host", f"this machine has {memory / 1e9:.1f} GB of memory", None,
                     "use one with 4 GB")


def check_namespaces() -> None:
    """Fails if this user cannot make the namespaces that the build root is entered with."""
    # unshare is on every Debian system.
    command = ["unshare", "--mount", "--pid", "--fork", "--ipc", "--net", "--mount-proc"]
    if os.geteuid():
        command += ["--user", "--map-root-user"]
    tried = subprocess.run([*command, "true"], stdin=subprocess.DEVNULL, capture_output=True,
                           text=True, check=False)
    if tried.returncode:
        said = tried.stderr.strip().splitlines()
        raise Failed("host", "the kernel lets this user make no namespaces "
                     f"({said[-1] if said else 'unshare said nothing'})", None,
                     way_to_namespaces())


def way_to_namespaces() -> str:
    """What to do where namespaces cannot be made."""
    if not Path("/proc/self").exists():
        return "this chroot lacks /proc: run mount -t proc proc /proc in it"
    if os.geteuid():
        for name, forbids, allows in SWITCHES:
            switch = Path("/proc/sys", name.replace(".", "/"))
            if switch.exists() and switch.read_text().strip() == forbids:
                return f"run as root: sysctl -w {name}={allows}"
        return ("in a container, start it with --privileged; "
                "in a chroot, only root can do it")
    if not is_mount_point("/", Path("/proc/self/mountinfo").read_text()):
        return ("this chroot's / is no mount point: before you enter it, run "
                "mount --bind FOLDER FOLDER")
    return "in a container, start it with --privileged"


def is_mount_point(path: str, mountinfo: str) -> bool:
    """Returns true if a line of mountinfo is for that path."""
    return any(line.split()[4] == path for line in mountinfo.splitlines())


def lacking() -> list[str]:
    """The packages that are not installed."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    needed = NEEDED + (NEEDED_BY_USERS if os.geteuid() else ())
    return [package for what, package in needed
            if not (Path(what).exists() if what.startswith("/")
                    else shutil.which(what, path=path))]


def prepare() -> None:
    """Fails if this machine cannot do it; installs what it lacks, or says what to run."""
    check_machine()
    check_cache()
    check_namespaces()
    packages = lacking()
    if packages:
        install(packages)


def install(packages: list[str]) -> None:
    """Installs packages; without root, fails and says what to run."""
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
                raise Failed("host", f"apt-get could not install {', '.join(packages)}", log,
                             "is there a network?")


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    # Path.exists() raises an error in a folder that this user may not search.
    while not os.path.exists(path):
        path = path.parent
    return path


def _inside(folder: Path) -> Iterator[Path]:
    """What is in a folder, if that is there."""
    return folder.iterdir() if os.path.isdir(folder) else iter(())
