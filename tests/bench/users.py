# SPDX-License-Identifier: GPL-2.0
"""What `rdma resource show` costs a person whose processes hold many objects.

Holds protection domains on a device, more and more of them, and runs the rdma
tool; prints lines "<operation> <objects> <nanoseconds>".

    python3 -m tests.bench.users <device>
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence

from tests.bench.netlink import Link
from tests.rdma.verbs import Verbs

SIZES = (10, 1000, 10000, 32000, 100000)
COMMANDS = {
    "show": ("rdma", "resource", "show"),
    "show_pd": ("rdma", "resource", "show", "pd"),
}

# The kernel tells system time from other time by ticks, 250 in a second: a
# command is repeated until there are enough of them.
ENOUGH = 0.4
MOST = 50


def system_time(command: Sequence[str]) -> int:
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


def dump_time(link: Link, index: int) -> int:
    start = time.monotonic_ns()
    link.dump_pds(index)
    return time.monotonic_ns() - start


def main(device: str) -> None:
    verbs, link = Verbs(), Link()
    verbs.context("ctx", device)
    index = link.index(device)
    held = 0
    for size in SIZES:
        for i in range(held, size):
            verbs.pd(f"pd{i}", "ctx")
        held = size
        for op, command in COMMANDS.items():
            print(op, size, system_time(command), flush=True)
        # For each object the tool also looks up the name of its process. This
        # is the kernel's part alone.
        print("dump_pd", size, min(dump_time(link, index)
                                   for _ in range(max(1, 200 // size))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
