"""Plant a bug in a copy of the tree, and let the campaign find it.

Owns the copies and the processes. A kill is a violation that the campaign reports; a campaign that breaks down, or does
not end, has not killed anything.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import msgspec

from tests.prove.plant import By, Plant
from tests.prove.worker import TAPES, THIRD_PARTY, work

ROOT: Final = Path(__file__).resolve().parents[2]
SEEDS: Final = Path(__file__).with_name("seeds.json")
PACKAGES: Final = ("engine", "cli")
A_PLACE: Final = 104
"""So many schedules belong to one operation of the store: they share its lives."""

APART: Final = 23
MOST_S: Final = 3_600
PROCESSES: Final = get_context("forkserver")
PROCESSES.set_forkserver_preload(THIRD_PARTY)
BYS: Final[tuple[By, ...]] = ("worlds", "schedules", "tapes")

_MEMORY: Final = Path("/dev/shm")


class Kill(msgspec.Struct, frozen=True):
    """What came of a plant: the rule that saw it, at which seed, after how many; or `trouble`."""

    name: str
    by: By
    rule: str = ""
    what: str = ""
    seed: int | None = None
    tried: int = 0
    seconds: float = 0.0
    trouble: str | None = None


class Found(msgspec.Struct, frozen=True):
    """What the worker says: the first seed that shows a violation, how many were tried, or how the campaign broke."""

    seed: int | None = None
    what: str = ""
    tried: int = 0
    broke: str | None = None


Control = Callable[[], str | None]


def known_seeds() -> dict[str, int]:
    """Give the seeds that are known to kill, by the names of the plants."""
    return msgspec.json.decode(SEEDS.read_bytes(), type=dict[str, int])


@contextmanager
def pristine() -> Iterator[Path]:
    """Make a copy of the packages, compiled, from which the trees of plants are made."""
    with tempfile.TemporaryDirectory(prefix="krypto-plants-", dir=_MEMORY if _MEMORY.is_dir() else None) as name:
        tree = Path(name) / "tree"
        for package in PACKAGES:
            shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run([sys.executable, "-m", "compileall", "-q", *PACKAGES], cwd=tree, check=True)
        yield tree


def times(file: str, text: str, tree: Path = ROOT) -> int:
    """Count how often a text stands in a file of a tree."""
    return (tree / file).read_text().count(text)


def kill(plant: Plant, base: Path, first: Sequence[int], *, within: dict[By, int] | None = None) -> Kill:
    """Plant a bug and search for a seed that shows it: some first, then from the beginning."""
    count = times(plant.file, plant.old, base)
    if count != 1:
        text = f"{plant.file} holds the text {count} times, not once: {plant.old!r}"
        return Kill(plant.name, plant.by, trouble=text)
    with planted(plant, base) as tree:
        most = min(plant.within, (within or {}).get(plant.by, plant.within))
        return search(plant, tree, [*((seed, 1) for seed in first), *blocks(plant.by, most)])


@contextmanager
def planted(plant: Plant, base: Path) -> Iterator[Path]:
    """Make another copy of a tree, with a bug in it."""
    with tempfile.TemporaryDirectory(prefix="plant-", dir=base.parent) as name:
        tree = Path(name)
        shutil.copytree(base, tree, dirs_exist_ok=True)
        path = tree / plant.file
        path.write_text(path.read_text().replace(plant.old, plant.new))
        yield tree


def blocks(by: By, most: int) -> list[tuple[int, int]]:
    """Cut the seeds up to `most` into pieces, in order; or the schedules, places far apart first."""
    if by != "schedules":
        return [(seed, 1) for seed in among(by, most)]
    firsts = range(0, most, A_PLACE)
    return [(first, min(A_PLACE, most - first)) for start in range(APART) for first in firsts[start::APART]]


def among(by: By, most: int) -> Sequence[int]:
    """Give the first so many seeds, which are counted from 1 on, or schedules, from 0 on; of tapes, all seeds."""
    if by == "tapes":
        return sorted(int(path.stem) for path in TAPES.glob("*.json"))
    return range(1, most + 1) if by == "worlds" else range(most)


def controls(kills: Sequence[Kill], base: Path) -> list[Control]:
    """Give runs of the engine as it is, on every seed that killed: each says what it found, which is nothing."""
    runs: list[Control] = []
    for by in BYS:
        seeds = sorted({each.seed for each in kills if each.by == by and each.seed is not None})
        halves = [[(seed, 1) for seed in half] for half in (seeds[::2], seeds[1::2]) if half]
        runs += [partial(_found_unplanted, by, base, half) for half in halves]
    return runs


def _found_unplanted(by: By, base: Path, pieces: Sequence[tuple[int, int]]) -> str | None:
    found = _searched(base, by, pieces)
    return f"{by} {found.seed}: {found.what or found.broke}" if found.broke or found.seed is not None else None


def search(plant: Plant, tree: Path, pieces: Sequence[tuple[int, int]]) -> Kill:
    """Run pieces of the campaign in a tree, in one process, until one shows a violation."""
    begun_s = os.times().elapsed
    found = _searched(tree, plant.by, pieces)
    seconds = round(os.times().elapsed - begun_s, 1)
    if found.broke is not None:
        return Kill(plant.name, plant.by, seconds=seconds, trouble=f"the campaign broke down: {found.broke}")
    if found.seed is None:
        trouble = f"it survived {found.tried} {plant.by}"
        return Kill(plant.name, plant.by, tried=found.tried, seconds=seconds, trouble=trouble)
    rule = found.what.partition(":")[0]
    return Kill(plant.name, plant.by, rule, found.what, found.seed, found.tried, seconds)


def _searched(tree: Path, by: By, pieces: Sequence[tuple[int, int]]) -> Found:
    answer, theirs = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=work, args=(theirs, str(tree), by, pieces), daemon=True)
    process.start()
    theirs.close()
    try:
        if not answer.poll(MOST_S):
            return Found(broke=f"it did not end within {MOST_S} s")
        return msgspec.convert(answer.recv(), type=Found)
    except EOFError:
        process.join()
        return Found(broke=f"its process ended with {process.exitcode}")
    finally:
        process.kill()
        process.join()
