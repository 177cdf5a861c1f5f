#!/usr/bin/python3 -IS
# SPDX-License-Identifier: GPL-2.0
"""
Requests that come to nothing:

	requests.py DEVICE answers PROCESSES	processes one after the other, each of which
						makes everything there is to make, but cannot
						be told
	requests.py DEVICE hold ioctl|write	the same in one process, which stays
	requests.py DEVICE window		an MR that the driver keeps while a memory
						window is bound to it

"answers" ends, with "not ready" and what was not as expected if there was
anything; the last line says how many tasks the kernel has more than before.
"window" says "bound" when the window is bound; SIGUSR1 makes it go on with the
next step: "refused", "moved", "gone".
"""

import ctypes
import errno
import os
import signal
import sys

sys.path.insert(0, os.path.abspath(f"{__file__}/../../.."))

from tests.guest import uverbs, verbs
from tests.rdma.libibverbs import INT, P, U32, MwBind, MwBindInfo, Qp, QpAttr, QpCap, QpInitAttr

# ---- answers that cannot be written

WARM = 60               # processes before the tasks are counted


def expect_refused(what, *arguments):
    try:
        what(*arguments)
    except OSError as error:
        return [] if error.errno == errno.EFAULT else [f"{what.__name__}: {error}"]
    return [f"{what.__name__}: not refused"]


def second_context(device):
    """The file has one already."""
    try:
        device.get_context()
    except OSError as error:
        return [] if error.errno == errno.EINVAL else [f"second context: {error}"]
    return ["second context: not refused"]


def make_all(device):
    """What succeeds if the answers can be written: as many of each as in EACH."""
    pd = device.alloc_pd()
    cq = device.create_cq()
    mr = device.reg_mr(pd)
    device.create_srq(pd)
    device.create_qp(pd, cq)
    device.alloc_mw(pd)
    device.rereg_mr(mr, device.alloc_pd())
    return pd, cq, mr


def lose_all(name, by_write):
    problems = []
    device = uverbs.Uverbs(device=name)
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


def lose_id():
    ucma = uverbs.Ucma()
    ucma.answer = uverbs.NOWHERE
    problems = expect_refused(ucma.create_id)
    ucma.answer = None
    ucma.create_id()
    ucma.close()
    return problems


def in_a_process(work):
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


def tasks():
    """How many task_structs there are; None if the kernel does not say."""
    try:
        with open("/proc/slabinfo", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("task_struct "))
    except (OSError, StopIteration):
        return None


def answers(name, processes):
    def work():
        problems = lose_id()
        for by_write in False, True:
            problems += lose_all(name, by_write)[0]
        return problems

    before = None
    for i in range(WARM + processes):
        if i == WARM:
            before = tasks()
        if not in_a_process(work):
            return print("not ready")
    after = tasks()
    return print("tasks", "unknown" if before is None else after - before, "ready")


def hold(name, by_write):
    """Keeps what was not lost."""
    problems, device = lose_all(name, by_write)
    print("ready" if not problems else f"not ready: {problems}", flush=True)
    while device:
        signal.pause()


# ---- a memory window that is bound

QPT_RC = 2
MW_TYPE_1 = 1
LOCAL_WRITE, REMOTE_WRITE, MW_BIND = 1, 2, 16
INIT, RTR, RTS = 1, 2, 3
STATE, ACCESS, PKEY, PORT = 1 << 0, 1 << 3, 1 << 4, 1 << 5
AV, MTU, TIMEOUT, RETRY, RNR_RETRY, RQ_PSN = 1 << 7, 1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12
MAX_RD, MIN_RNR, SQ_PSN, MAX_DEST_RD, DEST = 1 << 13, 1 << 15, 1 << 16, 1 << 17, 1 << 20
# Where the functions of the driver are in struct ibv_context.
ALLOC_MW, BIND_MW, DEALLOC_MW = 7, 8, 9
REREG_PD = 2


def driver_function(context, index, result, *arguments):
    table = ctypes.cast(context, ctypes.POINTER(P))
    return ctypes.CFUNCTYPE(result, *arguments)(table[1 + index])


def check(what, error):
    if error:
        sys.exit(f"{what}: error {error}")


def connect(qp, context, gid_index):
    """To itself: a window is bound with a request of the send queue."""
    modify = verbs.function("ibv_modify_qp", INT, P, P, INT)
    query_gid = verbs.function("ibv_query_gid", INT, P, ctypes.c_uint8, INT, P)
    attr = QpAttr(qp_state=INIT, port_num=1, qp_access_flags=REMOTE_WRITE)
    check("INIT", modify(qp, ctypes.byref(attr), STATE | PKEY | PORT | ACCESS))
    number = ctypes.cast(qp, ctypes.POINTER(Qp)).contents.qp_num
    attr = QpAttr(qp_state=RTR, path_mtu=3, dest_qp_num=number, max_dest_rd_atomic=1,
                  min_rnr_timer=12)
    attr.ah_attr.is_global = 1
    attr.ah_attr.port_num = 1
    attr.ah_attr.hop_limit = 1
    attr.ah_attr.sgid_index = gid_index
    check("gid", query_gid(context, 1, gid_index, ctypes.addressof(attr.ah_attr)))
    check("RTR", modify(qp, ctypes.byref(attr),
                        STATE | AV | MTU | DEST | RQ_PSN | MAX_DEST_RD | MIN_RNR))
    attr = QpAttr(qp_state=RTS, timeout=14, retry_cnt=7, rnr_retry=7, max_rd_atomic=1)
    check("RTS", modify(qp, ctypes.byref(attr),
                        STATE | TIMEOUT | RETRY | RNR_RETRY | SQ_PSN | MAX_RD))


def next_step(word):
    print(word, flush=True)
    signal.sigwait([signal.SIGUSR1])


def window(name, gid_index):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    rereg = verbs.function("ibv_cmd_rereg_mr", INT, P, U32, P, ctypes.c_size_t, ctypes.c_uint64,
                           INT, P, P, ctypes.c_size_t, P, ctypes.c_size_t)
    context = verbs.device(name)
    pd, other = (verbs.checked(verbs.alloc_pd(context), "ibv_alloc_pd") for _ in range(2))
    cq = verbs.checked(verbs.create_cq(context, 16, None, None, 0), "ibv_create_cq")
    init = QpInitAttr(None, cq, cq, None, QpCap(4, 4, 1, 1, 0), QPT_RC, 1)
    qp = verbs.checked(verbs.create_qp(pd, init), "ibv_create_qp")
    connect(qp, context, gid_index)
    buffer = ctypes.addressof(verbs.buffer)
    mr = verbs.checked(verbs.reg_mr(pd, buffer, verbs.PAGE,
                                    LOCAL_WRITE | REMOTE_WRITE | MW_BIND), "ibv_reg_mr")
    mw = verbs.checked(driver_function(context, ALLOC_MW, P, P, INT)(pd, MW_TYPE_1), "alloc_mw")
    bind = MwBind(1, 0, MwBindInfo(mr, buffer, verbs.PAGE, REMOTE_WRITE))
    check("bind_mw", driver_function(context, BIND_MW, INT, P, P, P)(qp, mw, ctypes.byref(bind)))
    next_step("bound")
    for _ in range(3):
        error = verbs.dereg_mr(mr)
        if error != errno.EINVAL:
            sys.exit(f"ibv_dereg_mr: {error} instead of a refusal")
    next_step("refused")
    ask, answer = ctypes.create_string_buffer(56), ctypes.create_string_buffer(8)
    check("rereg_mr", rereg(mr, REREG_PD, None, 0, 0, 0, other, ask, len(ask),
                            answer, len(answer)))
    next_step("moved")
    check("dealloc_mw", driver_function(context, DEALLOC_MW, INT, P)(mw))
    check("ibv_dereg_mr", verbs.dereg_mr(mr))
    next_step("gone")


def main():
    name, what, more = sys.argv[1], sys.argv[2], sys.argv[3:]
    if what == "answers":
        answers(name, int(more[0]))
    elif what == "hold":
        hold(name, more[0] == "write")
    else:
        window(name, int(more[0]))


main()
