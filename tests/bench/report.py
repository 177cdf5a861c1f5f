# SPDX-License-Identifier: GPL-2.0
"""The figures of `make bench` as tables and as a picture."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.kernel.kernels import Kernel
from scripts.progress import Step
from tests.bench.figures import BYTES, LABELS, LOADS, RATE, SYSTEM_TIME, UNITS, VIRTUAL_TIME, \
    Row, Setting, targets


Lines = Sequence[Sequence[str]]     # of cells


def text(rows: list[Row]) -> tuple[str, int, int]:
    """All tables for a terminal, and how many targets were missed.

    First those of figures that repeat, then those of threads.
    """
    table, missed = _every_row([row for row in rows if not row.setting])
    slow = [("missed:", "CPUs", "", "of them", "Rust : C", "target")]
    for row in rows:
        bounds = [bound.text for bound in targets(row, rows) if not bound.kept]
        if row.setting and bounds:
            slow.append((row.setting.kernel, str(row.setting.cpus), row.label, str(row.n),
                         _cell(row), ", ".join(bounds)))
    parts = [table, *(f"{title}\n\n{_lines(lines)}" for title, lines in _of_threads(rows))]
    if len(slow) > 1:
        parts.append(_lines(slow))
    return "\n\n".join(parts), missed, len(slow) - 1


def summary(rows: list[Row]) -> str:
    """All tables for the documentation."""
    parts = [_lines(_by_size([row for row in rows if not row.setting]), pretty=False)]
    for title, lines in _of_threads(rows):
        parts += [title, _lines(lines, pretty=False)]
    return "\n\n".join(parts) + "\n"


def _lines(lines: Lines, right: Sequence[bool] = (), pretty: bool = True) -> str:
    """A table in Markdown. The first line has the heads."""
    widths = [max(map(len, column)) if pretty else 0 for column in zip(*lines)]
    right = right or [False] * len(widths)
    rule = [("-" * max(width - 1, 2)) + (":" if to_right else "-")
            for width, to_right in zip(widths, right)]
    return "\n".join(
        "| " + " | ".join(cell.rjust(width) if to_right else cell.ljust(width)
                          for cell, width, to_right in zip(line, widths, right)) + " |"
        for line in (lines[0], rule, *lines[1:]))


def _number(value: float) -> str:
    return f"{value:,.0f}"


# What repeats

def _every_row(rows: list[Row]) -> tuple[str, int]:
    """A line for each row, and the number of missed targets."""
    lines: list[tuple[str, ...]] = [
        ("operation", "objects", "C", "Rust", "ratio", "unit", "target", "")]
    for row in rows:
        bounds = targets(row, rows)
        ratio = f"{row.ratio:.2f}" if row.ratio >= 0.1 else f"{row.ratio:.2g}"
        mark = "" if not bounds else "ok" if all(bound.kept for bound in bounds) else "missed"
        lines.append((row.op, _number(row.n), _number(row.c), _number(row.rust), ratio,
                      UNITS[row.op], ", ".join(bound.text for bound in bounds), mark))
    lines += _growth(rows)
    right = (False, True, True, True, False, False, False, False)
    return _lines(lines, right), sum(line[-1] == "missed" for line in lines)


def _growth(rows: list[Row]) -> list[tuple[str, ...]]:
    """Lines that say whether the time of a dump is proportional to its length."""
    at = {(row.op, row.n): row for row in rows}
    lines: list[tuple[str, ...]] = []
    for op, most in (("dump_pd", 3.5), ("show_pd", 4.2)):
        few, many = at[op, 32000], at[op, 100000]
        c, rust = many.c / few.c, many.rust / few.rust
        lines.append((op, "100,000 : 32,000", f"{c:.1f}", f"{rust:.1f}", "", "times",
                      f"Rust <= {most}", "ok" if rust <= most else "missed"))
    return lines


def _by_size(rows: list[Row]) -> Lines:
    """A line for each operation, a column for each number of objects."""
    sizes = sorted({row.n for row in rows})
    lines = [["", *(f"{size:,}" for size in sizes)]]
    for op, name in LABELS.items():
        at = {row.n: row for row in rows if row.op == op}
        if at:
            lines.append([name, *(_cell(at.get(size)) for size in sizes)])
    return lines


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    scale, unit = _scale(row)
    ours, theirs = (_short(value * scale) for value in (row.rust, row.c))
    ratio = f"{row.ratio:.2g}" if row.ratio < 0.1 else f"{row.ratio:.2f}"
    return f"{ours} : {theirs}{unit} = **{ratio}**"


def _scale(row: Row) -> tuple[float, str]:
    """A factor for the values of a row, and the unit that they have then."""
    unit = UNITS[row.op]
    if unit in (SYSTEM_TIME, VIRTUAL_TIME):
        return (1e-6, " ms") if row.c >= 1e6 else (1e-3, " µs")
    return {BYTES: (1, " B"), RATE: (1e-3, " k/s")}.get(unit, (1, ""))


def _short(value: float) -> str:
    """A number with three digits, or with all before the point."""
    if value >= 1e6:
        return f"{value / 1e6:,.3g} M"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


# What has threads

def _of_threads(rows: list[Row]) -> list[tuple[str, Lines]]:
    """The tables of threads and processes: a title for each, and its lines."""

    def pair(name: str, scale: float) -> Callable[[Row], str]:
        def cell(row: Row) -> str:
            if name not in row.also:
                return ""
            c, rust = (_short(value * scale) for value in row.also[name])
            return f"{rust} : {c}"
        return cell

    threads = [row for row in rows if row.op == "threads"]
    loaded = [row for row in threads if row.setting.beside]
    return [
        ("Pairs in a second, by the number of threads or processes:",
         _by_threads([row for row in rows if row.setting], _cell)),
        ("Worst single add, in ms:", _by_threads(threads, pair("worst_add", 1e-6))),
        ("Worst single del, in ms:", _by_threads(threads, pair("worst_del", 1e-6))),
        ("Dumps, counts and lookups in a second meanwhile:",
         _by_threads(loaded, pair("load", 1))),
    ]


def _by_threads(rows: list[Row], cell: Callable[[Row], str]) -> Lines:
    """A line for each setting of an operation, a column for each number of threads."""
    numbers = sorted({row.n for row in rows})
    lines = [["kernel", "CPUs", "", *map(str, numbers)]]
    settings: dict[tuple[str, int, str], dict[int, Row]] = {}
    for row in rows:
        settings.setdefault((row.setting.kernel, row.setting.cpus, row.label), {})[row.n] = row
    for (flavour, cpus, label), at in settings.items():
        lines.append([flavour, str(cpus), label,
                      *(cell(at[n]) if n in at else "" for n in numbers)])
    return lines


# The picture

@dataclass(frozen=True)
class Line:
    """An operation in the picture, for both trackers."""

    op: str
    setting: Setting = Setting()

    def points(self, rows: list[Row], least: int, scale: float) -> list[tuple[float, float, float]]:
        return sorted((max(row.n, least), row.c * scale, row.rust * scale)
                      for row in rows if (row.op, row.setting) == (self.op, self.setting))

    @property
    def title(self) -> str:
        if not self.setting:
            return LABELS[self.op].replace("`", "")
        return f"{self.setting.kernel} {LOADS[self.setting.beside]}".strip()


# A logarithmic axis has no zero, so it is where 100 would be.
OBJECTS = ("live objects", 100, "set xrange [70:1500000]; set xtics ('0' 100, '1k' 1e3, "
           "'10k' 1e4, '100k' 1e5, '1M' 1e6)")
THREADS = ("threads on 2 CPUs", 1, "set xrange [0.9:18]; set xtics (1, 2, 4, 6, 8, 16)")


@dataclass(frozen=True)
class Panel:
    """A part of the picture."""

    title: str
    lines: tuple[Line, ...]
    scale: float = 1
    across: tuple[str, int, str] = OBJECTS


PANELS = (
    Panel("instructions per call",
          tuple(map(Line, ("add", "del", "get_byid_pd", "get_byid_qp_random", "get_put")))),
    Panel("instructions per call", (Line("count"),)),
    Panel("milliseconds", tuple(map(Line, ("show_pd", "dump_pd", "show"))), 1e-6),
    Panel("k/s of add + del",
          tuple(Line("threads", Setting(kernel, 2, beside))
                for kernel in ("amd64", "rt-amd64") for beside in ("", "lookup")),
          1e-3, THREADS),
)
COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#d68910")


def picture(kernel: Kernel, rows: list[Row], path: Path) -> None:
    """Draws the cost by the number of objects, and the throughput by that of threads."""
    script = [
        "set terminal svg size 1740,520 font 'sans-serif,13' background '#ffffff'",
        f"set output '{path}'",
        f"set multiplot layout 1,{len(PANELS)}",
        "set logscale xy", "set grid lc rgb '#dddddd'",
        "set key below horizontal maxcols 1 Left reverse noenhanced", "set bmargin 9",
    ]
    for number, panel in enumerate(PANELS):
        label, smallest, axis = panel.across
        script += [f"set xlabel '{label}'", axis]
        plots, values = [], []
        for index, (line, colour) in enumerate(zip(panel.lines, COLOURS)):
            points = line.points(rows, smallest, panel.scale)
            values += [value for _, *both in points for value in both]
            name = f"$data_{number}_{index}"
            script += [f"{name} << END",
                       *(" ".join(f"{value:g}" for value in point) for point in points),
                       "END"]
            style = f"with linespoints lw 2 pt 7 ps 0.5 lc rgb '{colour}'"
            plots += [f"{name} using 1:2 {style} dt (8,5) notitle",
                      f'{name} using 1:3 {style} dt 1 title "{line.title}"']
        least, most = (math.log10(end(values)) for end in (min, max))
        script += [f"set title '{panel.title} (solid: Rust, dashed: C)'",
                   f"set format y '{'10^{%T}' if most > 5 else '%g'}'",
                   f"set yrange [1e{math.floor(least)}:1e{math.ceil(most)}]",
                   "plot " + ", ".join(plots)]
    with Step("picture", "bench-picture") as step:
        source = path.with_name("bench.gnuplot")
        source.write_text("\n".join([*script, "unset multiplot", ""]))
        step.run(kernel.root.enter(["gnuplot", source], writable=[path.parent]))
        source.unlink()
        first, rest = path.read_text().split("\n", 1)
        path.write_text(f"{first}\n<!-- SPDX-License-Identifier: GPL-2.0 -->\n{rest}")
