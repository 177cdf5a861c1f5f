# SPDX-License-Identifier: GPL-2.0
"""What `make bench` finds: rows of figures, their units, and their targets."""

from dataclasses import dataclass, field
from typing import Any

INSTRUCTIONS = "instructions per call"
SYSTEM_TIME = "ns of system time"
VIRTUAL_TIME = "ns of virtual time"
BYTES = "bytes"
RATE = "operations per second"

# In the order of the table.
UNITS = {
    "add": INSTRUCTIONS, "del": INSTRUCTIONS, "add_kernel": INSTRUCTIONS,
    "del_kernel": INSTRUCTIONS, "get_put": INSTRUCTIONS,
    "get_byid_pd": INSTRUCTIONS, "get_byid_qp_seq": INSTRUCTIONS,
    "get_byid_qp_random": INSTRUCTIONS, "count": INSTRUCTIONS,
    "dump_pd": VIRTUAL_TIME, "show_pd": SYSTEM_TIME, "show": SYSTEM_TIME,
    "worst_add": VIRTUAL_TIME, "worst_del": VIRTUAL_TIME, "bytes_per_pd": BYTES,
    "threads": RATE, "mr": RATE,
}

# The names for people.
LABELS = {
    "add": "new + set_name + add", "del": "del",
    "add_kernel": "the same for an object of the kernel", "del_kernel": "del of such an object",
    "get_put": "get + put", "get_byid_pd": "get_byid + put, PDs",
    "get_byid_qp_seq": "get_byid + put, QPs numbered in turn",
    "get_byid_qp_random": "get_byid + put, QPs numbered at random", "count": "count",
    "worst_add": "worst single add of so many", "worst_del": "worst single del of so many",
    "show_pd": "`rdma resource show pd`", "dump_pd": "of this, the dump in the kernel",
    "show": "`rdma resource show`",
    "bytes_per_pd": "memory for each PD",
    "threads": "add + del", "mr": "MRs of processes",
}

# The load beside threads.
LOADS = {"": "", "count": "beside a count", "dump": "beside a dump", "lookup": "beside lookups"}


def digits(ratio: float) -> float:
    """A ratio to three digits."""
    return float(f"{ratio:.3g}")


@dataclass(frozen=True, order=True)
class Setting:
    """Where threads or processes ran, and beside what."""

    kernel: str = ""        # its flavour
    cpus: int = 0
    beside: str = ""        # one of LOADS

    def __bool__(self) -> bool:
        return bool(self.kernel)


@dataclass(frozen=True)
class Row:
    """One operation at one number of objects, threads or processes, with both trackers."""

    op: str
    n: int
    c: float
    rust: float
    ratio: float
    spread: tuple[float, ...] = ()  # least and greatest ratio of the rounds
    setting: Setting = Setting()    # empty for figures that repeat
    # Pairs (C, Rust) of the worst single add and del in ns, and of the load in a second.
    also: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        name = LABELS[self.op]
        return f"{name} {LOADS[self.setting.beside]}".strip() if self.setting else name

    def json(self) -> dict[str, Any]:
        values = {"op": self.op, "n": self.n}
        if self.setting:
            values |= vars(self.setting)
        values |= {"c": self.c, "rust": self.rust, "ratio": digits(self.ratio),
                   "unit": UNITS[self.op]}
        if self.spread:
            values["spread"] = [digits(ratio) for ratio in self.spread]
        for name, (c, rust) in self.also.items():
            values[name] = {"c": c, "rust": rust}
        return values


@dataclass(frozen=True)
class Target:
    """A bound that a row has to keep."""

    text: str
    kept: bool


def _ratio_at_most(row: Row, most: float) -> Target:
    return Target(f"ratio <= {most:g}", row.ratio <= most)


def _ratio_at_least(row: Row, least: float) -> Target:
    return Target(f"ratio >= {least:g}", row.ratio >= least)


def _at_most(row: Row, most: float) -> Target:
    return Target(f"Rust <= {most:,}", row.rust <= most)


def targets(row: Row, rows: list[Row]) -> list[Target]:
    """The targets of a row, which may depend on other rows."""
    if row.setting:
        return _targets_of_threads(row, rows)
    # For an operation, or for one with a number of objects.
    bounds = {
        "add": (_ratio_at_most, 0.35), "add_kernel": (_ratio_at_most, 0.35),
        "del": (_ratio_at_most, 0.25), "del_kernel": (_ratio_at_most, 0.25),
        "get_put": (_ratio_at_most, 1), "get_byid_pd": (_ratio_at_most, 0.7),
        "get_byid_qp_seq": (_ratio_at_most, 0.7),
        "get_byid_qp_random": (_ratio_at_most, 0.7), "count": (_at_most, 300),
        ("dump_pd", 10): (_ratio_at_most, 1.3), ("dump_pd", 32000): (_ratio_at_most, 0.05),
        # Most of it are system calls of rdma.
        ("show_pd", 32000): (_ratio_at_most, 0.2),
        ("worst_add", 1000000): (_at_most, 50000),
        ("worst_del", 1000000): (_at_most, 50000),
        ("bytes_per_pd", 100000): (_at_most, 124),
    }
    return [bound(row, limit) for key in (row.op, (row.op, row.n)) if key in bounds
            for bound, limit in [bounds[key]]]


def _targets_of_threads(row: Row, rows: list[Row]) -> list[Target]:
    if row.op == "mr" or row.setting.kernel != "amd64":
        return [_ratio_at_least(row, 1)]
    one, = (other.rust for other in rows
            if (other.op, other.n, other.setting) == (row.op, 1, row.setting))
    # Several threads may not slow each other down.
    return [_ratio_at_least(row, 1.5), Target("Rust >= 0.9 of 1 thread", row.rust >= 0.9 * one)]
