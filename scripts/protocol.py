# SPDX-License-Identifier: GPL-2.0
"""`make model`: the protocol of tests/model/restrack.pml, explored by spin.

The protocol itself must have no error. Then it is broken on purpose, in each way
that the model offers, and each time there must be one, or the check is worth
nothing.
"""

import re

from buildroot import CHECKOUT
from modules import BUILD, LOGS
from progress import Step, say

MODEL = CHECKOUT / "tests/model/restrack.pml"

# Runs of the explorer that spin makes: its compiler flags and its own.
RUNS = {
    "assertions, deadlock": (["-DSAFETY", "-DNOCLAIM"], []),
    "liveness": (["-DNFAIR=4"], ["-a", "-f"]),
}


def mutants():
    """What the model can be broken with, in the order of the file."""
    return list(dict.fromkeys(re.findall(r"MUTANT_\w+", MODEL.read_text())))


def explore(step, root, mutant):
    """Explores every interleaving; what the first run that found an error says."""
    out = BUILD / "model"
    out.mkdir(parents=True, exist_ok=True)

    def run(*command):
        step.run(root.enter(command, readable=[CHECKOUT], writable=[out], directory=out))

    run("spin", *([f"-D{mutant}"] if mutant else []), "-a", MODEL)
    for name, (build, explore_with) in RUNS.items():
        run("gcc", "-O2", *build, "-o", "explorer", "pan.c")
        said = out / "said"
        run("sh", "-c", f"./explorer -m1000000 {' '.join(explore_with)} >said")
        text = said.read_text()
        step.note(text)
        if "max search depth too small" in text:
            step.fail(f"{name}: the search was cut off")
        if not re.search(r"errors: \d", text):
            step.fail(f"{name}: the explorer came to no verdict")
        if "errors: 0" not in text:
            why = re.search(r"^pan:\d+: (.*?) \(at depth", text, re.MULTILINE)
            return f"{name}: {why[1] if why else 'an error'}"
    return None


def check(root):
    with Step("the protocol, in every interleaving", LOGS / "model.log") as step:
        error = explore(step, root, None)
        if error:
            step.fail(error)
    found = mutants()
    for mutant in found:
        with Step(mutant, LOGS / f"model-{mutant}.log") as step:
            error = explore(step, root, mutant)
            if not error:
                step.fail("the model is broken, and no error was found")
            say(f"  found: {error}")
    say(f"the protocol holds, and {len(found)} ways to break it are found out")
    return 0
