# SPDX-License-Identifier: GPL-2.0
"""`make bench`: what the tracker costs beside the one inside Debian's ib_core.

Two parts, both on Debian's kernel as shipped. In the first, two guests (one for
each tracker) have a clock that counts instructions, one a nanosecond, so that
figures repeat; they do not even see that both run at the same time. In the
second, one guest has several processors and a real clock, and the trackers
take turns in it.

The module in tests/bench measures; this file runs it and shows what it found:
a table, build/bench.json, build/bench.svg, and build/bench.md for the README.
"""

import datetime
import json
import math
import statistics
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import guest
import modules
from buildroot import CHECKOUT
from modules import BUILD, LOGS
from progress import Failed, Step, say

SOURCES = CHECKOUT / "tests/bench"
C, RUST = "c", "rust"
NAMES = {C: "C", RUST: "Rust"}

COUNTING = guest.Machine(cpus=1, memory="4G", icount="shift=0,sleep=off")
RACING = guest.Machine(cpus=4, memory="2G")
COUNTING_LIMIT = 2700
RACING_LIMIT = 900
ROUNDS = 5

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
    "threads_1": RATE, "threads_2": RATE, "threads_4": RATE, "threads_4_dump": RATE,
}


# What people call it.
LABELS = {
    "add": "new + set_name + add", "del": "del",
    "add_kernel": "the same for an object of the kernel", "del_kernel": "del of such an object",
    "get_put": "get + put",
    "get_byid_pd": "get_byid + put, PDs",
    "get_byid_qp_seq": "get_byid + put, QPs numbered in turn",
    "get_byid_qp_random": "get_byid + put, QPs numbered at random", "count": "count",
    "worst_add": "worst single add of so many", "worst_del": "worst single del of so many",
    "show_pd": "`rdma resource show pd`", "dump_pd": "of this, the dump in the kernel",
    "show": "`rdma resource show`",
    "bytes_per_pd": "memory for each PD",
    "threads_1": "add + del, 1 thread", "threads_2": "add + del, 2 threads",
    "threads_4": "add + del, 4 threads", "threads_4_dump": "the same beside a dump",
}


def _digits(ratio):
    """A ratio to three digits, however small it is."""
    return float(f"{ratio:.3g}")


@dataclass(frozen=True)
class Row:
    """One operation at one number of objects, with both trackers."""

    op: str
    n: int
    c: float
    rust: float
    ratio: float
    spread: tuple = ()      # least and greatest ratio of the rounds

    def json(self):
        values = {"op": self.op, "n": self.n, "c": self.c, "rust": self.rust,
                  "ratio": _digits(self.ratio), "unit": UNITS[self.op]}
        if self.spread:
            values["spread"] = [_digits(ratio) for ratio in self.spread]
        return values


# What is to be reached: the text of the table, and whether a row does.

@dataclass(frozen=True)
class Target:
    """A bound that a row has to keep."""

    text: str
    kept: callable


def _ratio_at_most(most):
    return Target(f"ratio <= {most:g}", lambda row: row.ratio <= most)


def _at_most(most):
    return Target(f"Rust <= {most:,}", lambda row: row.rust <= most)


_NOT_SLOWER = Target("ratio >= 1", lambda row: row.ratio >= 1)
_NOT_MUCH_LARGER = Target("Rust <= C + 32", lambda row: row.rust <= row.c + 32)


def target(row):
    """The target of a row, or none."""
    at = {
        ("dump_pd", 10): _ratio_at_most(1.3),
        ("dump_pd", 32000): _ratio_at_most(0.05),
        ("show_pd", 32000): _ratio_at_most(0.05),
        ("worst_add", 1000000): _at_most(50000),
        ("worst_del", 1000000): _at_most(50000),
        ("bytes_per_pd", 100000): _NOT_MUCH_LARGER,
        ("threads_4", 10000): _NOT_SLOWER,
        ("threads_4_dump", 10000): _NOT_SLOWER,
    }
    everywhere = {
        "add": _ratio_at_most(0.35), "add_kernel": _ratio_at_most(0.35),
        "del": _ratio_at_most(0.25), "del_kernel": _ratio_at_most(0.25),
        "get_put": _ratio_at_most(1), "get_byid_pd": _ratio_at_most(0.7),
        "get_byid_qp_seq": _ratio_at_most(0.7),
        "get_byid_qp_random": _ratio_at_most(0.7), "count": _at_most(300),
    }
    return at.get((row.op, row.n)) or everywhere.get(row.op)


# Building and measuring

def build(kernel, side):
    """The benchmark module for one tracker."""
    out = modules.folder(kernel.variant)
    folder = out / f"bench-{side}"
    words = [f"RESTRACK={CHECKOUT}", f"TRACKER={side}"]
    if side == RUST:
        words.append(f"KBUILD_EXTRA_SYMBOLS={out}/module/Module.symvers "
                     f"{out}/rdma/Module.symvers")
    with Step(f"benchmark module for the {NAMES[side]} tracker",
              LOGS / f"{kernel.variant.name}-bench-{side}-module.log") as step:
        folder.mkdir(parents=True, exist_ok=True)
        step.run(modules.make_command(kernel, SOURCES, folder, *words))
    return folder / "restrack_bench.ko"


def _boot(kernel, tree, name, command, limit, machine):
    log = guest.log_of(kernel, name).relative_to(CHECKOUT)
    say(f"booting {name}, at most {limit // 60} minutes (log: {log})")
    verdict = guest.boot(kernel, tree, name, command, limit, machine=machine, show=True)
    if verdict.why:
        raise Failed(name, verdict.why, verdict.log.relative_to(CHECKOUT))
    return verdict.results


def _read(path):
    """The results in a file: (operation, objects) to a list of values."""
    found = {}
    for line in path.read_text().splitlines():
        op, n, value = line.split()
        found.setdefault((op, int(n)), []).append(int(value))
    if not found:
        raise Failed("bench", "a measurement has no result", path)
    return found


def costs(kernel, trees, benches):
    """The first part: rows of what repeats."""

    def measure(side):
        results = _boot(kernel, trees[side], f"bench-{side}",
                        f"exec $CHECKOUT/tests/bench/cost.sh {benches[side]} {NAMES[side]}",
                        COUNTING_LIMIT, COUNTING)
        return {key: values[0] for path in results.glob("*.result")
                for key, values in _read(path).items()}

    with ThreadPoolExecutor() as pool:
        c, rust = pool.map(measure, (C, RUST))
    if c.keys() != rust.keys():
        raise Failed("bench", "the guests did not measure the same: "
                     f"{sorted(c.keys() ^ rust.keys())}")
    return [Row(op, n, value, rust[op, n], rust[op, n] / value)
            for (op, n), value in c.items()]


def races(kernel, made, trees, benches):
    """The second part: rows of what varies."""
    core = "drivers/infiniband/core/ib_core.ko"
    load = {
        C: [trees[C] / kernel.release / "kernel" / core, benches[C]],
        RUST: [made.restrack, BUILD / kernel.variant.name / "rdma" / core,
               benches[RUST]],
    }
    c, rust = (" ".join(map(str, load[side])) for side in (C, RUST))
    results = _boot(kernel, trees[RUST], "bench-threads",
                    f"exec $CHECKOUT/tests/bench/threads.sh {ROUNDS} '{c}' '{rust}'",
                    RACING_LIMIT, RACING)
    c, rust = (_read(results / f"{side}.result") for side in (C, RUST))
    rows = []
    for (op, n), values in c.items():
        ratios = [ours / theirs for ours, theirs in zip(rust[op, n], values)]
        rows.append(Row(op, n, statistics.median(values), statistics.median(rust[op, n]),
                        statistics.median(ratios), (min(ratios), max(ratios))))
    return rows


# Showing

def _number(value):
    return f"{value:,.0f}"


def table(rows):
    """The rows as a table, and how many targets were missed."""
    lines = [("operation", "objects", "C", "Rust", "ratio", "unit", "target", "")]
    missed = 0
    for row in rows:
        bound = target(row)
        ratio = f"{row.ratio:.2f}" if row.ratio >= 0.1 else f"{row.ratio:.2g}"
        if row.spread:
            ratio += f" ({row.spread[0]:.2f} to {row.spread[1]:.2f})"
        mark = "" if not bound else "ok" if bound.kept(row) else "missed"
        missed += mark == "missed"
        lines.append((row.op, _number(row.n), _number(row.c), _number(row.rust), ratio,
                      UNITS[row.op], bound.text if bound else "", mark))
    lines += _growth(rows)
    missed += sum(line[-1] == "missed" for line in lines[len(rows) + 1:])
    widths = [max(map(len, column)) for column in zip(*lines)]
    right = (False, True, True, True, False, False, False, False)

    def show(line):
        cells = (cell.rjust(width) if to_right else cell.ljust(width)
                 for cell, width, to_right in zip(line, widths, right))
        return f"| {' | '.join(cells)} |"

    rule = (("-" * (width - 1) + (":" if to_right else "-"))
            for width, to_right in zip(widths, right))
    return "\n".join([show(lines[0]), f"| {' | '.join(rule)} |",
                      *map(show, lines[1:])]), missed


def _growth(rows):
    """Whether a dump takes a time in proportion to what it shows."""
    at = {(row.op, row.n): row for row in rows}
    lines = []
    for op in ("dump_pd", "show_pd"):
        few, many = at[op, 32000], at[op, 100000]
        c, rust = many.c / few.c, many.rust / few.rust
        lines.append((op, "100,000 : 32,000", f"{c:.1f}", f"{rust:.1f}", "", "times",
                      "Rust <= 3.5", "ok" if rust <= 3.5 else "missed"))
    return lines


def summary(rows):
    """The rows as a table for people who have never seen the code: a line for each operation."""
    sizes = sorted({row.n for row in rows})
    lines = [["", *(f"{size:,}" for size in sizes)]]
    for op, name in LABELS.items():
        at = {row.n: row for row in rows if row.op == op}
        if at:
            lines.append([name, *(_cell(at.get(size)) for size in sizes)])
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(row):
    if row is None:
        return ""
    scale, unit = _scale(row)
    ours, theirs = (_short(value * scale) for value in (row.rust, row.c))
    ratio = f"{row.ratio:.2g}" if row.ratio < 0.1 else f"{row.ratio:.2f}"
    return f"{ours} : {theirs}{unit} = **{ratio}**"


def _scale(row):
    """By what to multiply the values of a row, and the unit that they have then."""
    unit = UNITS[row.op]
    if unit in (SYSTEM_TIME, VIRTUAL_TIME):
        return (1e-6, " ms") if row.c >= 1e6 else (1e-3, " µs")
    return {BYTES: (1, " B"), RATE: (1e-3, " k/s")}.get(unit, (1, ""))


def _short(value):
    """A number to three digits, or all of them before the point."""
    if value >= 1e6:
        return f"{value / 1e6:,.3g} M"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


@dataclass(frozen=True)
class Panel:
    """One part of the picture."""

    title: str
    ops: tuple
    scale: float = 1


PANELS = (
    Panel("instructions per call",
          ("add", "del", "get_byid_pd", "get_byid_qp_random", "get_put")),
    Panel("instructions per call", ("count",)),
    Panel("milliseconds", ("show_pd", "dump_pd", "show"), 1e-6),
)
COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#d68910")


def picture(kernel, rows, path):
    """Draws cost against number of objects: dashed is C, solid is Rust."""
    script = [
        "set terminal svg size 1300,520 font 'sans-serif,13' background '#ffffff'",
        f"set output '{path}'",
        f"set multiplot layout 1,{len(PANELS)}",
        "set logscale xy", "set grid lc rgb '#dddddd'",
        "set key below horizontal maxcols 1 Left reverse noenhanced", "set bmargin 9",
        "set xlabel 'live objects'",
        # There is no zero on this axis: it stands where 100 would.
        "set xrange [70:1500000]",
        "set xtics ('0' 100, '1k' 1e3, '10k' 1e4, '100k' 1e5, '1M' 1e6)",
    ]
    for panel in PANELS:
        plots, values = [], []
        for op, colour in zip(panel.ops, COLOURS):
            points = sorted((max(row.n, 100), row.c * panel.scale, row.rust * panel.scale)
                            for row in rows if row.op == op)
            values += [value for _, *both in points for value in both]
            script += [f"${op} << END",
                       *(" ".join(f"{value:g}" for value in point) for point in points),
                       "END"]
            line = f"with linespoints lw 2 pt 7 ps 0.5 lc rgb '{colour}'"
            title = LABELS[op].replace("`", "")
            plots += [f"${op} using 1:2 {line} dt (8,5) notitle",
                      f'${op} using 1:3 {line} dt 1 title "{title}"']
        least, most = (math.log10(end(values)) for end in (min, max))
        script += [f"set title '{panel.title} (solid: Rust, dashed: C)'",
                   f"set format y '{'10^{%T}' if most > 5 else '%g'}'",
                   f"set yrange [1e{math.floor(least)}:1e{math.ceil(most)}]",
                   "plot " + ", ".join(plots)]
    with Step("picture", LOGS / "bench-picture.log") as step:
        source = path.with_name("bench.gnuplot")
        source.write_text("\n".join([*script, "unset multiplot", ""]))
        step.run(kernel.root.enter(["gnuplot", source], writable=[path.parent]))
        source.unlink()
        first, rest = path.read_text().split("\n", 1)
        path.write_text(f"{first}\n<!-- SPDX-License-Identifier: GPL-2.0 -->\n{rest}")


def run(kernel):
    """Everything; the exit code."""
    made = modules.build(kernel)
    trees = {C: modules.install_distribution(kernel).folder, RUST: made.folder}
    benches = {side: build(kernel, side) for side in (C, RUST)}
    rows = costs(kernel, trees, benches) + races(kernel, made, trees, benches)
    order = list(UNITS)
    rows.sort(key=lambda row: (order.index(row.op), row.n))

    date = datetime.date.today().isoformat()
    text, missed = table(rows)
    result = {"kernel": kernel.release, "date": date, "rows": [row.json() for row in rows]}
    (BUILD / "bench.json").write_text(json.dumps(result, indent=1) + "\n")
    (BUILD / "bench.md").write_text(summary(rows))
    picture(kernel, rows, BUILD / "bench.svg")
    print(f"\nLinux {kernel.release} as Debian ships it, {date}\n\n{text}\n")
    if guest.accelerator_for(kernel) == "tcg":
        say("KVM does not work here: the threads ran on emulated processors")
    say(f"{missed} targets missed; build/bench.json, build/bench.svg" if missed else
        "all targets reached; build/bench.json, build/bench.svg")
    return 0
