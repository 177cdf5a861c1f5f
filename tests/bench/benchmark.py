# SPDX-License-Identifier: GPL-2.0
"""`make bench`: what the tracker costs beside the one inside Debian's ib_core.

It has two parts, on Debian's kernels as shipped. In the first, each tracker has a guest
whose clock counts instructions, one a nanosecond, so that figures repeat. In the second,
guests have several processors and a real clock, and the trackers take turns.

The module and the programs beside this file measure. The results are tables,
build/bench.json, build/bench.svg, and build/bench.md for the documentation.
"""

import datetime
import json
import statistics
from typing import Any, TypeVar
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scripts.guest import qemu
from scripts.guest.qemu import Machine
from scripts.kernel import modules
from scripts.kernel.buildroot import BuildRoot
from scripts.kernel.kernels import Kernel
from scripts.paths import BUILD, CHECKOUT
from scripts.progress import Failed, Step, say
from tests.bench import report
from tests.bench.figures import UNITS, Row, Setting

SOURCES = CHECKOUT / "tests/bench"

# What was measured: words, and a number of objects or threads.
Key = tuple[Any, ...]
Value = TypeVar("Value")

C, RUST = "c", "rust"
NAMES = {C: "C", RUST: "Rust"}

COUNTING = qemu.Machine(cpus=1, memory="4G", icount="shift=0,sleep=off")
COUNTING_LIMIT = 2700
RACING = tuple(qemu.Machine(cpus=cpus, memory="2G") for cpus in (2, 4))
RACING_LIMIT = 900


# Building and measuring

class Subject:
    """A kernel, with the modules that are measured on it."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.trees = {RUST: modules.build(kernel).folder, C: modules.install_distribution(kernel)}
        self.benches = {side: self._module(side) for side in (C, RUST)}

    def _module(self, side: str) -> Path:
        """Builds the benchmark module for one tracker; returns its path."""
        folder = modules.folder(self.kernel.variant) / f"bench-{side}"
        words = [f"RESTRACK={CHECKOUT}", f"TRACKER={side}"]
        if side == RUST:
            words.append(modules.symbols(self.kernel))
        with Step(f"benchmark module for the {NAMES[side]} tracker",
                  f"{self.kernel.variant.name}-bench-{side}-module") as step:
            folder.mkdir(parents=True, exist_ok=True)
            step.run(modules.make_command(self.kernel, SOURCES, folder, *words))
        return folder / "restrack_bench.ko"

    def boot(self, side: str, name: str, command: str, limit: int, machine: Machine) -> Path:
        """Runs a command in a guest; returns the folder with its results."""
        log = qemu.log_of(self.kernel, name).relative_to(CHECKOUT)
        say(f"booting {name}, at most {limit // 60} minutes (log: {log})")
        verdict = qemu.boot(self.kernel, self.trees[side], name, command, limit,
                            machine=machine, show=True)
        if verdict.why:
            raise Failed(name, verdict.why, verdict.log.relative_to(CHECKOUT))
        return verdict.results


def programs(root: BuildRoot) -> Path:
    """Builds the programs that measure or make load; returns their folder."""
    folder = BUILD / "bench-programs"
    folder.mkdir(exist_ok=True)
    with Step("programs of the benchmark", "bench-programs") as step:
        for source in sorted((SOURCES / "programs").glob("*.c")):
            step.run(root.enter(
                ["x86_64-linux-gnu-gcc-14", "-O2", "-Wall", "-Werror", "-o",
                 folder / source.stem, source, "-l:libibverbs.so.1"],
                readable=[CHECKOUT], writable=[folder]))
    return folder


def _read(path: Path) -> dict[Key, list[int]]:
    """The results in a file: what was measured, and the values."""
    found: dict[Key, list[int]] = {}
    for line in path.read_text().splitlines():
        *words, n, value = line.split()
        found.setdefault((*words, int(n)), []).append(int(value))
    if not found:
        raise Failed("bench", "a measurement has no result", path)
    return found


def _both(c: Mapping[Key, Value], rust: Mapping[Key, Value]) -> dict[Key, tuple[Value, Value]]:
    """The results of both trackers; fails if one lacks a result."""
    if c.keys() != rust.keys():
        raise Failed("bench", "the trackers were not measured alike: "
                     f"{sorted(c.keys() ^ rust.keys())}")
    return {key: (values, rust[key]) for key, values in c.items()}


def costs(subject: Subject) -> list[Row]:
    """Runs the first part; returns rows of figures that repeat."""

    def measure(side: str) -> dict[Key, int]:
        results = subject.boot(
            side, f"bench-{side}",
            f"exec $CHECKOUT/tests/bench/cost.sh {subject.benches[side]} {NAMES[side]}",
            COUNTING_LIMIT, COUNTING)
        return {key: values[0] for path in results.glob("*.result")
                for key, values in _read(path).items()}

    with ThreadPoolExecutor() as pool:
        found = _both(*pool.map(measure, (C, RUST)))
    return [Row(op, n, c, rust, rust / c) for (op, n), (c, rust) in found.items()]


def races(subject: Subject, folder: Path, machine: Machine) -> list[Row]:
    """Runs the second part in a guest with several processors; returns its rows."""
    words = [folder, *(path[side] for side in (C, RUST)
                       for path in (subject.trees, subject.benches))]
    results = subject.boot(
        RUST, f"bench-threads-{machine.cpus}",
        f"exec $CHECKOUT/tests/bench/threads.sh {' '.join(map(str, words))}",
        RACING_LIMIT, machine)
    found = _both(*(_read(results / f"{side}.result") for side in (C, RUST)))
    middle = {key: (statistics.median(c), statistics.median(rust))
              for key, (c, rust) in found.items()}
    flavour = subject.kernel.release.split("-", 1)[1]
    rows = []
    for (beside, op, n), both in found.items():
        if op not in ("threads", "mr"):
            continue
        also = {name: middle[beside, name, n] for name in ("worst_add", "worst_del", "load")
                if op == "threads" and (beside, name) != ("alone", "load")}
        ratios = [ours / theirs for theirs, ours in zip(*both)]
        c, rust = middle[beside, op, n]
        rows.append(Row(op, n, c, rust, statistics.median(ratios),
                        (min(ratios), max(ratios)),
                        Setting(flavour, machine.cpus, "" if beside == "alone" else beside),
                        also))
    return rows


def run(kernel: Kernel, *others: Kernel) -> int:
    """Runs both parts on the first kernel and the second part on the others."""
    subjects = [Subject(one) for one in (kernel, *others)]
    folder = programs(kernel.root)
    rows = costs(subjects[0])
    for subject in subjects:
        for machine in RACING:
            rows += races(subject, folder, machine)
    order = list(UNITS)
    rows.sort(key=lambda row: (order.index(row.op), row.setting, row.n))

    date = datetime.date.today().isoformat()
    result = {"kernel": kernel.release, "date": date, "rows": [row.json() for row in rows]}
    (BUILD / "bench.json").write_text(json.dumps(result, indent=1) + "\n")
    (BUILD / "bench.md").write_text(report.summary(rows))
    report.picture(kernel, rows, BUILD / "bench.svg")
    text, missed, slow = report.text(rows)
    print(f"\nLinux {kernel.release} as Debian ships it, {date}\n\n{text}\n")
    if qemu.accelerator_for(kernel) == "tcg":
        say("KVM does not work here: the threads ran on emulated processors")
    if slow:
        say(f"{slow} targets of threads missed. Their figures vary, so that is no failure")
    say((f"FAILED {missed} targets" if missed else "all other targets reached" if slow else
         "all targets reached") + "; build/bench.json, build/bench.svg")
    return 1 if missed else 0
