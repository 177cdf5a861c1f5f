#!/usr/bin/python3 -ISXpycache_prefix=/run/pycache
# SPDX-License-Identifier: GPL-2.0
"""
A process that has one object of each common type, and then becomes another one,
or leaves them to another one:

	owner.py DEVICE exec MAKER CALLER	MAKER makes the objects, then CALLER calls
						exec: each is "leader" or "thread"
	owner.py DEVICE exit MAKER		MAKER makes them, then the leader ends and
						another thread lives on
	owner.py DEVICE fork			a child has the file, too
	owner.py DEVICE send			another process gets it through a socket

It prints "ready" when that is done: before exec, for nothing can be said after
it. The program that follows is called "sleep". The process that gets the file
prints "heir" and its pid; it makes a PD and a CQ of its own when it gets SIGUSR1.
"""

import ctypes
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable

sys.path.insert(0, os.path.abspath(f"{__file__}/../../.."))

from tests.guest import uverbs, verbs

NUMBERS = {"pd": 1, "cq": 1, "mr": 1, "srq": 0, "qp": 1, "rounds": 1}
SYS_EXIT = {"x86_64": 60, "aarch64": 93}[os.uname().machine]


def files() -> list[int]:
    """The descriptors of the device. libibverbs has them closed at exec."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if target.startswith("/dev/infiniband/uverbs"):
            found.append(int(name))
    return found


def become_another() -> None:
    for file in files():
        os.set_inheritable(file, True)
    print("ready", flush=True)
    os.execv("/bin/sleep", ["sleep", "100000"])


def do(work: Callable[[], object], who: str) -> None:
    """Works as the leader, or as a thread that stays afterwards."""
    if who == "leader":
        work()
        return
    done = threading.Event()

    def body() -> None:
        work()
        done.set()
        threading.Event().wait()

    threading.Thread(target=body, daemon=True).start()
    done.wait()


def leader_ends() -> None:
    """Ends the first thread, not the process."""
    print("ready", flush=True)
    ctypes.CDLL(None).syscall(SYS_EXIT, 0)


def inherit(file: int) -> None:
    """The work of the other process."""
    signal.signal(signal.SIGUSR1, lambda *_: make_more(uverbs.Uverbs(file)))
    print("heir", os.getpid(), flush=True)
    while True:
        signal.pause()


def make_more(device: uverbs.Uverbs) -> None:
    device.alloc_pd()
    device.create_cq()
    print("made", flush=True)


def wait() -> None:
    print("ready", flush=True)
    while True:
        signal.pause()


def by_fork() -> None:
    if os.fork():
        wait()
    inherit(files()[0])


def by_socket() -> None:
    here, there = socket.socketpair()
    if os.fork():
        socket.send_fds(here, [b"."], files())
        wait()
    for file in files():
        os.close(file)
    inherit(socket.recv_fds(there, 1, 4)[1][0])


def main() -> None:
    device, how, who = sys.argv[1], sys.argv[2], sys.argv[3:]
    do(lambda: verbs.work(device, NUMBERS), who[0] if who else "leader")
    sys.stdout.flush()
    if how == "exec":
        do(become_another, who[1])
    elif how == "exit":
        threading.Thread(target=threading.Event().wait).start()
        leader_ends()
    elif how == "fork":
        by_fork()
    elif how == "send":
        by_socket()


main()
