# SPDX-License-Identifier: GPL-2.0
"""What `rdma resource show` costs a person whose processes hold many objects.

Holds protection domains on a device, more and more of them, and runs the rdma
tool; prints lines "<operation> <objects> <nanoseconds>".

    python3 -m tests.bench.users <device>
"""

import ctypes
import os
import subprocess
import sys
import time

from tests.bench.netlink import Link

SIZES = (10, 1000, 10000, 32000, 100000)
COMMANDS = {
    "show": ("rdma", "resource", "show"),
    "show_pd": ("rdma", "resource", "show", "pd"),
}

# The kernel tells system time from other time by ticks, 250 in a second: a
# command is repeated until there are enough of them.
ENOUGH = 0.4
MOST = 50


class Holder:
    """Protection domains of this process on a device."""

    def __init__(self, device):
        self._verbs = verbs = ctypes.CDLL("libibverbs.so.1", use_errno=True)
        verbs.ibv_get_device_list.restype = ctypes.POINTER(ctypes.c_void_p)
        verbs.ibv_get_device_name.restype = ctypes.c_char_p
        verbs.ibv_get_device_name.argtypes = [ctypes.c_void_p]
        verbs.ibv_open_device.restype = ctypes.c_void_p
        verbs.ibv_open_device.argtypes = [ctypes.c_void_p]
        verbs.ibv_alloc_pd.restype = ctypes.c_void_p
        verbs.ibv_alloc_pd.argtypes = [ctypes.c_void_p]
        self._context = verbs.ibv_open_device(self._find(device))
        if not self._context:
            self._fail("ibv_open_device")
        self.count = 0

    def _find(self, device):
        for found in self._verbs.ibv_get_device_list(None):
            if found is None:
                sys.exit(f"libibverbs does not know {device}")
            if self._verbs.ibv_get_device_name(found) == device.encode():
                return found
        return None

    @staticmethod
    def _fail(function):
        sys.exit(f"{function}: {os.strerror(ctypes.get_errno())}")

    def grow(self, count):
        """Allocates until there are so many."""
        while self.count < count:
            if not self._verbs.ibv_alloc_pd(self._context):
                self._fail("ibv_alloc_pd")
            self.count += 1


def system_time(command):
    """Nanoseconds of system time that a run of a command takes."""
    total, runs = 0.0, 0
    while total < ENOUGH and runs < MOST:
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{' '.join(command)}: ended with code {process.returncode}")
        total += usage.ru_stime
        runs += 1
    return round(total / runs * 1e9)


def dump_time(link, index):
    start = time.monotonic_ns()
    link.dump_pds(index)
    return time.monotonic_ns() - start


def main(device):
    holder, link = Holder(device), Link()
    index = link.index(device)
    for size in SIZES:
        holder.grow(size)
        for op, command in COMMANDS.items():
            print(op, size, system_time(command), flush=True)
        # For each object the tool also looks up the name of its process. This
        # is the kernel's part alone.
        print("dump_pd", size, min(dump_time(link, index)
                                   for _ in range(max(1, 200 // size))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
