# SPDX-License-Identifier: GPL-2.0
"""`make model`: spin explores the models of tests/model in every interleaving.

A model must have no error. Then it is broken in each way that it offers, and each time
spin must find an error.
"""

import re

from scripts.kernel.buildroot import BuildRoot
from scripts.paths import BUILD, CHECKOUT
from scripts.progress import Failed, Step, Word, say

MODELS = CHECKOUT / "tests/model"

# Flags for the compilation of spin's verifier, and for its run.
Flags = tuple[list[str], list[str]]
SAFETY: Flags = (["-DSAFETY", "-DNOCLAIM"], [])
LIVENESS: Flags = (["-DNFAIR=4"], ["-a", "-f"])
# States are packed and take at most 1.5 GB of memory.
BUILD_FLAGS = ["-O2", "-DCOLLAPSE", "-DMEMLIM=1500"]
FLAGS = ["-m2000000", "-w25"]

# The runs for each model: their names, definitions for the model, and flags. Those that
# find most errors soonest come first. A walk has so many states that with four buckets
# only the hashes that part last are tried.
RUNS: dict[str, dict[str, tuple[list[str], Flags]]] = {
    "restrack": {
        "assertions, deadlock": ([], SAFETY),
        "liveness": ([], LIVENESS),
    },
    "table": {
        "lookups, 3 buckets": (["-DNO_WALKER", "-DMOST=3"], SAFETY),
        **{f"walks, 3 buckets, A at {rank}":
           (["-DNO_LOOKUP", "-DMOST=3", f"-DRANK_A={rank}"], SAFETY)
           for rank in (2, 1, 0)},
        "lookups, 4 buckets": (["-DNO_WALKER"], SAFETY),
        **{f"walks, 4 buckets, A at {a}, B at {b}":
           (["-DNO_LOOKUP", f"-DRANK_A={a}", f"-DRANK_B={b}"], SAFETY)
           for a, b in ((2, 3), (3, 2))},
    },
}


def mutants(model: str) -> list[str]:
    """The definitions that break the model, in the order of the file."""
    text = (MODELS / f"{model}.pml").read_text()
    found = list(dict.fromkeys(re.findall(r"MUTANT_\w+", text)))
    if not found:
        raise Failed(model, "nothing in the model says how to break it", MODELS)
    return found


def explore(step: Step, root: BuildRoot, model: str, mutant: str | None) -> tuple[int, str | None]:
    """Explores every interleaving.

    Returns how many states there are, and what the first run with an error says.
    """
    out = BUILD / "model"
    out.mkdir(parents=True, exist_ok=True)
    states = 0

    def run(*command: Word) -> None:
        step.run(root.enter(command, readable=[CHECKOUT], writable=[out], directory=out))

    for name, (defines, (build, explore_with)) in RUNS[model].items():
        run("spin", *defines, *([f"-D{mutant}"] if mutant else []), "-a", MODELS / f"{model}.pml")
        run("gcc", *BUILD_FLAGS, *build, "-o", "verifier", "pan.c")
        said = out / "said"
        run("sh", "-c", f"./verifier {' '.join(FLAGS + explore_with)} >said")
        text = said.read_text()
        step.note(text)
        if not re.search(r"errors: \d", text):
            step.fail(f"{name}: the verifier came to no verdict")
        if "errors: 0" not in text:
            why = re.search(r"^pan:\d+: +(.*?) \(at depth", text, re.MULTILINE)
            return states, f"{name}: {why[1] if why else 'an error'}"
        if "max search depth too small" in text or "-DMEMLIM bound" in text:
            step.fail(f"{name}: the search was cut off")
        states += int(re.findall(r"(\d+) states, stored", text)[0])
    return states, None


def check(root: BuildRoot) -> int:
    """Checks all models; returns the exit code."""
    found = 0
    for model in RUNS:
        with Step(f"the protocol of {model}.pml, in every interleaving", f"model-{model}") as step:
            states, error = explore(step, root, model, None)
            if error:
                step.fail(error)
            say(f"  {states} states")
        for mutant in mutants(model):
            with Step(f"{model}.pml, {mutant}", f"model-{model}-{mutant}") as step:
                _, error = explore(step, root, model, mutant)
                if not error:
                    step.fail("the model is broken, and no error was found")
                say(f"  found: {error}")
                found += 1
    say(f"the protocols hold, and {found} ways to break them are found out")
    return 0
