#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Reads all lists of some devices again and again; they may be gone:

	look.py DEVICE...
"""

import os
import sys
import time

sys.path.insert(0, os.path.abspath(f"{__file__}/../../.."))

from tests.rdma import netlink

LISTS = [name for name in netlink.COMMANDS if name.startswith("res_") and name != "res_get"]

while True:
    begin = time.monotonic()
    for device in sys.argv[1:]:
        try:
            where = [(netlink.DEV_INDEX, netlink.device_index(device))]
        except OSError:
            continue
        for name in LISTS:
            connection = netlink.Connection()
            connection.answer(netlink.COMMANDS[name], where, netlink.DUMP)
            connection.close()
    # Leaves half of the time to others.
    time.sleep(max(0.01, time.monotonic() - begin))
