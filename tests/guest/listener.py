#!/usr/bin/python3 -ISXpycache_prefix=/run/pycache
# SPDX-License-Identifier: GPL-2.0
"""
Listens on all devices at a port that one of them cannot have:

	listener.py ADDRESS TIMES

As siw listens with a TCP socket, it is refused where another socket has the port of
the address. So the listener is refused so many times; then the port is free, and
it listens and says "listening".
"""

import os
import signal
import socket
import sys

sys.path.insert(0, os.path.abspath(f"{__file__}/../../.."))

from tests.rdma.verbs import Verbs

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
address, times = sys.argv[1], int(sys.argv[2])
verbs = Verbs()
verbs.event_channel("channel")

taken = socket.socket()
taken.bind((address, 0))
taken.listen()
port = taken.getsockname()[1]

for i in range(times):
    if i:
        verbs.destroy("id")
    verbs.cm_id("id", "channel")
    verbs.bind("id", "0.0.0.0", port)
    try:
        verbs.listen("id")
    except OSError as error:
        refused = error
    else:
        sys.exit(f"not refused in round {i}")
print("refused", refused, flush=True)
signal.sigwait([signal.SIGUSR1])
taken.close()
verbs.destroy("id")
verbs.cm_id("id", "channel")
verbs.bind("id", "0.0.0.0", port)
verbs.listen("id")
print("listening", flush=True)
signal.pause()
