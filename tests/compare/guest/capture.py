# SPDX-License-Identifier: GPL-2.0
"""The output of the tools about RDMA, as it is."""

import itertools
import json
import subprocess
from collections.abc import Iterable, Sequence
from typing import Any, Self

from tests.rdma import netlink

TYPES = ("qp", "cm_id", "cq", "mr", "pd", "ctx", "srq")

LISTS = tuple(f"resource show {name}" for name in TYPES)
COMMANDS = ("resource show", *LISTS, "statistic show", "statistic qp show",
            "statistic mode", "link show", "dev show", "system show")

# The attribute of netlink and the field of rdma with the number of an object.
NUMBERS = {"qp": (netlink.RES_LQPN, "lqpn"), "cm_id": (netlink.RES_CM_IDN, "cm-idn"),
           "cq": (netlink.RES_CQN, "cqn"), "mr": (netlink.RES_MRN, "mrn"),
           "pd": (netlink.RES_PDN, "pdn"), "ctx": (netlink.RES_CTXN, "ctxn"),
           "srq": (netlink.RES_SRQN, "srqn")}

# No object has it.
NO_SUCH_NUMBER = 7654321

# A command that prints this and does not ask the kernel.
_MARK_COMMAND = "dev help"
_MARK = "Usage: rdma dev show"

LIMIT = 120     # seconds for a run of rdma


def _read(text: str) -> Any:
    """The output of a command, as JSON if it is."""
    text = text.strip()
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def ask(commands: Sequence[str], options: Iterable[str] = ("-d",),
        prefix: Iterable[str] = ()) -> list[list[Any]]:
    """Gives commands to one run of rdma; returns pairs of a command and its answer.

    Under emulation the start of a program takes longer than all answers. A prefix is a
    command that starts rdma, e.g. in a namespace.
    """
    batch = "".join(f"{command}\n{_MARK_COMMAND}\n" for command in commands)
    run = subprocess.run([*prefix, "rdma", "-j", *options, "-f", "-b", "-"],
                         input=batch, capture_output=True, text=True, timeout=LIMIT,
                         check=False)
    answers = [""]
    for line in run.stdout.splitlines():
        if line.startswith(_MARK):
            answers.append("")
        elif not line.startswith("       rdma dev "):
            answers[-1] += line + "\n"
    if len(answers) != len(commands) + 1:
        # Two sides that answer nothing would be alike.
        raise RuntimeError(f"rdma gave {len(answers) - 1} answers to {len(commands)} commands: "
                           f"{run.stderr.strip()[-200:]}")
    said = [[command, _read(answer)] for command, answer in zip(commands, answers)]
    # Errors are not buffered, so it is unknown to which command they belong.
    errors = [line for line in run.stderr.splitlines() if line.strip()]
    return said + [["errors", errors], ["code", run.returncode]]


def everything(prefix: Sequence[str] = ()) -> dict[str, Any]:
    """The answers to all commands."""
    said = ask(COMMANDS, ("-d",), prefix)
    # With a prefix the pids may be of another namespace.
    return {"threads": {} if prefix else _threads(said), "-d": said}


def all_ways() -> dict[str, Any]:
    """The same, with driver details, too, and each object by its number."""
    return everything() | {"-dd": ask(COMMANDS, ("-d", "-d")), "by number": one_by_one()}


def _threads(said: list[list[Any]]) -> dict[int, int]:
    """The pids that are those of threads, with their processes."""
    found = {}
    for command, objects in said:
        for one in objects if command in LISTS and isinstance(objects, list) else []:
            try:
                with open(f"/proc/{one['pid']}/status", encoding="utf-8") as file:
                    status = dict(line.split(":", 1) for line in file)
            except (KeyError, FileNotFoundError):
                continue
            process = int(status["Tgid"])
            if process != one["pid"]:
                found[one["pid"]] = process
    return found


def one_by_one() -> list[list[Any]]:
    """Asks for every object by its number, and for one that does not exist.

    It uses netlink, because that is quicker, and because rdma does not print the errors.
    """
    connection = netlink.Connection()
    said = []
    for name, (attribute, key) in NUMBERS.items():
        objects = ask([f"resource show {name}"])[0][1] or []
        for device in sorted({one["ifname"] for one in objects}):
            index = netlink.device_index(device)
            for number in [one[key] for one in objects if one["ifname"] == device] \
                    + [NO_SUCH_NUMBER]:
                for port in (1, None):
                    given = [(netlink.DEV_INDEX, index), (attribute, number)]
                    given += [(netlink.PORT_INDEX, port)] if port else []
                    answer = connection.get(netlink.COMMANDS[f"res_{name}_get"], given)
                    which = "none" if number == NO_SUCH_NUMBER else "one"
                    said.append([f"{name} {device} {which} port={port}", answer])
    connection.close()
    return said


def _run(command: str) -> tuple[dict[str, Any], list[Any]]:
    done = subprocess.run(["rdma", "-j", *command.split()], capture_output=True, text=True,
                          timeout=LIMIT, check=False)
    said = _read(done.stdout)
    objects = said if isinstance(said, list) else []
    return {"code": done.returncode,
            "errors": [line for line in done.stderr.splitlines() if line.strip()],
            "form": "JSON" if isinstance(said, list) else "text",
            "devices": list(dict.fromkeys(one["ifname"] for one in objects))}, objects


def _places(objects: list[Any], key: str) -> list[list[Any]]:
    """Device, port and number of each object."""
    return [[one["ifname"], one.get("port", 0), one[key]] for one in objects]


def held(type_: str) -> list[list[Any]]:
    """The objects of that type, while nothing moves."""
    return _places(_run(f"resource show {type_}")[1], NUMBERS[type_][1])


def repeatedly(command: str, times: int, kept: Iterable[Any] = (),
               key: str | None = None) -> dict[str, Any]:
    """Gives a command many times, while objects come and go; kept are there always."""
    runs = []
    for _ in range(times):
        run, objects = _run(command)
        run["shown"] = _places(objects, key) if key else []
        runs.append(run)
    return {"churn": {"command": command, "held": list(kept), "runs": runs}}


class Dump:
    """A dump of one type on one device over netlink, read in parts."""

    TABLES = {"pd": netlink.RES_PD_TABLE, "srq": netlink.RES_SRQ_TABLE}

    def __init__(self, type_: str, device: str, size: int = 4096) -> None:
        self.shown: list[int] = []
        self.end: str | None = None
        self.interrupted = False
        self.connection = netlink.Connection()
        self.parts = self.connection.dump(
            netlink.COMMANDS[f"res_{type_}_get"],
            [(netlink.DEV_INDEX, netlink.device_index(device))],
            self.TABLES[type_], NUMBERS[type_][0], size)

    def read(self, most: int = 1 << 30) -> Self:
        """Reads so many datagrams, or all."""
        for shown, end, interrupted in itertools.islice(self.parts, most):
            self.shown += shown
            self.end = end
            self.interrupted |= interrupted
        return self

    def close(self) -> None:
        self.parts.close()
        self.connection.close()

    def said(self, what: str, before: Sequence[int], after: Sequence[int]) -> dict[str, Any]:
        """What was read. Before and after are the numbers of the objects at those times."""
        return {"dump": {
            "what": what, "shown": self.shown, "end": self.end or "not read",
            "interrupted": self.interrupted,
            "held": [number for number in before if number in after],
            "went": [number for number in before if number not in after],
            "came": [number for number in after if number not in before]}}
