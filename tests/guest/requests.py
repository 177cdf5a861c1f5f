#!/usr/bin/python3 -ISXpycache_prefix=/run/pycache
# SPDX-License-Identifier: GPL-2.0
"""
Requests that fail:

	requests.py DEVICE answers PROCESSES	processes one after the other, each of which
						makes all types of objects, but the answers
						cannot be written
	requests.py DEVICE hold ioctl|write	the same in one process, which stays
	requests.py DEVICE window		an MR that the driver keeps while a memory
						window is bound to it

"answers" prints what was not as expected and "not ready" if there was anything. Its
last line says how many tasks the kernel has more than before.
"window" says "bound" when the window is bound; SIGUSR1 makes it go on with the
next step: "refused", "moved", "gone".
"""

import errno
import os
import signal
import sys
from collections.abc import Callable

sys.path.insert(0, os.path.abspath(f"{__file__}/../../.."))

from tests.guest import uverbs
from tests.rdma.verbs import Verbs

# ---- answers that cannot be written

WARM = 60               # processes before the tasks are counted


def expect_refused(what: Callable[..., object], *arguments: int) -> list[str]:
    try:
        what(*arguments)
    except OSError as error:
        return [] if error.errno == errno.EFAULT else [f"{what.__name__}: {error}"]
    return [f"{what.__name__}: not refused"]


def second_context(device: uverbs.Uverbs) -> list[str]:
    """A second context of one file is refused."""
    try:
        device.get_context()
    except OSError as error:
        return [] if error.errno == errno.EINVAL else [f"second context: {error}"]
    return ["second context: not refused"]


def make_all(device: uverbs.Uverbs) -> tuple[int, int, int]:
    """Makes objects of all types; returns a PD, a CQ and an MR."""
    pd = device.alloc_pd()
    cq = device.create_cq()
    mr = device.reg_mr(pd)
    device.create_srq(pd)
    device.create_qp(pd, cq)
    device.alloc_mw(pd)
    device.rereg_mr(mr, device.alloc_pd())
    return pd, cq, mr


def lose_all(name: str, by_write: bool) -> tuple[list[str], uverbs.Uverbs]:
    problems = []
    device = uverbs.Uverbs.open(name)
    device.by_write = by_write
    device.answer = uverbs.NOWHERE
    problems += expect_refused(device.get_context)
    device.answer = None
    device.get_context()
    problems += second_context(device)
    device.by_write = False
    pd, cq, mr = make_all(device)
    other = device.alloc_pd()
    device.by_write = by_write
    device.answer = uverbs.NOWHERE
    for what, *arguments in ((device.alloc_pd,), (device.create_cq,), (device.reg_mr, pd),
                             (device.rereg_mr, mr, other), (device.create_srq, pd),
                             (device.create_qp, pd, cq), (device.alloc_mw, pd)):
        problems += expect_refused(what, *arguments)
    return problems, device


def lose_id() -> list[str]:
    ucma = uverbs.Ucma()
    ucma.answer = uverbs.NOWHERE
    problems = expect_refused(ucma.create_id)
    ucma.answer = None
    ucma.create_id()
    ucma.close()
    return problems


def in_a_process(work: Callable[[], list[str]]) -> bool:
    """Returns true if it did what was expected."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1] == 0
    code = 1
    try:
        problems = work()
        for problem in problems:
            print(problem, flush=True)
        code = bool(problems)
    finally:
        os._exit(code)


def tasks() -> int | None:
    """The number of task_structs, or None if the kernel does not say."""
    try:
        with open("/proc/slabinfo", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("task_struct "))
    except (OSError, StopIteration):
        return None


def answers(name: str, processes: int) -> None:
    def work() -> list[str]:
        problems = lose_id()
        for by_write in False, True:
            problems += lose_all(name, by_write)[0]
        return problems

    before = None
    for i in range(WARM + processes):
        if i == WARM:
            before = tasks()
        if not in_a_process(work):
            print("not ready")
            return
    after = tasks()
    print("tasks", "unknown" if before is None or after is None else after - before, "ready")


def hold(name: str, by_write: bool) -> None:
    """Keeps the objects that were made."""
    problems, device = lose_all(name, by_write)
    print("ready" if not problems else f"not ready: {problems}", flush=True)
    while device:
        signal.pause()


# ---- a memory window that is bound

def next_step(word: str) -> None:
    print(word, flush=True)
    signal.sigwait([signal.SIGUSR1])


def window(name: str, gid_index: str) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    verbs = Verbs()
    verbs.context("ctx", name)
    verbs.pd("pd", "ctx")
    verbs.pd("other", "ctx")
    verbs.cq("cq", "ctx")
    verbs.qp("qp", "pd", "cq")
    verbs.init("qp")
    verbs.connect_to_itself("qp", name, gid_index)
    verbs.bindable("mr", "pd")
    verbs.window("mw", "ctx", "pd", "qp", "cq", "mr")
    next_step("bound")
    for _ in range(3):
        try:
            verbs.destroy("mr")
            sys.exit("ibv_dereg_mr: no refusal")
        except OSError as error:
            if error.errno != errno.EINVAL:
                sys.exit(f"ibv_dereg_mr: {error} instead of a refusal")
    next_step("refused")
    verbs.reregister("mr", "other")
    next_step("moved")
    verbs.destroy("mw", "mr")
    next_step("gone")


def main() -> None:
    name, what, more = sys.argv[1], sys.argv[2], sys.argv[3:]
    if what == "answers":
        answers(name, int(more[0]))
    elif what == "hold":
        hold(name, more[0] == "write")
    else:
        window(name, more[0])


main()
