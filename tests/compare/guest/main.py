#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Runs the workloads in the guest:

	python3 -m tests.compare.guest.main FOLDER [NAME...]

A name is that of a workload, also with the kind of device, and may have wildcards:
pingpong_rc, memory-siw, 'rping*'. "quick" is a name for some of them.

The captures go to FOLDER/<workload>-<kind of device>/. A workload that fails leaves a
file 'wrong' there. FOLDER/workloads has the names of those that have run.
"""

import fnmatch
import os
import signal
import sys
import time
import traceback
from typing import NoReturn

from tests.compare.guest.scene import Scene, Wrong
from tests.compare.guest.workloads import QUICK, WORKLOADS


def late(*_: object) -> NoReturn:
    raise Wrong("took longer than it may")


def choose(patterns: list[str]) -> dict[str, tuple[str, str]]:
    """The workloads that match, in their order; each pattern must match one."""
    titles = {f"{name}-{kind}": (name, kind)
              for name, (_, kinds, _) in WORKLOADS.items() for kind in kinds}
    fits = {pattern: {title for title, (name, _) in titles.items()
                      if pattern == "quick" and title in QUICK
                      or fnmatch.fnmatchcase(name, pattern)
                      or fnmatch.fnmatchcase(title, pattern)} for pattern in patterns}
    for pattern, some in fits.items():
        if not some:
            raise Wrong(f"no workload is called '{pattern}'; there are: {' '.join(WORKLOADS)}")
    return {title: which for title, which in titles.items()
            if not patterns or any(title in some for some in fits.values())}


def main() -> None:
    signal.signal(signal.SIGALRM, late)
    begin = time.monotonic()
    out = sys.argv[1]
    chosen = choose(sys.argv[2:])
    Scene.load_modules()
    for title, (name, kind) in chosen.items():
        function, _, limit = WORKLOADS[name]
        folder = f"{out}/{title}"
        os.makedirs(folder)
        print(f"{time.monotonic() - begin:6.1f} s  {title}", flush=True)
        with open("/dev/kmsg", "w", encoding="ascii") as log:
            log.write(f"compare: {title}\n")
        scene = Scene(kind, folder)
        try:
            signal.alarm(limit)
            function(scene)
            scene.close_processes()
            scene.wait_gone()
            scene.capture("end")
        except Exception as error:      # the others run all the same
            with open(f"{folder}/wrong", "w", encoding="utf-8") as file:
                file.write(f"{type(error).__name__}: {error}\n")
                traceback.print_exc(file=file)
        finally:
            signal.alarm(0)
        scene.close()
        with open(f"{out}/workloads", "a", encoding="ascii") as file:
            file.write(f"{title}\n")
    print(f"{time.monotonic() - begin:6.1f} s  done", flush=True)


if __name__ == "__main__":
    main()
