#!/usr/bin/python3 -IS
# SPDX-License-Identifier: GPL-2.0
"""
A process that has verbs objects, in just the numbers that it is asked for:

	verbs.py DEVICE [pd=N] [cq=N] [mr=N] [srq=N] [qp=N] [rounds=N] [processes=N]
		[thread] [exit]

It prints the numbers of its QPs and then "ready", and keeps all of it until it
is killed. With "rounds" it has the objects so many times one after the other;
with "thread" it is another thread than the first that makes them, and that
thread is gone when it is ready; with "exit" it goes away by itself, without
destroying anything. With "processes" it has children that have the objects: the
first the numbers asked for, the second twice as many MRs and QPs, and so on; it
prints their pids, and they end with it.
"""

import ctypes
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.abspath(f"{__file__}/../../.."))

from tests.rdma.libibverbs import P, Qp, QpCap, QpInitAttr, SrqInitAttr

verbs = ctypes.CDLL("libibverbs.so.1", use_errno=True)
QPT_RC = 2
ACCESS_LOCAL_WRITE = 1
PAGE = 4096
PR_SET_PDEATHSIG = 1


def function(name, result, *arguments):
    f = getattr(verbs, name)
    f.restype = result
    f.argtypes = arguments
    return f


get_device_list = function("ibv_get_device_list", ctypes.POINTER(P), P)
get_device_name = function("ibv_get_device_name", ctypes.c_char_p, P)
open_device = function("ibv_open_device", P, P)
alloc_pd = function("ibv_alloc_pd", P, P)
dealloc_pd = function("ibv_dealloc_pd", ctypes.c_int, P)
create_cq = function("ibv_create_cq", P, P, ctypes.c_int, P, P, ctypes.c_int)
destroy_cq = function("ibv_destroy_cq", ctypes.c_int, P)
reg_mr = function("ibv_reg_mr", P, P, P, ctypes.c_size_t, ctypes.c_int)
dereg_mr = function("ibv_dereg_mr", ctypes.c_int, P)
create_srq = function("ibv_create_srq", P, P, ctypes.POINTER(SrqInitAttr))
destroy_srq = function("ibv_destroy_srq", ctypes.c_int, P)
create_qp = function("ibv_create_qp", P, P, ctypes.POINTER(QpInitAttr))
destroy_qp = function("ibv_destroy_qp", ctypes.c_int, P)

buffer = ctypes.create_string_buffer(2 * PAGE)


def checked(pointer, what):
    if not pointer:
        sys.exit(f"{what}: error {ctypes.get_errno()}")
    return pointer


def device(name):
    devices = get_device_list(None)
    i = 0
    while devices[i]:
        if get_device_name(devices[i]).decode() == name:
            return checked(open_device(devices[i]), "ibv_open_device")
        i += 1
    sys.exit(f"no device {name}")


def make(context, numbers):
    """Returns what was made, as pairs of an object and what destroys it."""
    made = []

    def keep(pointer, what, destroy):
        made.append((checked(pointer, what), destroy))
        return pointer

    def pd():
        return keep(alloc_pd(context), "ibv_alloc_pd", dealloc_pd)

    def cq():
        return keep(create_cq(context, 16, None, None, 0), "ibv_create_cq", destroy_cq)

    pds = [pd() for _ in range(numbers["pd"])]
    cqs = [cq() for _ in range(numbers["cq"])]
    for _ in range(numbers["mr"]):
        keep(reg_mr(pds[0], ctypes.addressof(buffer), PAGE, ACCESS_LOCAL_WRITE),
             "ibv_reg_mr", dereg_mr)
    for _ in range(numbers["srq"]):
        keep(create_srq(pds[0], SrqInitAttr(None, 1, 1, 0)), "ibv_create_srq", destroy_srq)
    for _ in range(numbers["qp"]):
        attr = QpInitAttr(None, cqs[0], cqs[0], None, QpCap(1, 1, 1, 1, 0), QPT_RC, 0)
        qp = keep(create_qp(pds[0], attr), "ibv_create_qp", destroy_qp)
        print("qp", ctypes.cast(qp, ctypes.POINTER(Qp)).contents.qp_num)
    return made


def work(name, numbers):
    context = device(name)
    for i in range(numbers["rounds"]):
        made = make(context, numbers)
        if i + 1 < numbers["rounds"]:
            for pointer, destroy in reversed(made):
                error = destroy(pointer)
                if error:
                    sys.exit(f"cannot destroy an object: {error}")


def children(name, numbers):
    """Returns when all of them have what they are to have."""
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


def main():
    name, words = sys.argv[1], sys.argv[2:]
    numbers = {"pd": 0, "cq": 0, "mr": 0, "srq": 0, "qp": 0, "rounds": 1,
               "processes": 0}
    numbers.update((what, int(n)) for what, n in
                   (word.split("=") for word in words if "=" in word))

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
