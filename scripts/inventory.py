# SPDX-License-Identifier: GPL-2.0
"""What lies in the cache folder, who needs it, and the removal of what nobody needs."""

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts import cache
from scripts.disk import readable
from scripts.progress import say


@dataclass(frozen=True)
class Item:
    """A part of the cache."""

    name: str           # its path in the cache
    users: tuple[str, ...]
    unneeded: str       # why nobody needs it; empty if somebody does

    @property
    def path(self) -> Path:
        return cache.folder() / self.name

    @property
    def is_entry(self) -> bool:
        return self.name.startswith(("roots/", "kernels/"))

    @property
    def used(self) -> str:
        """The day of its last use."""
        lock = cache.lock_file(self.name)
        when = lock if lock.exists() else self.path
        return time.strftime("%Y-%m-%d", time.localtime(when.stat().st_mtime))


def checkouts() -> Iterator[tuple[Path, str, dict[str, str]]]:
    """For each file of marks its path, the checkout and the entries by their uses.

    The checkout is empty if there is none any more.
    """
    for path in sorted((cache.folder() / "checkouts").glob("*.json")):
        checkout, uses = cache.read_marks(path)
        there = checkout and (checkout / "scripts/cache.py").exists()
        yield path, str(checkout) if there else "", uses


def items() -> list[Item]:
    """All parts of the cache."""
    found = [_entry(str(path.relative_to(cache.folder())))
             for pattern in ("roots/*", "kernels/*/*")
             for path in sorted(cache.folder().glob(pattern)) if path.is_dir()]
    if (cache.folder() / "apt").exists():
        found.append(Item("apt", (), "apt fetches its lists anew each time"))
    found += [Item(str(path.relative_to(cache.folder())), (), "the marks of a checkout that is gone")
              for path, checkout, _ in checkouts() if not checkout]
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    found += [Item(path.name, (), "an answer of an earlier boot")
              for path in sorted(cache.folder().glob("kvm-*")) if boot not in path.name]
    return found


def _entry(name: str) -> Item:
    users = tuple(checkout for _, checkout, uses in checkouts()
                  if checkout and name in uses.values())
    if not cache.exists(name):
        why = "it is not complete"
    elif replacement := _replacement(name):
        why = f"{replacement} has taken its place"
    else:
        why = "" if users else "no checkout uses it"
    return Item(name, users, why)


def _replacement(name: str) -> str:
    """The release that makes use instead of that of a kernel; empty if they use this one."""
    kind, series, *rest = name.split("/")
    pointer = cache.folder() / kind / series / "release"
    if kind != "kernels" or not pointer.exists():
        return ""
    release = pointer.read_text()
    # 7.3.4+deb13-amd64 has the flavour 7.3.4+deb13-rt-amd64.
    return "" if rest[0].startswith(f"{release.rsplit('-', 1)[0]}-") else release


def sizes(parts: list[Item]) -> dict[str, int]:
    """What each takes of the disk, in bytes."""
    if not parts:
        return {}
    listed = subprocess.run(["du", "-s", "--block-size=1", *(part.path for part in parts)],
                            capture_output=True, text=True, check=False).stdout
    found = {path: int(size) for size, path in
             (line.split("\t", 1) for line in listed.splitlines())}
    return {part.name: found.get(str(part.path), 0) for part in parts}


def show() -> None:
    """Prints a line for each part."""
    parts = items()
    size = sizes(parts)
    print(f"{cache.folder()}: {readable(sum(size.values()))}")
    width = max((len(part.name) for part in parts), default=0)
    for part in parts:
        needed = f"not needed: {part.unneeded}" if part.unneeded else ", ".join(part.users)
        print(f"{readable(size[part.name]):>8}  {part.used}  {part.name:<{width}}  {needed}")
    if unneeded := [part for part in parts if part.unneeded]:
        total = sum(size[part.name] for part in unneeded)
        print(f"`make cache-clean` removes what is not needed: {readable(total)}")


def clean() -> None:
    """Removes what no checkout needs and no running make uses."""
    parts = [part for part in items() if part.unneeded]
    size, freed = sizes(parts), 0
    for part in parts:
        if _remove(part):
            freed += size[part.name]
            say(f"removed {part.name}: {part.unneeded}")
        else:
            say(f"kept {part.name}: a make uses it")
    say(f"{readable(freed)} freed in {cache.folder()}")


def _remove(part: Item) -> bool:
    """Removes a part; returns false if a make uses it."""
    if part.is_entry:
        return cache.remove(part.name, lambda: bool(_entry(part.name).unneeded))
    if part.name == "apt":
        return cache.remove(part.name, lambda: True)
    part.path.unlink(missing_ok=True)
    return True
