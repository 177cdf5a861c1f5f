# SPDX-License-Identifier: GPL-2.0
"""One boot of a kernel in QEMU: from nothing to a verdict within a time limit.

The guest's root is the build root itself, read-only, over virtiofs: one
virtiofsd serves the very view that commands in the build root have, so that
the checkout and the modules are where they are outside. No disk image and no
initramfs is made. What the guest prints comes over a virtio console; the
serial port is left to the kernel's messages and goes to the log.

virtme-ng does the same for a person's own machine. Its init is a shell script
that wants udev and sudo's files and takes 8 s under emulation, more than
everything a boot here does; so this is QEMU without it.

The verdict comes through a file that the guest's init writes last. No file,
whatever the reason (panic, hang, time limit): the boot has failed.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from scripts import cache
from scripts.kernel.kernels import Kernel
from scripts.paths import BUILD, CHECKOUT, LOGS
from scripts.progress import VERBOSE, Word, say

INIT = CHECKOUT / "scripts/guest/init"

# Kernel messages that are failures even where the kernel goes on after them.
BAD_MESSAGES = re.compile(
    r"WARNING: |BUG: |Oops|Kernel panic|general protection|possible recursive|"
    r"possible circular|refcount_t: |INFO: task .* blocked|"
    r"unregister_netdevice: waiting")


@dataclass
class Machine:
    """What the guest is made of."""

    cpus: int = 2
    memory: str = "2G"
    cmdline: str = ""
    icount: str = ""        # argument of QEMU's -icount; implies one emulated CPU


@dataclass
class Verdict:
    code: int | None        # of the command in the guest; None if it never said
    why: str                # empty, or one line about what went wrong
    results: Path           # what the guest left
    log: Path               # what the kernel and the command printed


def accelerator_for(kernel: Kernel) -> str:
    """KVM if it boots this kernel within seconds, else emulation.

    /dev/kvm can be there and hang or abort on the first guest, so it is tried;
    the answer is kept until the machine reboots.
    """
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    answer = cache.folder() / f"kvm-{boot}"
    if not answer.exists():
        command = kernel.root.enter(
            ["qemu-system-x86_64", *_board("kvm", Machine(cpus=1, memory="256M")),
             "-serial", "stdio", "-kernel", kernel.image, "-append",
             "console=ttyS0 panic=-1 nokaslr"], readable=[kernel.image.parent])
        works = looks_for_root(command, limit=10)
        for old in cache.folder().glob("kvm-*"):
            old.unlink()
        answer.write_text("kvm" if works else "tcg")
        say("KVM works here" if works else
            "KVM does not boot a guest here: emulating, which is slower")
    return answer.read_text()


def looks_for_root(command: list[str], limit: float) -> bool:
    """Returns true if the machine boots until it looks for its root file system, which it lacks."""
    try:
        said = subprocess.run(command, capture_output=True, timeout=limit,
                              stdin=subprocess.DEVNULL, check=False).stdout
    except subprocess.TimeoutExpired:
        return False
    return b"Unable to mount root fs" in said


def _board(accelerator: str, machine: Machine) -> list[str]:
    words = ["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
             "-m", machine.memory]
    if machine.icount:
        return words + ["-machine", "q35", "-accel", "tcg,thread=single",
                        "-icount", machine.icount, "-cpu", "max,la57=off",
                        "-smp", "1"]
    if accelerator == "kvm":
        return words + ["-machine", "q35", "-accel", "kvm", "-cpu", "host",
                        "-smp", str(machine.cpus)]
    return words + ["-machine", "q35", "-accel", "tcg,thread=multi",
                    "-cpu", "max,la57=off", "-smp", str(machine.cpus)]


_RUNNING = set()                # processes of guests that nobody types into
_STOPPED = threading.Event()    # no more of them


def log_of(kernel: Kernel, name: str) -> Path:
    """Where everything that a boot prints is kept."""
    return LOGS / f"{kernel.variant.name}-{name}.log"


def results_of(kernel: Kernel, name: str) -> Path:
    """Where a guest leaves what it has to leave."""
    return BUILD / kernel.variant.name / "results" / name


def boot(kernel: Kernel, modules: Path, name: str, command: str, limit: float | None,
         machine: Machine | None = None, show: bool = False, interactive: bool = False) -> Verdict:
    """Boots, runs the shell command as root, and says how it went.

    modules is the folder that the guest sees as /lib/modules; name names the
    log and the results; show passes the command's output on as it comes.
    """
    machine = machine or Machine()
    variant = kernel.variant
    results = results_of(kernel, name)
    log = log_of(kernel, name)
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    (results / "command").write_text(command + "\n")

    accelerator = "tcg" if machine.icount else accelerator_for(kernel)
    cmdline = " ".join([
        "console=ttyS0 rootfstype=virtiofs root=rootfs rw",
        f"init={INIT} CHECKOUT={CHECKOUT} RESULTS={results}",
        f"KERNEL={variant.kernel} SERIES={variant.series}",
        # A warning ends the guest, and a guest that ends so has failed.
        "panic=-1 oops=panic panic_on_warn=1 quiet loglevel=4",
        # virtiofsd fills the guest's memory behind QEMU's back. An emulated CPU
        # that ran code from that page before would go on with the old code,
        # unless it has itself written to the page since: so it clears every
        # page that the kernel hands out.
        "init_on_alloc=1",
        "nokaslr random.trust_cpu=on log_buf_len=4M",
        # Devices are for the tests to make.
        "dummy.numdummies=0",
        machine.cmdline])
    messages = results / "kernel.log"
    qemu: list[Word] = [
        "qemu-system-x86_64", *_board(accelerator, machine),
        "-object", f"memory-backend-memfd,id=mem,size={machine.memory},share=on",
        "-numa", "node,memdev=mem",
        "-chardev", "socket,id=fs,path=/run/fs.sock",
        "-device", "vhost-user-fs-pci,chardev=fs,tag=rootfs",
        "-device", "virtio-serial-pci",
        "-chardev", "stdio,id=out,signal=off" + (",mux=on" if interactive else ""),
        "-device", "virtconsole,chardev=out",
        "-serial", f"file:{messages}",
        "-object", "rng-random,id=rng,filename=/dev/urandom",
        "-device", "virtio-rng-pci,rng=rng",
        "-kernel", kernel.image, "-append", cmdline]
    # virtiofsd serves the root of this view and must be there before QEMU.
    start = ("/usr/libexec/virtiofsd --socket-path=/run/fs.sock --shared-dir=/ "
             "--sandbox=none --cache=always --rlimit-nofile=0 --announce-submounts "
             f"--inode-file-handles=never >{results}/virtiofsd.log 2>&1 & "
             "while [ ! -S /run/fs.sock ]; do kill -0 $! || exit 99; sleep 0.02; done; "
             'exec "$@"')
    inside = kernel.root.enter(
        ["sh", "-c", start, "qemu", *qemu],
        readable=[CHECKOUT, kernel.image.parent], writable=[results],
        over=[(modules, "/usr/lib/modules")], directory="/")

    if VERBOSE:
        print("+ " + " ".join(inside), flush=True)
    output = results / "output.log"
    late = _run(inside, output, limit, show, interactive)
    if not interactive and (why := broke_down(output, messages)):
        say(f"{name}: the emulator broke down ({why}); once more")
        late = _run(inside, output, limit, show, interactive)
    code = None
    if (results / "verdict").exists():
        code = int((results / "verdict").read_text())
    with log.open("wb") as whole:
        for part in (output, messages, results / "virtiofsd.log"):
            if part.exists():
                whole.write(f"==== {part.name}\n".encode())
                whole.write(part.read_bytes().replace(b"\r\n", b"\n"))
    return Verdict(code, complaint(code, late, limit, messages, output), results, log)


def _run(command: list[str], output: Path, limit: float | None, show: bool,
         interactive: bool) -> bool:
    """Runs the machine; True if it had to be stopped at the time limit."""
    if interactive:
        # The terminal is the guest's: what is typed goes there, ^C included.
        saved = subprocess.run(["stty", "-g"], capture_output=True, text=True,
                               check=False).stdout.strip()
        try:
            if saved:
                subprocess.run(["stty", "raw", "-echo"], check=False)
            subprocess.run(command, check=False)
        finally:
            if saved:
                subprocess.run(["stty", saved], check=False)
        return False
    late = threading.Event()
    if _STOPPED.is_set():
        return False
    with output.open("wb") as file, \
            subprocess.Popen(command, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             start_new_session=True) as process:

        def stop() -> None:
            late.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(limit or threading.TIMEOUT_MAX, stop)
        timer.start()
        _RUNNING.add(process)
        try:
            for line in process.stdout or ():
                file.write(line)
                file.flush()
                if show:
                    sys.stdout.write(line.decode(errors="replace").replace("\r\n", "\n"))
                    sys.stdout.flush()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            timer.cancel()
            _RUNNING.discard(process)
    return late.is_set()


def broke_down(output: Path, messages: Path) -> str | None:
    """What QEMU said when it ended by an assertion of its own, before the guest said a word.

    Seen once, in msix_table_mmio_write. A guest that has begun is never tried again.
    """
    said = output.read_text(errors="replace").splitlines() if output.exists() else []
    if len(said) != 1 or (messages.exists() and messages.stat().st_size):
        return None
    return said[0] if re.match(r"qemu-system-x86_64: .*Assertion .* failed", said[0]) else None


def stop_all() -> None:
    """Ends the guests that other threads run, for good."""
    _STOPPED.set()
    for process in list(_RUNNING):
        os.killpg(process.pid, signal.SIGKILL)


def complaint(code: int | None, late: bool, limit: float | None, messages: Path,
               output: Path) -> str:
    if late:
        return f"no verdict within {limit} s"
    said = messages.read_text(errors="replace") if messages.exists() else ""
    for line in said.splitlines():
        if BAD_MESSAGES.search(line):
            return f"the kernel said: {line.strip()[:160]}"
    if code is None:
        served = messages.with_name("virtiofsd.log")
        if served.exists() and "ERROR" in (said := served.read_text(errors="replace")):
            return said.strip().splitlines()[0][:160]
        last = output.read_text(errors="replace").strip().splitlines() \
            if output.exists() else []
        return "the guest ended without a verdict" + \
            (f"; its last words: {last[-1][:120]}" if last else "")
    if code:
        return f"the command in the guest ended with code {code}"
    return ""
