#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Adds and removes devices again and again, with connections open:

	vanish.py ROUNDS KIND=ADDRESS...

In each round a device of each kind is made on the network device n<kind>, which
has that address; processes connect over it, and some are killed before it is
removed, the others while it is. Prints a line for each round, as KTAP has them;
says what went wrong, and ends with code 1 then. SEED, which it prints, says what it
chooses at random; the rest is up to the kernel's scheduler.

It uses netlink, for it takes longer to start a tool than to do its work.
"""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, os.path.abspath(f"{__file__}/../../.."))

from tests.rdma import netlink

DONE = "ok after 0 messages"
VERBS = str(Path(__file__).with_name("verbs.py"))
OBJECTS = ("pd=2", "cq=2", "mr=2", "qp=3")


class Wrong(Exception):
    """Something that must not happen."""


def wait(what: str, seconds: float, condition: Callable[[], object]) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Wrong(what)
        time.sleep(0.02)


def a_moment() -> None:
    time.sleep(random.uniform(0, 0.2))


def ask(command: int, *given: tuple[int, int | bytes]) -> str:
    connection = netlink.Connection()
    try:
        return connection.answer(command, given)
    finally:
        connection.close()


class Device:
    """A device, from its making to its end."""

    def __init__(self, kind: str, address: str) -> None:
        self.name = f"{kind}0"
        self.address = address
        self.processes: list[subprocess.Popen[str]] = []
        self.said: list[str] = []
        said = ask(netlink.NEW_LINK, (netlink.DEV_NAME, f"{self.name}\0".encode()),
                   (netlink.LINK_TYPE, f"{kind}\0".encode()),
                   (netlink.NDEV_NAME, f"n{kind}\0".encode()))
        if said != DONE:
            raise Wrong(f"no {self.name}: {said}")
        self.index = netlink.device_index(self.name)
        state = Path(f"/sys/class/infiniband/{self.name}/ports/1/state")
        wait(f"{self.name} is not active", 10, lambda: "ACTIVE" in state.read_text())

    def start(self, *command: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        self.processes.append(process)
        return process

    def rping(self, end: str) -> subprocess.Popen[str]:
        # It sends without pause, so others have precedence.
        return self.start("nice", "-n", "19", "rping", end, "-C", "100000000", "-a", self.address)

    def cm_ids(self) -> int:
        """The number of CM_IDs. The kernel has none here."""
        connection = netlink.Connection()
        connection.send(netlink.COMMANDS["res_cm_id_get"],
                        [(netlink.DEV_INDEX, self.index)], netlink.DUMP)
        found = 0
        while True:
            for type_, _, payload in connection.receive():
                if type_ in (netlink.ERROR, netlink.DONE):
                    connection.close()
                    return found
                found += len(list(netlink.numbers_in(payload, netlink.RES_CM_ID_TABLE,
                                                     netlink.RES_CM_IDN)))

    def connect(self, with_objects: bool) -> tuple[subprocess.Popen[str], subprocess.Popen[str]]:
        """Opens a connection; in one of four rounds it does not wait for it."""
        server = self.rping("-s")
        wait(f"no listener on {self.name}", 20, lambda: self.cm_ids() >= 1)
        client = self.rping("-c")
        if with_objects:
            program = self.start(VERBS, self.name, *OBJECTS)
            if "ready\n" not in (program.stdout or ()):
                raise Wrong(f"verbs.py has ended on {self.name}")
        if random.randrange(4):
            # who listens, and both ends
            wait(f"no connection on {self.name}", 20, lambda: self.cm_ids() >= 3)
        else:
            a_moment()
        return server, client

    def remove(self) -> None:
        """Begins to remove the device; siw waits until no process has it open."""
        def remove() -> None:
            self.said.append(ask(netlink.DELETE_LINK, (netlink.DEV_INDEX, self.index)))

        self.removal = threading.Thread(target=remove)
        self.removal.start()

    def is_gone(self) -> None:
        self.removal.join(20)
        if self.said != [DONE]:
            raise Wrong(f"cannot remove {self.name}: {self.said or 'it takes too long'}")
        wait(f"{self.name} is still there", 20,
             lambda: not Path(f"/sys/class/infiniband/{self.name}").exists())

    def kill(self, *processes: subprocess.Popen[str]) -> None:
        for process in processes or self.processes:
            process.kill()
        for process in processes or self.processes:
            process.wait()
            if process.stdout:
                process.stdout.close()


def vanish(kind: str, address: str, with_objects: bool) -> None:
    device = Device(kind, address)
    try:
        ends = device.connect(with_objects)
        if (end := random.choice([None, *ends])) is not None:
            device.kill(end)
        device.remove()
        a_moment()
    finally:
        device.kill()
    device.is_gone()


def main(rounds: str, *devices: str) -> None:
    seed = int(os.environ.get("SEED") or random.randrange(1, 1 << 32))
    random.seed(seed)
    print(f"# SEED={seed}", flush=True)
    for number in range(1, int(rounds) + 1):
        try:
            for device in devices:
                kind, address = device.split("=")
                vanish(kind, address, number % 2 == 0)
        except Wrong as wrong:
            sys.exit(f"round {number}: {wrong}")
        print(f"# round {number}, {time.monotonic():.0f} s", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
