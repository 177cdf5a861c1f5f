#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What a reader of the lists may rely on, one test per name:

	dumps.py exact|interrupted|calm|long|short|summary DEVICE

Prints what is wrong, and ends with code 1 then.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "compare"))

# pylint: disable=wrong-import-position
import netlink
from verbs import Verbs

PR_SET_PDEATHSIG = 1
KEPT = 300          # objects that live through everything
CHURN = 700         # objects that come and go beside them
ROUNDS = 15         # dumps under churn
SMALL = 4096        # bytes for one answer, as rdma has them
GSI = 1             # number of the QP for general services, which every port has

problems = []


def numbers(type_, key):
    """The numbers in the list of that type, as rdma prints it.

    If the table changed meanwhile, rdma says "Interrupted system call" at the end, behind what it
    had been told until then. For QPs it asks once for all, of which it prints those without a
    port, and then for each port; interrupted it does not go on to the ports. So QPs that have one
    are left out here.
    """
    done = subprocess.run(["rdma", "-j", "resource", "show", type_], text=True,
                          capture_output=True, timeout=60, check=False)
    if done.returncode and "Interrupted system call" not in done.stderr:
        problems.append(f"rdma resource show {type_}: {done.stderr.strip()}")
        return Counter()
    return Counter(one[key] for one in json.loads(done.stdout) if "port" not in one)


def qps_dumped(device):
    """The numbers of all QPs, those of ports too, as netlink has them in one dump."""
    connection = netlink.Connection()
    connection.send(netlink.COMMANDS["res_qp_get"],
                    [(netlink.DEV_INDEX, netlink.device_index(device))], netlink.DUMP)
    found = Counter()
    while True:
        for type_, _, payload in connection.receive(SMALL):
            if type_ in (netlink.ERROR, netlink.DONE):
                connection.close()
                return found
            found.update(netlink.numbers_in(payload, netlink.RES_QP_TABLE,
                                            netlink.RES_LQPN))


def churn(device):
    """A process that makes and destroys as fast as it can, until it is killed."""
    child = os.fork()
    if child:
        return child
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        verbs = Verbs()
        verbs.context("ctx", device)
        verbs.pd("pd", "ctx")
        verbs.cq("cq", "ctx")
        while True:
            # Some are destroyed in the order of their making, some in reverse.
            for i in range(CHURN):
                verbs.pd(f"pd{i}", "ctx")
                verbs.mr(f"mr{i}", "pd")
                if i % 10 == 0:
                    verbs.qp(f"qp{i}", "pd", "cq")
            for i in range(0, CHURN, 2):
                verbs.destroy(f"pd{i}", f"mr{i}")
            for i in range(CHURN - 1, 0, -2):
                verbs.destroy(f"pd{i}", f"mr{i}")
            for i in range(0, CHURN, 10):
                verbs.destroy(f"qp{i}")
    finally:
        os._exit(1)


def keep(device):
    verbs = Verbs()
    verbs.context("ctx", device)
    verbs.cq("cq", "ctx")
    verbs.many("pd", "pd", KEPT, "ctx")
    verbs.many("mr", "mr", KEPT, "pd0", 100)
    verbs.many("qp", "qp", KEPT // 10, "pd0", "cq")
    return verbs


def exact(device):
    """Whoever is there all the time is in each list, once; nobody is twice."""
    keep(device)
    lists = {"list of pd": lambda: numbers("pd", "pdn"),
             "list of mr": lambda: numbers("mr", "mrn"),
             "list of qp": lambda: numbers("qp", "lqpn"),
             "dump of qp": lambda: qps_dumped(device)}
    kept = {name: ask() for name, ask in lists.items()}
    for name, found in kept.items():
        if len(found) < KEPT // 10:
            problems.append(f"{name}: only {len(found)} before the churn")
    if not kept["dump of qp"][GSI]:
        problems.append("dump of qp: no QP 1")
    child = churn(device)
    others = 0
    for i in range(ROUNDS):
        for name, ask in lists.items():
            found = ask()
            lost = [n for n in kept[name] if not found[n]]
            twice = [n for n, count in found.items() if count > 1]
            others += len(found.keys() - kept[name].keys())
            if lost or twice:
                problems.append(f"{name}, {i}: lost {lost[:5]}, twice {twice[:5]}")
    ended, _ = os.waitpid(child, os.WNOHANG)
    if ended:
        problems.append("the churn ended by itself")
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if not others:
        problems.append("nothing came and went")


def _flags(device, between):
    """Of the messages of a dump of PDs; between is called after the first."""
    connection = netlink.Connection()
    connection.send(netlink.COMMANDS["res_pd_get"],
                    [(netlink.DEV_INDEX, netlink.device_index(device))], netlink.DUMP)
    flags, datagrams = [], 0
    while True:
        if datagrams == 1:
            between()
        datagrams += 1
        for type_, flag, _ in connection.receive(SMALL):
            flags.append(flag)
            if type_ in (netlink.ERROR, netlink.DONE):
                connection.close()
                if datagrams < 4:
                    problems.append(f"the dump fits into {datagrams} datagrams")
                return flags


def _interrupted(device, change):
    verbs = keep(device)
    flags = _flags(device, lambda: change(verbs))
    return any(flag & netlink.DUMP_INTERRUPTED for flag in flags)


def interrupted(device):
    """The reader is told that the table changed while he read."""
    if not _interrupted(device, lambda verbs: verbs.pd("new", "ctx")):
        problems.append("nobody told that a PD came")
    # The process above still has its objects; names are free in a new context.
    if not _interrupted(device, lambda verbs: verbs.destroy("pd1")):
        problems.append("nobody told that a PD went")


def calm(device):
    """And is not told so if it did not: what came was of another type."""
    if _interrupted(device, lambda verbs: verbs.cq("new", "ctx")):
        problems.append("told of a change that there was not")


def _srq(device, number):
    verbs = Verbs()
    verbs.context("ctx", device)
    verbs.pd("pd", "ctx")
    verbs.cq("cq", "ctx")
    verbs.srq("srq", "pd")
    for i in range(number):
        verbs.qp(f"used{i}", "pd", "cq", "rc", "srq")
        verbs.qp(f"free{i}", "pd", "cq")
    connection = netlink.Connection()
    where = [(netlink.DEV_INDEX, netlink.device_index(device))]
    answer = connection.answer(netlink.COMMANDS["res_srq_get"], where, netlink.DUMP,
                               SMALL)
    connection.close()
    done = subprocess.run(["rdma", "-j", "resource", "show", "srq"], text=True,
                          capture_output=True, timeout=60, check=False)
    return verbs, answer, done


def long(device):
    """A list that no message can hold ends the dump with an error; and nothing
    is wrong with the SRQ or with other lists after that."""
    verbs, answer, done = _srq(device, 400)
    if answer != "EMSGSIZE":
        problems.append(f"netlink said {answer}")
    if not done.returncode and not done.stderr:
        problems.append(f"rdma said nothing but {done.stdout[:80]}")
    if len(numbers("qp", "lqpn")) < 800:
        problems.append("the list of QPs is not whole")
    for i in range(400):
        verbs.destroy(f"used{i}")
    if len(numbers("srq", "srqn")) != 1:
        problems.append("the SRQ is not listed when its list is short")
    verbs.destroy("srq")
    if numbers("srq", "srqn"):
        problems.append("the SRQ is still listed")


def short(device):
    """A list that does fit is whole."""
    verbs, answer, done = _srq(device, 50)
    if not answer.startswith("done"):
        problems.append(f"netlink said {answer}")
    said = json.loads(done.stdout)[0]["lqpn"]
    made = [verbs.number(f"used{i}") for i in range(50)]
    listed = [n for part in said for n in _range(part)]
    if sorted(made) != sorted(listed):
        problems.append(f"listed {listed} instead of {made}")


def _range(part):
    first, _, last = str(part).partition("-")
    return range(int(first), int(last or first) + 1)


def summary(device):
    """XRC domains are in it."""
    done = subprocess.run(["rdma", "-j", "resource", "show", device], text=True,
                          capture_output=True, timeout=60, check=True)
    if json.loads(done.stdout)[0].get("xrcd") != 0:
        problems.append(f"no xrcd in {done.stdout.strip()}")


TESTS = {f.__name__: f for f in (exact, interrupted, calm, long, short, summary)}
TESTS[sys.argv[1]](sys.argv[2])
for problem in problems:
    print(problem)
sys.exit(bool(problems))
