#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests what a reader of the lists may rely on:

	dumps.py TEST DEVICE [OTHER-DEVICE]

Prints what is wrong, and ends with code 1 then.
"""

import ctypes
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

sys.path.insert(0, os.path.abspath(f"{__file__}/../../.."))

from tests.rdma import netlink
from tests.rdma.verbs import Verbs

PR_SET_PDEATHSIG = 1
KEPT = 300          # objects that live through everything
HELD = 3000         # PDs of a list of many messages
BUSY = 1000         # PDs of a list that takes rdma a while
CHURN = 700         # objects that come and go beside them
ROUNDS = 15         # lists under churn
SMALL, LARGE = 4096, 65536      # bytes of a reader's buffer
GSI = 1             # the number of the GSI QP of every port

problems = []


def check(right: object, what: str) -> None:
    if not right:
        problems.append(what)


def tool(*words: str) -> list[Any]:
    """The JSON that rdma prints; it must succeed."""
    done = subprocess.run(["rdma", "-j", *words], text=True, capture_output=True,
                          timeout=60, check=False)
    what = " ".join(words)
    check(not done.returncode, f"rdma {what}: exit code {done.returncode}")
    check(not done.stderr, f"rdma {what}: {done.stderr.strip()}")
    try:
        said: list[Any] = json.loads(done.stdout)
        return said
    except ValueError:
        problems.append(f"rdma {what}: no JSON: {done.stdout[-80:]}")
        return []


def ascending(numbers: list[int], what: str) -> None:
    check(numbers == sorted(numbers), f"{what}: not in ascending order: {numbers[:10]}")


def listed(type_: str, key: str, device: str) -> Counter[int]:
    """The numbers in rdma's list of that type."""
    found = [one[key] for one in tool("resource", "show", type_) if one["ifname"] == device]
    # QPs with a port follow those without, and QP 0 and 1 come last.
    if type_ != "qp":
        ascending(found, type_)
    return Counter(found)


class Dump:
    """A dump of all objects of a type, read message by message."""

    def __init__(self, device: str, type_: str = "pd", size: int = SMALL,
                 index: int | None = None) -> None:
        self.table, self.number = {
            "pd": (netlink.RES_PD_TABLE, netlink.RES_PDN),
            "qp": (netlink.RES_QP_TABLE, netlink.RES_LQPN),
            "srq": (netlink.RES_SRQ_TABLE, netlink.RES_SRQN)}[type_]
        self.size = size
        self.found: list[int] = []
        self.flags: list[int] = []
        self.datagrams = 0
        self.error: int | None = None       # 0 when it is over
        self.connection = netlink.Connection()
        self.connection.send(netlink.COMMANDS[f"res_{type_}_get"],
                             [(netlink.DEV_INDEX, index or netlink.device_index(device))],
                             netlink.DUMP)

    def read(self) -> None:
        """One more datagram."""
        self.datagrams += 1
        for type_, flags, payload in self.connection.receive(self.size):
            self.flags.append(flags)
            if type_ in (netlink.ERROR, netlink.DONE):
                self.error = -struct.unpack_from("=i", payload)[0]
            else:
                self.found += netlink.numbers_in(payload, self.table, self.number)

    def finish(self) -> Self:
        while self.error is None:
            self.read()
        self.connection.close()
        return self

    def interrupted(self) -> bool:
        return any(flag & netlink.DUMP_INTERRUPTED for flag in self.flags)


def forked(work: Callable[[], object]) -> int:
    """Starts a process that works until it is killed; returns its pid."""
    child = os.fork()
    if child:
        return child
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        work()
    finally:
        os._exit(1)


def stop(child: int) -> None:
    ended, _ = os.waitpid(child, os.WNOHANG)
    if ended:
        problems.append("the churn ended by itself")
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def churn(device: str) -> None:
    """Makes and destroys objects without pause."""
    verbs = Verbs()
    verbs.context("ctx", device)
    verbs.pd("pd", "ctx")
    verbs.cq("cq", "ctx")
    verbs.event_channel("channel")
    while True:
        # Some are destroyed in the order of their making, some in reverse.
        for i in range(CHURN):
            verbs.pd(f"pd{i}", "ctx")
            verbs.mr(f"mr{i}", "pd")
            if i % 10 == 0:
                verbs.qp(f"qp{i}", "pd", "cq")
                verbs.cm_id(f"id{i}", "channel")
                verbs.bind(f"id{i}", ADDRESS)
        for i in range(0, CHURN, 2):
            verbs.destroy(f"pd{i}", f"mr{i}")
        for i in range(CHURN - 1, 0, -2):
            verbs.destroy(f"pd{i}", f"mr{i}")
        for i in range(0, CHURN, 10):
            verbs.destroy(f"qp{i}", f"id{i}")


def one_pd(device: str) -> None:
    """One PD that comes and goes without pause."""
    verbs = Verbs()
    verbs.context("ctx", device)
    while True:
        verbs.pd("pd", "ctx")
        verbs.destroy("pd")


def pds(device: str) -> Verbs:
    """Makes PDs without a CM_ID, which would have one of its own."""
    verbs = Verbs()
    verbs.context("ctx", device)
    verbs.many("pd", "pd", KEPT, "ctx")
    return verbs


def keep(device: str) -> Verbs:
    verbs = Verbs()
    verbs.context("ctx", device)
    verbs.cq("cq", "ctx")
    verbs.many("pd", "pd", KEPT, "ctx")
    verbs.many("mr", "mr", KEPT, "pd0", 100)
    verbs.many("qp", "qp", KEPT // 10, "pd0", "cq")
    verbs.event_channel("channel")
    for i in range(KEPT // 10):
        verbs.cm_id(f"id{i}", "channel")
        verbs.bind(f"id{i}", ADDRESS)
    return verbs


LISTS = {"pd": "pdn", "mr": "mrn", "qp": "lqpn", "cm_id": "cm-idn"}


def list_under_churn_is_exact(device: str, other: str) -> None:
    """Objects that are there all the time are in each list once, none is listed twice, and
    the list is complete."""
    verbs = keep(device)
    kept = {name: listed(name, key, device) for name, key in LISTS.items()}
    for name, found in kept.items():
        check(len(found) >= KEPT // 10, f"{name}: only {len(found)} before the churn")
    check(kept["qp"][GSI] == 1, "qp: no QP 1")
    child = forked(lambda: churn(device))
    others = 0
    for i in range(ROUNDS):
        for name, key in LISTS.items():
            found = listed(name, key, device)
            lost = [n for n in kept[name] if not found[n]]
            twice = [n for n, count in found.items() if count > 1]
            others += len(found.keys() - kept[name].keys())
            check(not lost and not twice, f"{name}, {i}: lost {lost[:5]}, twice {twice[:5]}")
        # Both devices have QPs of ports.
        check(listed("qp", "lqpn", other)[GSI] == 1, f"qp, {i}: {other} is not there")
        tool("statistic")
        tool("statistic", "qp", "show")
    stop(child)
    check(others, "nothing came and went")
    del verbs


def busy_device_does_not_end_the_list(device: str, other: str) -> None:
    """The list of a device follows that of a busy one."""
    verbs = Verbs()
    verbs.context("ctx", device)
    verbs.many("pd", "pd", BUSY, "ctx")
    verbs.context("other", other)
    verbs.pd("otherpd", "other")
    child = forked(lambda: one_pd(device))
    for i in range(ROUNDS):
        found = Counter(one["ifname"] for one in tool("resource", "show", "pd"))
        # Each device has a PD of the kernel, too.
        check(BUSY < found[device] <= BUSY + 2, f"{i}: {found[device]} on {device}")
        check(found[other] == 2, f"{i}: {found[other]} on {other}")
    stop(child)


def list_is_a_snapshot(device: str) -> None:
    """A list has what was there when it began, but for what went meanwhile."""
    verbs = pds(device)
    dump = Dump(device)
    dump.read()
    check(dump.found, "nothing in the first datagram")
    before = Dump(device, size=LARGE).finish().found
    # The last one in the list, and one that was shown already.
    verbs.destroy(f"pd{KEPT - 1}", "pd1")
    verbs.pd("new", "ctx")
    after = Dump(device, size=LARGE).finish().found
    dump.finish()
    check(dump.datagrams > 3, f"the dump fits into {dump.datagrams} datagrams")
    # netlink makes a message before the one that is read
    check(before[-1] not in dump.found, "what went is listed")
    check(after[-1] not in dump.found, "what came is listed")
    check(after[-1] > before[-1], "the new PD is not the last one")
    check(dump.found == before[:-1], f"listed {dump.found[-5:]} of {before[-5:]}")
    check(not dump.interrupted(), "told of an interruption")
    check(not dump.error, f"error {dump.error}")


def lists_do_not_disturb_each_other(device: str) -> None:
    """Two dumps at a time are independent."""
    verbs = pds(device)
    first, second = Dump(device), Dump(device)
    first.read()
    verbs.pd("new", "ctx")
    third = Dump(device)
    while None in (first.error, second.error, third.error):
        for dump in (first, second, third):
            if dump.error is None:
                dump.read()
    check(first.found == second.found, "two lists of the same differ")
    check(third.found[:-1] == first.found, "the third list is not the first with one more")


def _srqs(device: str, qps: int, others: int) -> Verbs:
    """Makes an SRQ with QPs whose numbers are no neighbours, between other SRQs."""
    verbs = Verbs()
    verbs.context("ctx", device)
    verbs.pd("pd", "ctx")
    verbs.cq("cq", "ctx")
    verbs.many("srq", "before", others, "pd")
    verbs.srq("srq", "pd")
    verbs.many("srq", "behind", others, "pd")
    for i in range(qps):
        verbs.qp(f"used{i}", "pd", "cq", "rc", "srq")
        verbs.qp(f"free{i}", "pd", "cq")
    return verbs


def object_larger_than_a_message_is_listed(device: str) -> None:
    """An object that does not fit the rest of a message comes in the next one. It is an
    error only if it does not fit the reader's buffer, and then other lists still work."""
    for others in (0, 60):
        verbs = _srqs(device, 400, others)
        dump = Dump(device, "srq", LARGE).finish()
        check(not dump.error, f"reader with {LARGE}: error {dump.error}")
        check(len(dump.found) == 2 * others + 1,
              f"reader with {LARGE}: {len(dump.found)} beside {2 * others}")
        ascending(dump.found, "SRQs")
        dump = Dump(device, "srq", SMALL).finish()
        check(dump.error == 90, f"reader with {SMALL}: error {dump.error}, not EMSGSIZE")
        check(len(dump.found) == others, f"reader with {SMALL}: {len(dump.found)} before the error")
        # rdma has a small buffer.
        done = subprocess.run(["rdma", "resource", "show", "srq"], text=True,
                              capture_output=True, timeout=60, check=False)
        check(done.returncode and "Message too long" in done.stderr,
              f"rdma: exit code {done.returncode}, {done.stderr.strip()}")
        check(len(listed("qp", "lqpn", device)) > 800, "the list of QPs is not whole")
        verbs.destroy(*(f"used{i}" for i in range(400)), "srq")
        check(len(Dump(device, "srq").finish().found) == 2 * others, "it is still listed")
        verbs.close()


def churn_does_not_hide_an_error(device: str) -> None:
    """The error of a list is the same under churn."""
    verbs = _srqs(device, 400, 60)

    def work() -> None:
        other = Verbs()
        other.context("ctx", device)
        other.pd("pd", "ctx")
        while True:
            other.srq("srq", "pd")
            other.destroy("srq")

    child = forked(work)
    for i in range(ROUNDS):
        dump = Dump(device, "srq", SMALL).finish()
        check(dump.error == 90, f"{i}: error {dump.error}, not EMSGSIZE")
        check(not dump.interrupted(), f"{i}: told of an interruption")
    stop(child)
    verbs.close()


def qps_of_an_srq_are_all_listed(device: str) -> None:
    """A list of QPs that fits is complete."""
    verbs = _srqs(device, 50, 0)
    dump = Dump(device, "srq").finish()
    check(not dump.error and len(dump.found) == 1, f"{dump.found}, error {dump.error}")
    said = tool("resource", "show", "srq")[0]["lqpn"]
    made = [verbs.number(f"used{i}") for i in range(50)]
    shown = [n for part in said for n in _range(part)]
    check(sorted(made) == shown, f"listed {shown} instead of {made}")


def _range(part: Any) -> range:
    first, _, last = str(part).partition("-")
    return range(int(first), int(last or first) + 1)


def list_says_nothing_of_another_device(device: str) -> None:
    """A dump does not go on with a new device of the same name."""
    verbs = pds(device)
    before = Dump(device, size=LARGE).finish().found
    dump = Dump(device)
    dump.read()
    verbs.close()
    netdev = "nrxe"
    for words in ([f"delete {device}"], [f"add {device} type rxe netdev {netdev}"]):
        subprocess.run(["rdma", "link", *words[0].split()], check=True)
    verbs = pds(device)
    renamed = f"{device}new"
    subprocess.run(["rdma", "dev", "set", device, "name", renamed], check=True)
    dump.finish()
    check(dump.error, "the dump ended as if nothing had been")
    # One message was made before the device was removed.
    check(dump.datagrams <= 3, f"{dump.datagrams} datagrams")
    check(dump.found == before[:len(dump.found)], f"listed {dump.found}")
    verbs.close()
    subprocess.run(["rdma", "dev", "set", renamed, "name", device], check=True)


def module_users(name: str) -> int:
    for line in Path("/proc/modules").read_text(encoding="ascii").splitlines():
        if line.startswith(name + " "):
            return int(line.split()[2])
    return -1


def half_read_list_holds_ib_core(device: str) -> None:
    """A dump that is not read to its end keeps ib_core loaded until its socket is closed."""
    verbs = pds(device)
    before = module_users("ib_core")
    dumps = [Dump(device) for _ in range(20)]
    for dump in dumps[:10]:
        dump.read()
    held = module_users("ib_core") - before
    # once for the dump, and once for its socket
    check(held == 40, f"20 dumps hold ib_core {held} times")
    for dump in dumps:
        dump.connection.close()
    check(module_users("ib_core") == before, f"{module_users('ib_core') - before} are still held")
    del verbs


class Group:
    """A memory cgroup with one process, whose parent waits for each of its steps."""

    def __init__(self, work: Callable[[], Iterator[None]]) -> None:
        root = Path("/sys/fs/cgroup")
        if not (root / "cgroup.controllers").exists():
            subprocess.run(["mount", "-t", "cgroup2", "none", root], check=True)
        self.there = "memory" in (root / "cgroup.controllers").read_text(encoding="ascii")
        if not self.there:
            print("SKIP the kernel has no memory cgroup")
            return
        (root / "cgroup.subtree_control").write_text("+memory", encoding="ascii")
        self.path = root / "dumps"
        self.path.mkdir()
        self.steps, tell = os.pipe()
        go, self.leave = os.pipe()
        self.child = os.fork()
        if not self.child:
            try:
                self.set("cgroup.procs", os.getpid())
                # The work yields after each step.
                for _ in work():
                    os.write(tell, b".")
                    os.read(go, 1)
            except BaseException as error:
                print("in the cgroup:", repr(error), flush=True)
            finally:
                os._exit(1)
        os.close(tell)
        self.await_step()

    def await_step(self) -> None:
        check(os.read(self.steps, 1), "the process in the cgroup has ended")

    def step(self) -> None:
        os.write(self.leave, b".")
        self.await_step()

    def set(self, name: str, value: object) -> None:
        (self.path / name).write_text(str(value), encoding="ascii")

    def kernel_memory(self) -> int:
        text = (self.path / "memory.stat").read_text(encoding="ascii")
        return int(re.findall(r"^kernel (\d+)$", text, re.M)[0])

    def current(self) -> int:
        return int((self.path / "memory.current").read_text(encoding="ascii"))

    def close(self) -> None:
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)
        self.path.rmdir()


def keys_are_charged_to_the_reader(device: str) -> None:
    """The memory of a dump is charged to its reader, and freed."""
    number, kept = 100, 100 * HELD * 8

    def work() -> Iterator[None]:
        index = netlink.device_index(device)
        sockets = [netlink.Connection() for _ in range(number)]
        yield
        for one in sockets:
            one.send(netlink.COMMANDS["res_pd_get"], [(netlink.DEV_INDEX, index)], netlink.DUMP)
        yield
        for one in sockets:
            one.close()
        yield

    group = Group(work)
    if not group.there:
        return
    verbs = Verbs()
    verbs.context("ctx", device)
    verbs.many("pd", "pd", HELD, "ctx")
    before = group.kernel_memory()
    group.step()
    held = group.kernel_memory() - before
    group.step()
    deadline = time.monotonic() + 20
    while group.kernel_memory() - before > kept // 4 and time.monotonic() < deadline:
        time.sleep(0.2)
    left = group.kernel_memory() - before
    group.close()
    check(held >= kept, f"{held} bytes charged for {kept}")
    check(left <= kept // 4, f"{left} bytes are still charged")
    verbs.close()


def list_without_memory_is_whole(device: str) -> None:
    """A reader at its memory limit gets a complete list, in any order."""
    number = 40000

    def work() -> Iterator[None]:
        index = netlink.device_index(device)
        yield
        dump = Dump(device, index=index)
        yield
        dump.finish()
        os.write(tell, f"error {dump.error}, interrupted {dump.interrupted()}, "
                       f"{len(dump.found)} objects, {len(set(dump.found))} of them different, "
                       f"ascending {dump.found == sorted(dump.found)}".encode())
        yield

    told, tell = os.pipe()
    group = Group(work)
    if not group.there:
        return
    verbs = Verbs()
    verbs.context("ctx", device)
    verbs.many("pd", "pd", number, "ctx")
    group.set("memory.max", group.current() + (128 << 10))
    group.step()
    group.set("memory.max", "max")
    group.step()
    said = os.read(told, 4096).decode()
    group.close()
    # The kernel has a PD, too.
    wanted = (f"error 0, interrupted False, {number + 1} objects, {number + 1} of them different, "
              "ascending False")
    check(said == wanted, f"{said} instead of {wanted}")
    verbs.close()


def summary_counts_xrc_domains(device: str) -> None:
    """The summary has XRC domains."""
    found = tool("resource", "show", device)[0].get("xrcd")
    check(found == 0, f"xrcd in the summary: {found}")


ADDRESS = "10.91.1.1"
TESTS = {f.__name__: f for f in (
    list_under_churn_is_exact, busy_device_does_not_end_the_list, list_is_a_snapshot,
    lists_do_not_disturb_each_other, object_larger_than_a_message_is_listed,
    churn_does_not_hide_an_error, qps_of_an_srq_are_all_listed,
    list_says_nothing_of_another_device, half_read_list_holds_ib_core,
    keys_are_charged_to_the_reader, list_without_memory_is_whole, summary_counts_xrc_domains)}
socket.setdefaulttimeout(60)
TESTS[sys.argv[1]](*sys.argv[2:])
for problem in problems[:20]:
    print(problem)
sys.exit(bool(problems))
