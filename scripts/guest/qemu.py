# SPDX-License-Identifier: GPL-2.0
"""Boots a kernel in QEMU and says how it went, within a time limit.

The guest's root is the build root, read-only, over virtiofs. virtiofsd serves what
commands in the build root see, so the checkout and the modules have the paths that
they have outside. There is no disk image and no initramfs. The output of the guest
comes over a virtio console; the serial port has the kernel's messages.

virtme-ng would do the same, but its init wants udev and sudo's files and takes 8 s
under emulation, longer than a whole boot here.

The guest's init writes the verdict to a file, last. Without that file, whatever the
reason (panic, hang, time limit), the boot has failed.
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

# Messages of the kernel that are failures, also where the kernel goes on.
BAD_MESSAGES = re.compile("|".join(
    line for line in (CHECKOUT / "scripts/guest/bad_messages").read_text().splitlines()
    if line and not line.startswith("#")))


@dataclass
class Machine:
    """What a guest is made of."""

    cpus: int = 2
    memory: str = "2G"
    cmdline: str = ""
    icount: str = ""        # QEMU's -icount, which implies one emulated CPU


@dataclass
class Verdict:
    code: int | None        # of the command in the guest, if it came to its end
    why: str                # empty, or what went wrong
    results: Path           # what the guest left
    log: Path               # what the kernel and the command printed


def accelerator_for(kernel: Kernel) -> str:
    """Returns "kvm" if KVM boots this kernel within seconds, else "tcg".

    /dev/kvm may be there and hang or abort at the first guest, so it is tried. The
    answer is kept until the machine reboots.
    """
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    answer = cache.folder() / f"kvm-{boot}"
    if not answer.exists():
        # Two guests that try at once take each other's time, and one may give up.
        with cache.lock(cache.folder() / "locks/kvm", "a trial of KVM"):
            if not answer.exists():
                _try_kvm(kernel, answer)
    return answer.read_text()


def _try_kvm(kernel: Kernel, answer: Path) -> None:
    """Writes "kvm" or "tcg" to a file."""
    command = kernel.root.enter(
        ["qemu-system-x86_64", *_board("kvm", Machine(cpus=1, memory="256M")),
         "-serial", "stdio", "-kernel", kernel.image, "-append",
         "console=ttyS0 panic=-1 nokaslr"], readable=[kernel.image.parent])
    works = looks_for_root(command, limit=10)
    for old in answer.parent.glob("kvm-*"):
        old.unlink()
    # A reader without the lock sees the whole answer or none.
    fresh = answer.with_name(".kvm")
    fresh.write_text("kvm" if works else "tcg")
    fresh.rename(answer)
    say("KVM works here" if works else
        "KVM does not boot a guest here: emulating, which is slower")


def looks_for_root(command: list[str], limit: float) -> bool:
    """Returns true if the machine boots until it misses its root file system."""
    try:
        said = subprocess.run(command, capture_output=True, timeout=limit,
                              stdin=subprocess.DEVNULL, check=False).stdout
    except subprocess.TimeoutExpired:
        return False
    return b"Unable to mount root fs" in said


def _board(accelerator: str, machine: Machine) -> list[str]:
    """QEMU's options for a machine without devices."""
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


_RUNNING = set()                # the processes of guests that nobody types into
_STOPPED = threading.Event()    # no more of them may start


def log_of(kernel: Kernel, name: str) -> Path:
    """The log of a boot."""
    return LOGS / f"{kernel.variant.name}-{name}.log"


def results_of(kernel: Kernel, name: str) -> Path:
    """The folder that a guest may write to, as $RESULTS."""
    return BUILD / kernel.variant.name / "results" / name


def boot(kernel: Kernel, modules: Path, name: str, command: str, limit: float | None,
         machine: Machine | None = None, show: bool = False, interactive: bool = False) -> Verdict:
    """Boots, runs a shell command as root, and says how it went.

    The guest sees the folder modules as /lib/modules. The name is that of the log and
    the results. With show, the output of the command is printed as it comes.
    """
    machine = machine or Machine()
    results = results_of(kernel, name)
    log = log_of(kernel, name)
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    (results / "command").write_text(command + "\n")
    inside = _command_line(kernel, modules, results, machine, interactive)
    if VERBOSE:
        print("+ " + " ".join(inside), flush=True)
    output, messages = results / "output.log", results / "kernel.log"
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


def _command_line(kernel: Kernel, modules: Path, results: Path, machine: Machine,
                  interactive: bool) -> list[str]:
    """The command line that runs the machine in the build root."""
    accelerator = "tcg" if machine.icount else accelerator_for(kernel)
    cmdline = " ".join([
        "console=ttyS0 rootfstype=virtiofs root=rootfs rw",
        f"init={INIT} CHECKOUT={CHECKOUT} RESULTS={results}",
        f"KERNEL={kernel.variant.kernel} SERIES={kernel.variant.series}",
        # A warning ends the guest, which has failed then.
        "panic=-1 oops=panic panic_on_warn=1 quiet loglevel=4",
        # virtiofsd writes to the guest's memory without QEMU's knowledge. An emulated
        # CPU that has run code from such a page would run the old code again, unless
        # it has written to the page itself. So the kernel clears each page.
        "init_on_alloc=1",
        "nokaslr random.trust_cpu=on log_buf_len=4M",
        # Tests make the devices.
        "dummy.numdummies=0",
        machine.cmdline])
    qemu: list[Word] = [
        "qemu-system-x86_64", *_board(accelerator, machine),
        "-object", f"memory-backend-memfd,id=mem,size={machine.memory},share=on",
        "-numa", "node,memdev=mem",
        "-chardev", "socket,id=fs,path=/run/fs.sock",
        "-device", "vhost-user-fs-pci,chardev=fs,tag=rootfs",
        "-device", "virtio-serial-pci",
        "-chardev", "stdio,id=out,signal=off" + (",mux=on" if interactive else ""),
        "-device", "virtconsole,chardev=out",
        "-serial", f"file:{results}/kernel.log",
        "-object", "rng-random,id=rng,filename=/dev/urandom",
        "-device", "virtio-rng-pci,rng=rng",
        "-kernel", kernel.image, "-append", cmdline]
    # virtiofsd must be there before QEMU.
    # It holds a file for each one that the guest has seen, and a user's limit is 1024.
    start = ('ulimit -S -n "$(ulimit -H -n)"; '
             "/usr/libexec/virtiofsd --socket-path=/run/fs.sock --shared-dir=/ "
             "--sandbox=none --cache=always --rlimit-nofile=0 --announce-submounts "
             f"--inode-file-handles=never >{results}/virtiofsd.log 2>&1 & "
             "while [ ! -S /run/fs.sock ]; do kill -0 $! || exit 99; sleep 0.02; done; "
             'exec "$@"')
    return kernel.root.enter(
        ["sh", "-c", start, "qemu", *qemu],
        readable=[CHECKOUT, kernel.image.parent], writable=[results],
        over=[(modules, "/usr/lib/modules")], directory="/")


def _run(command: list[str], output: Path, limit: float | None, show: bool,
         interactive: bool) -> bool:
    """Runs the machine; returns true if the time limit has stopped it."""
    if interactive:
        # All that is typed goes to the guest, ^C included.
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
    """QEMU's message, if it has ended by an assertion before the guest said anything.

    It happened once, in msix_table_mmio_write. A guest that has begun is not tried again.
    """
    said = output.read_text(errors="replace").splitlines() if output.exists() else []
    if len(said) != 1 or (messages.exists() and messages.stat().st_size):
        return None
    return said[0] if re.match(r"qemu-system-x86_64: .*Assertion .* failed", said[0]) else None


def stop_all() -> None:
    """Ends the guests of all threads; no more will start."""
    _STOPPED.set()
    for process in list(_RUNNING):
        os.killpg(process.pid, signal.SIGKILL)


def unexpected(messages: str) -> list[str]:
    """The lines without the warnings of a KUnit suite that says that it provokes them."""
    lines, provoked = [], False
    for line in messages.splitlines():
        if said := re.search(r": warnings on purpose (begin|end)$", line.rstrip()):
            provoked = said[1] == "begin"
        elif not (provoked and "WARNING: " in line):
            lines.append(line)
    return lines


def complaint(code: int | None, late: bool, limit: float | None, messages: Path,
               output: Path) -> str:
    """What went wrong with a boot, in a line; empty if nothing did."""
    if late:
        return f"no verdict within {limit} s"
    said = messages.read_text(errors="replace") if messages.exists() else ""
    for line in unexpected(said):
        if BAD_MESSAGES.search(line):
            return f"the kernel said: {line.strip()[:160]}"
    if code is None:
        served = messages.with_name("virtiofsd.log")
        if served.exists() and "ERROR" in (said := served.read_text(errors="replace")):
            return said.strip().splitlines()[0][:160]
        return f"the guest ended without a verdict{_last_words(output)}"
    if code:
        return f"the command in the guest ended with code {code}{_last_words(output)}"
    return ""


def _last_words(output: Path) -> str:
    """The last line that a guest printed, as the end of a sentence."""
    said = output.read_text(errors="replace").strip().splitlines() if output.exists() else []
    return f"; its last words: {said[-1][:120]}" if said else ""
