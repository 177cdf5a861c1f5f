# SPDX-License-Identifier: GPL-2.0
"""make compare: the C tracker and this one, told apart by what they show.

The same kernel, Debian's own as shipped, is booted twice: with Debian's RDMA
modules as they are, and with ours. In both, the workloads of tests/compare run,
and at each point where they hold still everything is asked of the kernel that
the tool rdma can ask; where they do not, it is asked many times. The answers must
be the same, in the same order, but for what is listed with its reason and its
exact number in tests/compare/differences.toml.
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
from pathlib import Path
from typing import Any

from scripts.guest import qemu
from scripts.kernel import modules
from scripts.kernel.kernels import Kernel
from scripts.paths import BUILD, CHECKOUT
from scripts.progress import Failed, Step, say
from tests.compare import captures

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

# Users of RDMA in the kernel outside drivers/infiniband. Debian's binaries know
# the layout of Debian's ib_core, so ours need their own. Per folder of the
# kernel: the option of the module that is wanted, then those of the others.
KERNEL_USERS = {
    "drivers/nvme/host": ("NVME_RDMA", "NVME_CORE", "BLK_DEV_NVME", "NVME_FABRICS",
                          "NVME_FC", "NVME_TCP"),
    "drivers/nvme/target": ("NVME_TARGET_RDMA", "NVME_TARGET", "NVME_TARGET_LOOP",
                            "NVME_TARGET_FC", "NVME_TARGET_FCLOOP", "NVME_TARGET_TCP",
                            "NVME_TARGET_PCI_EPF"),
    "net/rds": ("RDS_RDMA", "RDS", "RDS_TCP"),
}
# Of Debian's modules, those that the workloads need and that touch no RDMA.
NEUTRAL_MODULES = ("rds",)


# Modules

def _build(step: Step, kernel: Kernel, folder: str, out: Path, options: Sequence[str],
           *words: str) -> list[Path]:
    """A folder of the kernel as an external module, with these options."""
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
    """Debian's modules, and siw: Debian has none, so this one is made of Debian's
    source, against Debian's headers."""
    build = modules.folder(kernel.variant)
    with Step("siw for the C tracker", "compare-siw") as step:
        built = _build(step, kernel, "drivers/infiniband/sw/siw", build / "siw-c",
                       ("RDMA_SIW",))
        _add(step, kernel, build / "tree-c", built)
    return modules.install_distribution(kernel)


def _rust_modules(kernel: Kernel) -> Path:
    """Ours, with the kernel's users of RDMA compiled against them."""
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
                f"KBUILD_EXTRA_SYMBOLS={build}/module/Module.symvers "
                f"{build}/rdma/Module.symvers")
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
    updates = tree / kernel.release / "updates"
    updates.mkdir(parents=True, exist_ok=True)
    for module in built:
        step.run(kernel.root.enter(
            ["objcopy", "--strip-debug", module, updates / module.name],
            readable=[CHECKOUT, kernel.objects, module.parent],
            writable=[modules.folder(kernel.variant)]))


def _copy_selftests(kernel: Kernel) -> None:
    """The kernel's selftests, to where a guest can read them."""
    out = modules.folder(kernel.variant) / "selftests"
    for folder in ("rdma", "kselftest"):
        shutil.copytree(kernel.source / "tools/testing/selftests" / folder,
                        out / folder, dirs_exist_ok=True)


# Boots

def _name(side: str) -> str:
    return f"compare-{side}"


def _run(kernel: Kernel, side: str, folder: Path, chosen: str) -> Shown:
    """Boots one side; what each capture says, by its name."""
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
        shown[f"{path.parent.name}/{path.stem}"] = \
            captures.lines(json.loads(path.read_text()))
    for path in sorted(said.glob("*/wrong")):
        shown[f"{path.parent.name}/wrong"] = path.read_text().splitlines()[:1]
    _write(OUT / side, shown)
    return shown


def _run_both(kernel: Kernel, folders: dict[str, Path], chosen: str) -> dict[str, Shown]:
    """Both sides at once: a guest does one thing after the other, mostly."""
    # Before the guests, which would both find out by trying.
    qemu.accelerator_for(kernel)
    with concurrent.futures.ThreadPoolExecutor(len(folders)) as pool:
        try:
            jobs = {side: pool.submit(_run, kernel, side, folder, chosen)
                    for side, folder in folders.items()}
            return {side: job.result() for side, job in jobs.items()}
        except BaseException:
            qemu.stop_all()
            raise


def _write(folder: Path, shown: Shown) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for name, lines in shown.items():
        path = folder / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines))


# Differences

class Meant:
    """One entry of the list: what differs, where, and exactly how often."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.reason = entry["reason"]
        self.where = entry.get("where", "*")
        self.patterns: dict[str, str | None] = {"-": entry.get("c"), "+": entry.get("rust")}
        self.words: list[str] = entry.get("words", [])      # the sides differ in these only
        # Per workload: lines of C, lines of ours.
        self.lines: dict[str, list[int]] | None = entry.get("lines")
        self.each: str | None = entry.get("each")           # or one for each line like that
        self.series: str | None = entry.get("series")

    def _fits(self, sign: str, text: str) -> bool:
        pattern = self.patterns[sign]
        return pattern is not None and re.fullmatch(pattern, text) is not None

    def _knows(self, name: str) -> bool:
        return fnmatch.fnmatchcase(name, self.where) \
            and (self.lines is None or _workload(name) in self.lines)

    def match(self, name: str, changed: Sequence[Change]) -> list[int]:
        """Those of the lines, pairs of a sign and a text, that are meant."""
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
        return " ".join(words), " ".join(word for word in text.split(" ")
                                         if word not in words)


def _workload(name: str) -> str:
    return name.partition("/")[0]


def _meant(series: str) -> list[Meant]:
    with DIFFERENCES.open("rb") as file:
        entries = [Meant(entry) for entry in tomllib.load(file)["difference"]]
    return [entry for entry in entries if not entry.series or entry.series == series]


def _changed(sides: Sequence[list[str]]) -> Iterator[Change]:
    """The lines that one side has and the other one has not, with signs, in order."""
    theirs, ours = sides
    theirs = [line for line in theirs if captures.MAY not in line]
    for how, a, b, c, d in difflib.SequenceMatcher(
            None, theirs, ours, autojunk=False).get_opcodes():
        if how != "equal":
            yield from (("-", line) for line in theirs[a:b])
            yield from (("+", line) for line in ours[c:d])


class Judgement:
    """What differs in one capture: every line, those that nobody meant, and how many
    lines each entry of the list explains."""

    def __init__(self, name: str, sides: Sequence[list[str]], meant: Iterable[Meant]) -> None:
        self.changed = list(_changed(sides))
        self.reasons = [None] * len(self.changed)
        self.tally: Tally = Counter()
        self.odd = []
        for number, entry in enumerate(meant):
            found = [i for i in entry.match(name, self.changed) if not self.reasons[i]]
            for i in found:
                self.reasons[i] = entry.reason
                self.tally[number, _workload(name), self.changed[i][0]] += 1
            wanted = sum(bool(re.fullmatch(entry.each, line)) for line in sides[1]) \
                if entry.each and fnmatch.fnmatchcase(name, entry.where) else len(found)
            if wanted != len(found):
                self.odd.append(f"{len(found)} lines instead of {wanted}: {entry.reason}")
        self.odd += [f"{sign}{line}" for (sign, line), reason
                     in zip(self.changed, self.reasons) if not reason]
        # What is wrong on both sides is no difference.
        self.odd += [f" {line}" for line in sides[0]
                     if captures.WRONG in line and line in sides[1]]

    def verdict(self) -> tuple[list[str], Tally]:
        return self.odd, self.tally


def _compare(shown: dict[str, Shown], meant: list[Meant]) -> tuple[list[str], Tally]:
    """Writes the whole diff; the lines of it that nobody meant, and the tally."""
    odd, diff = [], []
    tally: Tally = Counter()
    for name in sorted(shown["c"].keys() | shown["rust"].keys()):
        sides = [shown[side].get(name, ["(no such capture)"]) for side in SIDES]
        judged = Judgement(name, sides, meant)
        tally += judged.tally
        odd += [f"{name}: {line}" for line in judged.odd]
        if judged.changed:
            diff.append(f"==== {name}")
        diff += [f"{sign}{line}" + (f"    [meant: {reason}]" if reason else "")
                 for (sign, line), reason in zip(judged.changed, judged.reasons)]
        odd += [f"{name}: not reached by {SIDES[side]}: {lines[0]}"
                for side, lines in zip(SIDES, sides)
                if name.endswith("/wrong") and lines != ["(no such capture)"]]
    (OUT / "diff.txt").write_text("".join(f"{line}\n" for line in diff))
    (OUT / "unexpected.txt").write_text("".join(f"{line}\n" for line in odd))
    return odd, tally


def _miscounted(meant: list[Meant], tally: Tally, ran: set[str]) -> Iterator[str]:
    """Entries of the list that explain more or fewer lines than they say."""
    for number, entry in enumerate(meant):
        for workload, wanted in sorted((entry.lines or {}).items()):
            seen = [tally[number, workload, sign] for sign in "-+"]
            if workload in ran and seen != wanted:
                yield f"{workload}: [C, ours] {seen} lines instead of {wanted}: {entry.reason}"
        if entry.each and not any(seen for (of, _, _), seen in tally.items() if of == number):
            yield f"no line at all: {entry.reason}"


def _unseen(folder: Path, shown: dict[str, Shown], meant: list[Meant]) -> tuple[int, list[str]]:
    """Mistakes that would pass: each capture of ours is spoilt, and compared with the one
    of C's by the list of what is meant.

    Says how many were tried, too. Large captures have nothing that small ones lack.
    """
    tried, unseen = 0, []
    for path in sorted(folder.glob("*/*.json")):
        if path.stat().st_size > LARGE:
            continue
        name = f"{path.parent.name}/{path.stem}"
        theirs = shown["c"].get(name, [])
        capture = json.loads(path.read_text())
        original = Judgement(name, [theirs, captures.lines(capture)], meant).verdict()
        for what, spoilt in captures.spoilt(capture):
            tried += 1
            if Judgement(name, [theirs, captures.lines(spoilt)],
                         meant).verdict() == original:
                unseen.append(f"{name}: {what}")
    return tried, unseen


def run(kernel: Kernel) -> int:
    """Everything, with a verdict; the exit code."""
    # For the guest's shell, which is not to take wildcards for names of files.
    chosen = shlex.join(os.environ.get("ONLY", "").split())
    folders = {"c": _c_modules(kernel), "rust": _rust_modules(kernel)}
    _copy_selftests(kernel)
    OUT.mkdir(parents=True, exist_ok=True)
    shown = _run_both(kernel, folders, chosen)
    meant = _meant(kernel.variant.series)
    odd, tally = _compare(shown, meant)
    stale = list(_miscounted(meant, tally, set(map(_workload, shown["c"]))))

    tried, unseen = _unseen(qemu.results_of(kernel, _name("rust")) / "captures",
                            shown, meant)

    where = OUT.relative_to(CHECKOUT)
    say(f"{tried} captures with a mistake in them: {len(unseen)} look like the original")
    for line in unseen[:10]:
        print(f"UNSEEN {line[:200]}")
    for number, entry in enumerate(meant):
        if seen := sum(n for (of, _, _), n in tally.items() if of == number):
            say(f"meant, {seen} lines: {entry.reason}")
    for line in stale:
        print(f"COUNT {line}")
    for line in odd[:40]:
        print(f"DIFFERENCE {line[:200]}")
    say(f"captures: {where}/c, {where}/rust; all differences: {where}/diff.txt; "
        f"those not meant: {where}/unexpected.txt")
    number = len(shown["c"])
    if not number:
        print("FAILED compare: nothing was captured")
        return 1
    print(f"compare: {number} captures, {sum(map(len, shown['c'].values()))} lines, "
          f"{len(odd)} differences not meant, {len(stale)} wrong counts", flush=True)
    return 1 if odd or stale or unseen else 0
