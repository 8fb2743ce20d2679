"""Break the engine on purpose, one mistake at a time, in copies, and see the campaign find each.

Run by `make prove`. Ends with exit 1 if a plant survives, if its text is no longer in the code, or if the same seeds
find something in the engine as it is.
"""

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from engine.testing.digest import source_digest
from tests.prove.plant import By, Plant
from tests.prove.plants import PLANTS, WRITTEN
from tests.prove.runner import ROOT, SEEDS, Kill, controls, kill, known_seeds, pristine
from tests.prove.unseen import UNSEEN

FIRST: Final[tuple[By, ...]] = ("worlds", "schedules")
"""Of these the first so many may be tried."""


def main() -> int:
    """Plant every bug and report."""
    wanted = _wanted()
    known = known_seeds()
    chosen = [
        plant
        for plant in (WRITTEN if wanted.unseen else PLANTS)
        if wanted.only is None or wanted.only in (plant.name, plant.by)
    ]
    chosen = [plant for plant in chosen if not wanted.unknown or plant.name not in known]
    with pristine() as base, ThreadPoolExecutor(max_workers=wanted.jobs) as pool:
        plant_one = partial(
            _told,
            base=base,
            first=lambda name: [] if wanted.anew else [*filter(None, [known.get(name)]), *wanted.seeds],
            within={by: most for by in FIRST if (most := getattr(wanted, by)) is not None},
        )
        kills = []
        for each in pool.map(plant_one, chosen):
            kills.append(each)
            if wanted.learn and each.seed is not None:
                _learn(each.name, each.seed)
        found = [] if wanted.no_control else list(pool.map(lambda run: run(), controls(kills, base)))
    found = [each for each in found if each is not None]
    for each in found:
        print(f"FALSE   the engine as it is, {each}")
    seeds = [each.seed for each in kills if each.by == "worlds" and each.seed is not None]  # from 1 on, so many at most
    report = {
        "engine": source_digest(ROOT / "engine"),
        "plants": len(kills),
        "killed": sum(each.trouble is None for each in kills),
        "median_seeds_to_kill": median(seeds) if seeds else None,
        "kills": kills,
        "unseen": UNSEEN,
        "found_unplanted": found,
    }
    print(f"{len(UNSEEN)} more are known not to be seen yet (tests/prove/unseen.py)")
    print(f"{report['killed']} of {report['plants']} planted bugs were found by the campaign")
    if wanted.json is not None:
        wanted.json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    return int(bool(found) or any(each.trouble for each in kills))


def _wanted() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.prove", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", help="the plant of this name, or those for worlds or for schedules")
    parser.add_argument("--jobs", type=int, default=2, help="how many processes")
    parser.add_argument("--json", type=Path, help="write the report to a file")
    parser.add_argument("--seeds", type=int, nargs="*", default=[], help="try these seeds first")
    parser.add_argument("--worlds", type=int, help="try at most so many seeds, fewer than a plant's own bound")
    parser.add_argument("--schedules", type=int, help="try at most so many schedules, likewise")
    parser.add_argument("--anew", action="store_true", help="search from the first seed on, to count them")
    parser.add_argument("--unseen", action="store_true", help="also the mistakes that are known not to be seen yet")
    parser.add_argument("--unknown", action="store_true", help="only plants that no seed is known to kill")
    parser.add_argument("--learn", action="store_true", help="write down the seeds that killed")
    parser.add_argument("--no-control", action="store_true", help="do not run the same seeds on the engine as it is")
    return parser.parse_args()


def _learn(name: str, seed: int) -> None:
    """Write down that a seed kills a plant, and forget plants that are no more."""
    names = {plant.name for plant in WRITTEN}
    kept = {name: known for name, known in sorted((known_seeds() | {name: seed}).items()) if name in names}
    SEEDS.write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=2) + b"\n")


def _told(plant: Plant, *, base: Path, first: Callable[[str], list[int]], within: dict[By, int]) -> Kill:
    came = kill(plant, base, first(plant.name), within=within)
    if came.trouble is not None:
        print(f"MISSED  {plant.name}\n        {came.trouble}", flush=True)
    else:
        print(f"killed  {plant.name}\n        {came.by} {came.seed}, {came.seconds} s: {came.what[:150]}", flush=True)
    return came


if __name__ == "__main__":
    sys.exit(main())
