# SPDX-License-Identifier: GPL-2.0
"""What a workload works with: devices, programs, actors, namespaces, captures.

All that a workload makes through its scene is removed when the scene is closed.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from tests.compare.guest import capture
from tests.compare.guest.actor import Actor

LIMIT = 120     # seconds that any command or condition may take

CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MODULES = {"rxe": "rdma_rxe", "siw": "siw"}

_libc = ctypes.CDLL(None, use_errno=True)


class Wrong(Exception):
    """A workload has failed."""


def run(*command: str, check: bool = True,
        text: str | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, input=text,
                          timeout=LIMIT, check=False)
    if check and done.returncode:
        raise Wrong(f"'{' '.join(command)}' ended with code {done.returncode}: "
                    f"{(done.stderr or done.stdout).strip()}")
    return done


def unshare(flags: int) -> None:
    if _libc.unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare")


def enter(descriptor: int, flags: int) -> None:
    """Enters the namespace of a descriptor, and closes that."""
    if _libc.setns(descriptor, flags):
        raise OSError(ctypes.get_errno(), "setns")
    os.close(descriptor)


class Scene:
    def __init__(self, kind: str, folder: str) -> None:
        self.kind = kind        # of the devices: rxe or siw
        self.folder = folder    # for captures
        self.number = 0
        self.free_order = ""    # why the order of lists is not compared
        self.processes: list[subprocess.Popen[bytes]] = []
        self.actors: list[Actor] = []
        self.links: list[str] = []
        self.netdevs: list[str] = []
        self.namespaces: list[str] = []
        # Called at the end, the last one first.
        self.others: list[Callable[[], object]] = []

    # Devices

    @property
    def can_take_away(self) -> bool:
        """True if the driver can remove a device that processes have open.

        siw, and rxe of Linux 7.2, wait until they have closed it.
        """
        return self.kind == "rxe" and not os.uname().release.startswith("7.2.")

    @staticmethod
    def load_modules() -> None:
        """Loads all modules that workloads need."""
        run("modprobe", "-a", "ib_uverbs", "rdma_ucm", "ib_umad", *MODULES.values())
        for module in ("dummy", "veth", "tun"):
            run("modprobe", module, check=False)

    def device(self, name: str = "dev0", netdev: str | None = None, subnet: int = 1,
               kind: str | None = None) -> str:
        """Makes an RDMA device on a network device that leads nowhere."""
        netdev = netdev or f"net{name[-1]}"
        if not os.path.exists(f"/sys/class/net/{netdev}"):
            # GUIDs come from the hardware address.
            run("ip", "link", "add", netdev, "address", f"02:00:00:00:00:{subnet:02x}",
                "type", "dummy")
            self.netdevs.append(netdev)
            run("ip", "address", "add", f"10.7.{subnet}.1/24", "dev", netdev)
            run("ip", "link", "set", netdev, "up")
        self.add_link(name, netdev, kind)
        if (kind or self.kind) == "rxe":
            # The address arrives at the RDMA device a moment later.
            self.wait(lambda: self.gid_index(name, subnet), f"{name} has its address")
        return name

    def add_link(self, name: str, netdev: str, kind: str | None = None) -> None:
        run("rdma", "link", "add", name, "type", kind or self.kind, "netdev", netdev)
        self.links.append(name)

    def delete_link(self, name: str) -> None:
        run("rdma", "link", "delete", name)
        self.links.remove(name)

    @staticmethod
    def gid_index(device: str, subnet: int = 1) -> str | None:
        """The index of the GID that stands for the device's IPv4 address, if it has one."""
        folder = f"/sys/class/infiniband/{device}/ports/1/gids"
        for index in sorted(os.listdir(folder), key=int):
            with open(f"{folder}/{index}", encoding="ascii") as file:
                gid = file.read().strip()
            if gid == f"0000:0000:0000:0000:0000:ffff:0a07:{subnet:02x}01":
                return index
        return None

    # Processes

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Starts a program in the background, with less priority than the captures."""
        number = len(self.processes)
        with open(f"{self.folder}/program-{number}.log", "wb") as log:
            process = subprocess.Popen(["nice", "-n", "19", *command],
                                       stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT, start_new_session=True)
        self.processes.append(process)
        return process

    def actor(self, name: str, before: Callable[[], object] | None = None,
              wrap: bool = False) -> Actor:
        actor = Actor(name, before, wrap)
        self.actors.append(actor)
        return actor

    def fork(self, actor: Actor, name: str) -> Actor:
        child = actor.fork(name)
        self.actors.append(child)
        return child

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """Stops the programs meanwhile, so that nothing changes, and captures are quick."""
        running = [process for process in self.processes if process.poll() is None]
        for process in running:
            process.send_signal(signal.SIGSTOP)
        yield
        for process in running:
            process.send_signal(signal.SIGCONT)

    @staticmethod
    def stop(*processes: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> None:
        for process in processes:
            process.send_signal(number)
        for process in processes:
            process.wait(LIMIT)

    # Looking

    @staticmethod
    def wait(condition: Callable[[], Any], what: str) -> Any:
        """Waits until the condition holds; returns its value."""
        end = time.monotonic() + LIMIT
        while not (value := condition()):
            if time.monotonic() > end:
                raise Wrong(f"did not come true in {LIMIT} s: {what}")
            time.sleep(0.05)
        return value

    @staticmethod
    def count(name: str, prefix: Sequence[str] = (), **fields: object) -> int:
        """The number of objects of that type with these values in their fields."""
        objects = capture.ask([f"resource show {name}"], prefix=prefix)[0][1] or []
        return sum(all(one.get(key.replace("_", "-")) == value
                       for key, value in fields.items()) for one in objects)

    def wait_count(self, number: int, name: str, **fields: Any) -> None:
        self.wait(lambda: self.count(name, **fields) == number, f"{number} {name} with {fields}")

    def wait_gone(self) -> None:
        """Waits until no object belongs to a process. The kernel frees some late."""
        def gone() -> bool:
            said = capture.ask(capture.LISTS)
            return not any(one.get("comm") is None or "pid" in one
                           for _, objects in said[:len(capture.LISTS)]
                           for one in objects or [])
        self.wait(gone, "objects of processes are gone")

    def capture(self, point: str, prefix: Sequence[str] = ()) -> None:
        with self.still():
            self._save(point, capture.everything(prefix))

    def capture_run(self, point: str, said: dict[str, Any]) -> None:
        """Saves what was said while something moved."""
        self._save(point, said)

    def capture_all_ways(self, point: str) -> None:
        with self.still():
            self._save(point, capture.all_ways())

    def note(self, point: str, **facts: object) -> None:
        """Saves other facts, which must be the same with both trackers."""
        self._save(point, {"facts": facts})

    def remark(self, lines: Iterable[str]) -> None:
        """Saves lines for the person who runs the comparison, which are not compared."""
        with open(f"{self.folder}/remarks", "a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)

    def _save(self, point: str, said: dict[str, Any]) -> None:
        path = f"{self.folder}/{self.number:02}-{point}.json"
        if self.free_order:
            said = {"free": self.free_order} | said
        self.number += 1
        with open(path, "w", encoding="utf-8") as file:
            json.dump(said, file, indent=1)

    @staticmethod
    def attempt(call: Callable[..., object], *arguments: object) -> str:
        """Calls, and returns the error or 'ok'."""
        try:
            call(*arguments)
        except OSError as error:
            return str(error.strerror or error)
        return "ok"

    # The end

    def namespace(self, name: str) -> None:
        run("ip", "netns", "add", name)
        self.namespaces.append(name)

    def close_processes(self) -> None:
        for actor in self.actors:
            actor.kill()
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.actors, self.processes = [], []

    def close(self) -> None:
        """Removes all; fails at the end if a device is left."""
        self.close_processes()
        for undo in reversed(self.others):
            undo()
        for name in self.namespaces:
            run("ip", "netns", "delete", name, check=False)
        for name in self.links:
            run("rdma", "link", "delete", name, check=False)
        for name in self.netdevs:
            run("ip", "link", "delete", name, check=False)
        self.wait(lambda: not os.path.isdir("/sys/class/infiniband")
                  or not os.listdir("/sys/class/infiniband"),
                  "no RDMA device is left")
