# SPDX-License-Identifier: GPL-2.0
"""`make compare`: what the C tracker and this one show of the same workloads.

Debian's kernel is booted twice, with Debian's RDMA modules and with ours. In both, the
workloads of tests/compare/guest run. Where they hold still, the kernel is asked all
that the tool rdma can ask; where they do not, it is asked many times. The answers must
be the same, in the same order. What differs is listed in differences.toml, with its
reason and its exact number.
"""

import concurrent.futures
import difflib
import fnmatch
import json
import os
import re
import shlex
import shutil
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.guest import qemu
from scripts.kernel import modules
from scripts.kernel.kernels import Kernel
from scripts.paths import BUILD, CHECKOUT
from scripts.progress import Failed, Step, say
from tests.compare import captures
from tests.compare.guest.main import choose
from tests.compare.guest.scene import Wrong

Shown = dict[str, list[str]]    # by the name of a capture, its lines
Change = tuple[str, str]        # a sign and a line
Tally = Counter[tuple[int, str, str]]

TESTS = CHECKOUT / "tests/compare"
DIFFERENCES = TESTS / "differences.toml"
OUT = BUILD / "compare"
LARGE = 100_000     # bytes of a capture
LIMIT = 3000        # seconds for one boot with all workloads; 300 on an idle machine

SIDES = {"c": "the C tracker, Debian's binary modules",
         "rust": "rdma_restrack and the modules on top of it"}

# Users of RDMA outside drivers/infiniband. Debian's binaries know the layout of
# Debian's ib_core, so they are built again for ours. For each folder of the kernel,
# the option of the module that is wanted, then those of the others.
KERNEL_USERS = {
    "drivers/nvme/host": ("NVME_RDMA", "NVME_CORE", "BLK_DEV_NVME", "NVME_FABRICS",
                          "NVME_FC", "NVME_TCP"),
    "drivers/nvme/target": ("NVME_TARGET_RDMA", "NVME_TARGET", "NVME_TARGET_LOOP",
                            "NVME_TARGET_FC", "NVME_TARGET_FCLOOP", "NVME_TARGET_TCP",
                            "NVME_TARGET_PCI_EPF"),
    "net/rds": ("RDS_RDMA", "RDS", "RDS_TCP"),
}
# Debian's modules that the workloads need and that do not use RDMA.
NEUTRAL_MODULES = ("rds",)


# Modules

def _build(step: Step, kernel: Kernel, folder: str, out: Path, options: Sequence[str],
           *words: str) -> list[Path]:
    """Builds a folder of the kernel as an external module; returns the modules."""
    out.mkdir(parents=True, exist_ok=True)
    wanted, *others = options
    step.run(kernel.root.enter(
        ["make", f"-j{os.cpu_count()}", "-C", kernel.objects,
         f"M={kernel.source / folder}", f"MO={out}", f"CONFIG_{wanted}=m",
         *(f"CONFIG_{other}=" for other in others),
         *kernel.variant.make_arguments, *words, "modules"],
        readable=[CHECKOUT, kernel.source, kernel.objects],
        writable=[modules.folder(kernel.variant)]))
    return sorted(out.glob("*.ko"))


def _c_modules(kernel: Kernel) -> Path:
    """The folder of modules with Debian's RDMA modules, and with siw, which Debian does not
    ship, built from Debian's source."""
    build = modules.folder(kernel.variant)
    with Step("siw for the C tracker", "compare-siw") as step:
        built = _build(step, kernel, "drivers/infiniband/sw/siw", build / "siw-c", ("RDMA_SIW",))
        _add(step, kernel, build / "tree-c", built)
    return modules.install_distribution(kernel)


def _rust_modules(kernel: Kernel) -> Path:
    """The folder of modules with ours, and with users of RDMA built against them."""
    made = modules.build(kernel)
    build = modules.folder(kernel.variant)
    tree = build / "tree-compare"
    with Step("NVMe and RDS for rdma_restrack", "compare-users") as step:
        built = []
        for folder, options in KERNEL_USERS.items():
            built += _build(
                step, kernel, folder, build / "users" / folder, options,
                # The headers of the patched tree come before the kernel's.
                f"NOSTDINC_FLAGS=-nostdinc -I{CHECKOUT}/include "
                f"-I{build}/rdma/include",
                modules.symbols(kernel))
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(made.folder, tree)
        assert kernel.stock_rdma, "Debian ships modules for this kernel"
        built += [path for name in NEUTRAL_MODULES
                  for path in kernel.stock_rdma.rglob(f"{name}.ko")]
        _add(step, kernel, tree, built)
        step.run(kernel.root.enter(["depmod", kernel.release], readable=[CHECKOUT],
                                   over=[(tree, "/usr/lib/modules")]))
    return tree


def _add(step: Step, kernel: Kernel, tree: Path, built: Iterable[Path]) -> None:
    """Adds modules to a folder of modules."""
    updates = tree / kernel.release / "updates"
    updates.mkdir(parents=True, exist_ok=True)
    for module in built:
        step.run(kernel.root.enter(
            ["objcopy", "--strip-debug", module, updates / module.name],
            readable=[CHECKOUT, kernel.objects, module.parent],
            writable=[modules.folder(kernel.variant)]))


def _copy_selftests(kernel: Kernel) -> None:
    """Copies the kernel's selftests to where a guest can read them."""
    out = modules.folder(kernel.variant) / "selftests"
    for folder in ("rdma", "kselftest"):
        shutil.copytree(kernel.source / "tools/testing/selftests" / folder,
                        out / folder, dirs_exist_ok=True)


# Boots

def _name(side: str) -> str:
    return f"compare-{side}"


def _run(kernel: Kernel, side: str, folder: Path, chosen: str) -> Shown:
    """Boots one side; returns the lines of each capture, by its name."""
    name = _name(side)
    log = qemu.log_of(kernel, name).relative_to(CHECKOUT)
    say(f"booting {kernel.release} with {SIDES[side]} (log: {log})")
    verdict = qemu.boot(
        kernel, folder, name,
        f'export SELFTESTS={modules.folder(kernel.variant)}/selftests/rdma; '
        f'cd "$CHECKOUT"; exec python3 -B -m tests.compare.guest.main "$RESULTS/captures" {chosen}',
        limit=LIMIT, show=side == "rust")
    said = verdict.results / "captures"
    if verdict.why:
        raise Failed(f"compare, {SIDES[side]}", verdict.why, log)
    shown = {}
    for path in sorted(said.glob("*/*.json")):
        shown[f"{path.parent.name}/{path.stem}"] = captures.lines(json.loads(path.read_text()))
    for path in sorted(said.glob("*/wrong")):
        shown[f"{path.parent.name}/wrong"] = path.read_text().splitlines()[:1]
    for path in sorted(said.glob("*/remarks")):
        for line in path.read_text().splitlines():
            say(f"REMARK {path.parent.name}, with {SIDES[side]}: {line}")
    _write(OUT / side, shown)
    return shown


def _run_both(kernel: Kernel, folders: dict[str, Path], chosen: str) -> dict[str, Shown]:
    """Boots both sides at once; returns the lines of both."""
    with concurrent.futures.ThreadPoolExecutor(len(folders)) as pool:
        try:
            jobs = {side: pool.submit(_run, kernel, side, folder, chosen)
                    for side, folder in folders.items()}
            return {side: job.result() for side, job in jobs.items()}
        except BaseException:
            qemu.stop_all()
            raise


def _write(folder: Path, shown: Shown) -> None:
    """Writes captures as text."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, lines in shown.items():
        path = folder / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines))


# Differences

@dataclass(frozen=True)
class Expected:
    """An entry of the list: what differs, where, and exactly how often."""

    reason: str
    where: str = "*"
    c: str | None = None
    rust: str | None = None
    words: Sequence[str] = ()                   # the sides differ in these only
    lines: dict[str, list[int]] | None = None   # per workload: lines of C, lines of ours
    each: str | None = None                     # or one for each line like that

    def _fits(self, sign: str, text: str) -> bool:
        pattern = self.c if sign == "-" else self.rust
        return pattern is not None and re.fullmatch(pattern, text) is not None

    def _knows(self, name: str) -> bool:
        return fnmatch.fnmatchcase(name, self.where) \
            and (self.lines is None or _workload(name) in self.lines)

    def match(self, name: str, changed: Sequence[Change]) -> list[int]:
        """The indices of the lines that are expected."""
        if not self._knows(name):
            return []
        if not self.words:
            return [i for i, (sign, text) in enumerate(changed) if self._fits(sign, text)]
        found: list[int] = []
        rest: dict[tuple[str, str], list[int]] = {}
        for i, (sign, text) in enumerate(changed):
            words, same = self._split(text)
            if not self._fits(sign, words):
                continue
            other = rest.get(("+" if sign == "-" else "-", same))
            if other:
                found += [other.pop(), i]
            else:
                rest.setdefault((sign, same), []).append(i)
        return found

    def _split(self, text: str) -> tuple[str, str]:
        """The words that may differ, and the line without them."""
        words = [word for word in text.split(" ") if word.partition("=")[0] in self.words]
        return " ".join(words), " ".join(word for word in text.split(" ") if word not in words)


def _workload(name: str) -> str:
    return name.partition("/")[0]


def _expected() -> list[Expected]:
    return [Expected(**entry) for entry in tomllib.loads(DIFFERENCES.read_text())["difference"]]


def _changed(sides: Sequence[list[str]]) -> Iterator[Change]:
    """The lines that only one side has, with a sign, in order."""
    theirs, ours = sides
    theirs = [line for line in theirs if captures.MAY not in line]
    for how, a, b, c, d in difflib.SequenceMatcher(
            None, theirs, ours, autojunk=False).get_opcodes():
        if how != "equal":
            yield from (("-", line) for line in theirs[a:b])
            yield from (("+", line) for line in ours[c:d])


class Judgement:
    """What differs in one capture: all lines, those that are unexpected, and how many
    lines each entry of the list explains."""

    def __init__(self, name: str, sides: Sequence[list[str]], expected: Iterable[Expected]) -> None:
        self.changed = list(_changed(sides))
        self.reasons: list[str | None] = [None] * len(self.changed)
        self.tally: Tally = Counter()
        self.unexpected = []
        for number, entry in enumerate(expected):
            found = [i for i in entry.match(name, self.changed) if not self.reasons[i]]
            for i in found:
                self.reasons[i] = entry.reason
                self.tally[number, _workload(name), self.changed[i][0]] += 1
            wanted = sum(bool(re.fullmatch(entry.each, line)) for line in sides[1]) \
                if entry.each and fnmatch.fnmatchcase(name, entry.where) else len(found)
            if wanted != len(found):
                self.unexpected.append(f"{len(found)} lines instead of {wanted}: {entry.reason}")
        self.unexpected += [f"{sign}{line}" for (sign, line), reason
                     in zip(self.changed, self.reasons) if not reason]
        # Wrong on both sides, which is no difference.
        self.unexpected += [f" {line}" for line in sides[0]
                     if captures.WRONG in line and line in sides[1]]

    def verdict(self) -> tuple[list[str], Tally]:
        return self.unexpected, self.tally


def _compare(shown: dict[str, Shown], expected: list[Expected]) -> tuple[list[str], Tally]:
    """Writes the whole diff; returns the unexpected lines and the tally."""
    unexpected, diff = [], []
    tally: Tally = Counter()
    for name in sorted(shown["c"].keys() | shown["rust"].keys()):
        sides = [shown[side].get(name, ["(no such capture)"]) for side in SIDES]
        judged = Judgement(name, sides, expected)
        tally += judged.tally
        unexpected += [f"{name}: {line}" for line in judged.unexpected]
        if judged.changed:
            diff.append(f"==== {name}")
        diff += [f"{sign}{line}" + (f"    [expected: {reason}]" if reason else "")
                 for (sign, line), reason in zip(judged.changed, judged.reasons)]
        unexpected += [f"{name}: not reached by {SIDES[side]}: {lines[0]}"
                for side, lines in zip(SIDES, sides)
                if name.endswith("/wrong") and lines != ["(no such capture)"]]
    (OUT / "diff.txt").write_text("".join(f"{line}\n" for line in diff))
    (OUT / "unexpected.txt").write_text("".join(f"{line}\n" for line in unexpected))
    return unexpected, tally


def _miscounted(expected: list[Expected], tally: Tally, ran: set[str]) -> Iterator[str]:
    """Entries of the list that explain more or fewer lines than they say."""
    for number, entry in enumerate(expected):
        for workload, wanted in sorted((entry.lines or {}).items()):
            seen = [tally[number, workload, sign] for sign in "-+"]
            if workload in ran and seen != wanted:
                yield f"{workload}: [C, ours] {seen} lines instead of {wanted}: {entry.reason}"
        if entry.each and not any(seen for (of, _, _), seen in tally.items() if of == number):
            yield f"no line at all: {entry.reason}"


def _unseen(folder: Path, shown: dict[str, Shown],
            expected: list[Expected]) -> tuple[int, list[str]]:
    """Breaks each capture of ours and compares it with the one of C's; returns how many were
    tried, and those that were not noticed. Large captures have nothing that small ones lack."""
    tried, unseen = 0, []
    for path in sorted(folder.glob("*/*.json")):
        if path.stat().st_size > LARGE:
            continue
        name = f"{path.parent.name}/{path.stem}"
        theirs = shown["c"].get(name, [])
        capture = json.loads(path.read_text())
        original = Judgement(name, [theirs, captures.lines(capture)], expected).verdict()
        for what, broken in captures.broken(capture):
            tried += 1
            if Judgement(name, [theirs, captures.lines(broken)], expected).verdict() == original:
                unseen.append(f"{name}: {what}")
    return tried, unseen


def run(kernel: Kernel) -> int:
    """Runs the comparison; returns the exit code."""
    patterns = os.environ.get("ONLY", "").split()
    try:
        choose(patterns)
    except Wrong as wrong:
        raise Failed("ONLY", str(wrong)) from None
    # So that the guest's shell does not expand wildcards.
    chosen = shlex.join(patterns)
    folders = {"c": _c_modules(kernel), "rust": _rust_modules(kernel)}
    _copy_selftests(kernel)
    OUT.mkdir(parents=True, exist_ok=True)
    shown = _run_both(kernel, folders, chosen)
    expected = _expected()
    unexpected, tally = _compare(shown, expected)
    stale = list(_miscounted(expected, tally, set(map(_workload, shown["c"]))))

    tried, unseen = _unseen(qemu.results_of(kernel, _name("rust")) / "captures", shown, expected)

    where = OUT.relative_to(CHECKOUT)
    say(f"{tried} captures with a mistake in them: {len(unseen)} look like the original")
    for line in unseen[:10]:
        print(f"UNSEEN {line[:200]}")
    for number, entry in enumerate(expected):
        if seen := sum(n for (of, _, _), n in tally.items() if of == number):
            say(f"expected, {seen} lines: {entry.reason}")
    for line in stale:
        print(f"COUNT {line}")
    for line in unexpected[:40]:
        print(f"DIFFERENCE {line[:200]}")
    say(f"captures: {where}/c, {where}/rust; all differences: {where}/diff.txt; "
        f"those not expected: {where}/unexpected.txt")
    number = len(shown["c"])
    if not number:
        print("FAILED compare: nothing was captured")
        return 1
    print(f"compare: {number} captures, {sum(map(len, shown['c'].values()))} lines, "
          f"{len(unexpected)} unexpected differences, {len(stale)} wrong counts", flush=True)
    return 1 if unexpected or stale or unseen else 0
