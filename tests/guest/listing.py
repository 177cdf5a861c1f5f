#!/usr/bin/python3 -ISXpycache_prefix=/run/pycache
# SPDX-License-Identifier: GPL-2.0
"""
Checks the output of `rdma -j resource show`:

	listing.py DIRECTORY PID COMM TYPE=N...

The directory has TYPE.json, TYPE-d.json (with driver details) and summary.json.
Each type has N objects of this process; every object has an owner, and a number
that no other of its type has on the device; the summary counts what is listed.
"""

import json
import sys
from typing import Any

NUMBER = {"qp": "lqpn", "cq": "cqn", "pd": "pdn", "mr": "mrn", "ctx": "ctxn",
          "srq": "srqn", "cm_id": "cm-idn"}

directory, pid, comm = sys.argv[1], int(sys.argv[2]), sys.argv[3]
wanted = {k: int(v) for k, v in (word.split("=") for word in sys.argv[4:])}
problems = []


def load(name: str) -> Any:
    with open(f"{directory}/{name}.json", encoding="utf-8") as file:
        return json.load(file)


summary = {line["ifname"]: line for line in load("summary")}
for kind, number in wanted.items():
    objects = load(kind)
    mine = [o for o in objects if o.get("pid") == pid]
    if len(mine) != number:
        problems.append(f"{kind}: {len(mine)} of the process instead of {number}")
    for o in mine:
        if o.get("comm") != comm:
            problems.append(f"{kind}: owner is called {o.get('comm')}")
    for o in objects:
        if not o.get("comm"):
            problems.append(f"{kind}: no owner: {o}")
        if NUMBER[kind] not in o:
            problems.append(f"{kind}: no number: {o}")
    numbers = [(o["ifname"], o.get(NUMBER[kind])) for o in objects]
    if len(set(numbers)) != len(numbers):
        problems.append(f"{kind}: a number twice: {sorted(numbers)}")
    for name, line in summary.items():
        listed = sum(o["ifname"] == name for o in objects)
        if line.get(kind) != listed:
            problems.append(f"{kind}: {line.get(kind)} in the summary of {name}, {listed} listed")
    if len(load(f"{kind}-d")) < len(objects):
        problems.append(f"{kind}: fewer objects with driver details")

for problem in problems:
    print(problem)
sys.exit(bool(problems))
