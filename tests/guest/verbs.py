#!/usr/bin/python3 -ISXpycache_prefix=/run/pycache
# SPDX-License-Identifier: GPL-2.0
"""
A process with objects of verbs, in given numbers:

	verbs.py DEVICE [pd=N] [cq=N] [mr=N] [srq=N] [qp=N] [rounds=N] [processes=N]
		[thread] [exit]

It prints the numbers of its QPs and then "ready", and keeps the objects until it is
killed. With "rounds" it makes and destroys them so many times. With "thread" another
thread makes them, which has ended when it is ready. With "exit" it ends by itself and
destroys nothing. With "processes" it has children with objects: the first the given
numbers, the second twice as many MRs and QPs, and so on. It prints their pids, and they
end with it.
"""

import ctypes
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.abspath(f"{__file__}/../../.."))

from tests.rdma.verbs import Verbs

PR_SET_PDEATHSIG = 1


def make(verbs: Verbs, numbers: dict[str, int]) -> None:
    """Makes that many objects of each type."""
    verbs.many("pd", "pd", numbers["pd"], "ctx")
    verbs.many("cq", "cq", numbers["cq"], "ctx")
    verbs.many("mr", "mr", numbers["mr"], "pd0")
    verbs.many("srq", "srq", numbers["srq"], "pd0")
    verbs.many("qp", "qp", numbers["qp"], "pd0", "cq0")
    for i in range(numbers["qp"]):
        print("qp", verbs.number(f"qp{i}"))


def work(name: str, numbers: dict[str, int]) -> None:
    """Makes the objects on a device, and destroys them all but the last time."""
    verbs = Verbs()
    verbs.context("ctx", name)
    for i in range(numbers["rounds"]):
        if i:
            verbs.close("ctx")
        make(verbs, numbers)


def children(name: str, numbers: dict[str, int]) -> None:
    """Starts the children, and waits until they have their objects."""
    ready, tell = os.pipe()
    for i in range(1, numbers["processes"] + 1):
        pid = os.fork()
        if pid:
            print("process", pid)
            continue
        # when the parent dies
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        sys.stdout = sys.stderr
        work(name, {**numbers, "mr": i * numbers["mr"], "qp": i * numbers["qp"]})
        os.write(tell, b".")
        while True:
            signal.pause()
    os.close(tell)
    for _ in range(numbers["processes"]):
        if not os.read(ready, 1):
            sys.exit("a child failed")


def main() -> None:
    name, words = sys.argv[1], sys.argv[2:]
    numbers = {"pd": 0, "cq": 0, "mr": 0, "srq": 0, "qp": 0, "rounds": 1, "processes": 0}
    numbers.update((what, int(n)) for what, n in (word.split("=") for word in words if "=" in word))

    if numbers["processes"]:
        children(name, numbers)
    elif "thread" in words:
        thread = threading.Thread(target=work, args=(name, numbers))
        thread.start()
        thread.join()
    else:
        work(name, numbers)
    print("ready", flush=True)
    while "exit" not in words:
        signal.pause()


if __name__ == "__main__":
    main()
