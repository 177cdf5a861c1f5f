# SPDX-License-Identifier: GPL-2.0
"""The build root: a Debian 13 tree with all tools, and with the programs of the guest.

Debian's kernel takes Rust modules only from the compilers that it was built with.
They are in here, whatever the host is. The guest runs from the same tree.
"""

import os
import pwd
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts import cache, host
from scripts.disk import TEMPORARY
from scripts.kernel import debian
from scripts.progress import Failed, Step, Word

TOOLS = (
    # the kernel's build, as its own documentation lists it
    "build-essential rustc rust-src bindgen libclang-19-dev flex bison bc "
    "libelf-dev libssl-dev libdw-dev cpio kmod rsync python3 pahole xz-utils "
    "zstd perl "
    # ours: semantic patches, make check
    "coccinelle rust-clippy rustfmt pyflakes3 mypy shellcheck "
    # ours: the picture of make bench, make model
    "gnuplot-nox spin "
    # the virtual machine
    "qemu-system-x86 virtiofsd "
    # the guest
    "busybox-static bash mount util-linux procps iproute2 ibverbs-utils "
    "ibverbs-providers rdmacm-utils strace"
).split()

LLVM = "clang-19 lld-19 llvm-19".split()

# Which packages make up which build root.
ROOTS = {"gcc": TOOLS, "llvm": TOOLS + LLVM}

# Bytes that it takes to make one.
SIZE = 2_900_000_000

# What programs see of the tree, read-only. All else is empty and writable.
_READ_ONLY = ("usr", "etc", "var", "root")
_USR_LINKS = ("bin", "lib", "lib64", "sbin")
# A checkout may be below these. They are empty, so that it can be mounted there.
_MAY_HOLD_A_CHECKOUT = ("/usr/local", "/usr/src", "/var", "/root")


@dataclass(frozen=True)
class BuildRoot:
    """A build root that is complete."""

    path: Path

    def enter(self, command: Iterable[Word], writable: Sequence[Path] = (),
              readable: Sequence[Path] = (), over: Iterable[tuple[Path, str]] = (),
              directory: Word = "/") -> list[str]:
        """The command line that runs a command inside, for root and others alike.

        The paths of writable and readable are the same inside and outside; over has
        pairs of a path outside and one inside.
        """
        words: list[Word] = ["bwrap", "--die-with-parent", "--unshare-pid", "--unshare-ipc"]
        if os.geteuid():
            # virtiofsd takes itself for root and wants the capabilities of root.
            words += ["--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "ALL"]
        words += ["--unshare-net", "--tmpfs", "/"]
        for name in _READ_ONLY:
            words += ["--ro-bind", self.path / name, f"/{name}"]
        for name in _USR_LINKS:
            words += ["--symlink", f"usr/{name}", f"/{name}"]
        outside = [Path(p) for p in (*writable, *readable)]
        for place in _MAY_HOLD_A_CHECKOUT:
            if any(p.is_relative_to(place) for p in outside):
                words += ["--tmpfs", place]
        words += ["--dev-bind", "/dev", "/dev", "--proc", "/proc",
                  "--ro-bind", "/sys", "/sys",
                  "--perms", "1777", "--tmpfs", "/tmp",
                  "--perms", "1777", "--tmpfs", "/var/tmp",
                  "--tmpfs", "/run"]
        for path in readable:
            words += ["--ro-bind", path, path]
        for path in writable:
            words += ["--bind", path, path]
        for outer, inner in over:
            words += ["--bind", outer, inner]
        words += ["--clearenv"]
        settings = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
                    "LC_ALL": "C.UTF-8", "TERM": os.environ.get("TERM", "dumb")}
        for name, value in settings.items():
            words += ["--setenv", name, value]
        words += ["--chdir", directory, "--", *command]
        return [str(word) for word in words]

    def versions(self) -> str:
        """What the compilers print as their versions, which a kernel depends on."""
        return (self.path / "versions").read_text()


def get(kind: str) -> BuildRoot:
    """The build root of that kind; it is made if the cache has none."""
    return BuildRoot(cache.entry(f"root-{kind}", name(kind),
                                 lambda path: _make(path, ROOTS[kind]), SIZE))


def name(kind: str) -> str:
    """The name of its cache entry."""
    return f"roots/{kind}-{cache.key(ROOTS[kind], debian.SUITES[0])}"


def _make(path: Path, packages: list[str]) -> None:
    """Installs the packages in a folder, which becomes a build root."""
    try_tools()
    with Step("build root (Debian 13 with compilers and tools)", "build-root") as step:
        # Only root can make the tree in place. Others make a tar in a user namespace
        # and unpack it, so that the tree belongs to them.
        root = not os.geteuid()
        command = [
            "mmdebstrap", f"--mode={'root' if root else 'unshare'}",
            "--variant=essential", "--architectures=amd64",
            f"--format={'directory' if root else 'tar'}",
            f"--include={','.join(packages)}",
            "--aptopt=Acquire::Languages \"none\"",
            *(f"--aptopt={line}" for line in debian.access()),
            # A tree that was interrupted is made anew, so no file needs a sync.
            "--dpkgopt=force-unsafe-io",
            "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            debian.SUITES[0], str(path) if root else "-", "-",
        ]
        # Without root, all of the tree lies there first, and /tmp may be in memory.
        environment = {"TMPDIR": TEMPORARY} | os.environ
        sources = debian.sources(debian.working_mirror(step), debian.SUITES).encode()
        step.note("+ " + " ".join(command))
        with step.log.open("ab") as log, \
                subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=log,
                                 stdout=log if root else subprocess.PIPE) as maker:
            assert maker.stdin
            maker.stdin.write(sources)
            maker.stdin.close()
            if not root:
                step.run(["tar", "-x", "-C", path, "--exclude=./dev/*"], stdin=maker.stdout)
        if maker.returncode:
            step.fail(f"mmdebstrap: {step.last_words()}", "is there a network?")
        (path / "usr/lib/modules").mkdir(exist_ok=True)
        said = subprocess.run(
            BuildRoot(path).enter(["sh", "-c", "x86_64-linux-gnu-gcc-14 --version | head -1;"
                        "rustc --version; bindgen --version;"
                        "pahole --version"]),
            capture_output=True, text=True, check=False)
        if said.returncode or "rustc" not in said.stdout:
            step.fail(f"the tree does not work: {said.stderr.strip()}")
        (path / "versions").write_text(said.stdout)


def try_tools() -> None:
    """Fails if this user cannot make a build root, or not enter it."""
    trials = [(BuildRoot(Path("/")).enter(["true"]), "in a container, start it with --privileged")]
    if os.geteuid():
        temporary, remedy = Path(os.environ.get("TMPDIR") or TEMPORARY), "set TMPDIR elsewhere"
        host.check_programs_run(temporary, remedy)
        host.check_room(temporary, SIZE, remedy)
        trials.append((["mmdebstrap", "--unshare-helper", "true"], way_to_ids()))
    for command, remedy in trials:
        tried = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True, check=False)
        if tried.returncode:
            said = [line for line in tried.stderr.splitlines() if line.strip()]
            raise Failed("host", f"{command[0]}: {said[0] if said else 'failed'}", None, remedy)


def way_to_ids() -> str:
    """What to do where mmdebstrap gets no users and groups for its user namespace."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return "use an account that /etc/passwd has"
    lacking = [kind for kind in ("subuid", "subgid")
               if not has_range(Path("/etc", kind), user)]
    if lacking:
        return "run as root: usermod " + " ".join(
            f"--add-{kind}s 10000000-10065535" for kind in lacking) + f" {user}"
    return ("run as root: apt-get install --reinstall uidmap; "
            "in a container, start it with --privileged")


def has_range(table: Path, user: str) -> bool:
    """Returns true if the user has a line in /etc/subuid or /etc/subgid."""
    return table.exists() and any(line.startswith(f"{user}:")
                                  for line in table.read_text().splitlines())
