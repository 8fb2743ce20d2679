"""The rounds that a campaign is made of, run by seed: what a worker process does.

Owns the fork servers and the never-killed run that paper rounds are compared with, both made when first needed and used
again for round after round. A seed gives the same round in any worker and in any order, as far as real time lets it.
"""

import random
import shutil
import time
import traceback
from pathlib import Path
from typing import Any, Final

from engine.core.events import OrderFilled, OrderRequested
from tests.campaigns.results import Kind, RoundResult, engine_digest, versions_here
from tests.kill import chain
from tests.kill.evidence import assert_same, read_ending
from tests.kill.forks import Forks
from tests.kill.reference import Reference, never_killed
from tests.live_kill.campaign import SERVER, Round, Tally

CANDLES: Final = 200
TARGETS: Final = 200
"""So many boundaries is a paper life offered to die at; it dies at each that is still ahead of it in its turn."""

ENDINGS: Final = 3
RANDOMLY: Final = 0.25
"""So often is a paper life killed at instants of real time, and not at boundaries."""

SPEEDS: Final = (None, 20_000.0)
LIVE_KILLS: Final = 14
SERVERS: Final[dict[Kind, str]] = {"paper": "tests.kill.server", "ccxt": SERVER}


class Rounds:
    """Runs rounds one after the other, in a folder of its own."""

    def __init__(self, folder: Path, targets: int = TARGETS) -> None:
        """Take the folder, and how many boundaries a paper life is offered. Nothing is started yet."""
        self._folder: Final = folder
        self._targets: Final = targets
        self._forks: Final[dict[Kind, Forks]] = {}
        self._reference: Reference | None = None
        self._engine: Final = engine_digest()
        self._versions: Final = versions_here()

    def close(self) -> None:
        """End the fork servers."""
        while self._forks:
            self._forks.popitem()[1].__exit__()

    def run(self, kind: Kind, seed: int) -> RoundResult:
        """Run the round of a seed; whatever goes wrong in it is a violation of that round."""
        forks, reference = self._forks_of(kind), self._reference_of(kind)
        folder, begun_s = self._folder / f"{kind}-{seed}", time.monotonic()
        folder.mkdir(parents=True)
        try:
            counts = (
                _live_round(forks, folder, seed)
                if reference is None
                else _paper_round(forks, reference, folder, seed, self._targets)
            )
        finally:
            shutil.rmtree(folder)
        if counts["violations"]:
            self.close()  # a fork server may still have a child of the round that failed
        seconds = round(time.monotonic() - begun_s, 3)
        return RoundResult(
            kind=kind, seed=seed, seconds=seconds, engine=self._engine, versions=self._versions, **counts
        )

    def _forks_of(self, kind: Kind) -> Forks:
        if kind not in self._forks:
            self._forks[kind] = Forks(SERVERS[kind])
        return self._forks[kind]

    def _reference_of(self, kind: Kind) -> Reference | None:
        if kind == "paper" and self._reference is None:
            folder = self._folder / "reference"
            folder.mkdir(parents=True)
            self._reference = never_killed(self._forks_of(kind), folder, CANDLES)
        return self._reference if kind == "paper" else None


def _live_round(forks: Forks, folder: Path, seed: int) -> dict[str, Any]:
    """Run a round of live bots, as `python -m tests.live_kill --seed SEED` does."""
    tally = Tally()
    try:
        Round(forks, folder, seed, tally).run(LIVE_KILLS)
    except Exception:  # noqa: BLE001 - whatever it was, it belongs into the results
        tally.violations.append(traceback.format_exc())
    return {
        "kills": tally.kills,
        "under_way": tally.under_way,
        "in_flight": tally.in_flight,
        "orders": tally.orders,
        "trades": tally.trades,
        "faults": tally.faults.total(),
        "stalls": tally.stalls,
        "violations": tally.violations,
        "kinds": dict(tally.kinds),
    }


def _paper_round(forks: Forks, reference: Reference, folder: Path, seed: int, targets: int) -> dict[str, Any]:
    """Run one life of the paper bots, killed over and over, and hold its ending against the run never killed."""
    tally, violations = chain.Tally(), []
    orders = trades = 0
    try:
        _live_a_life(forks, reference, folder / "data", random.Random(f"paper {seed}"), tally, targets)
        ending = read_ending(folder / "data")
        events = [event for life in ending.lives.values() for _, event in life]
        orders = sum(isinstance(event, OrderRequested) for event in events)
        trades = sum(isinstance(event, OrderFilled) for event in events)
        assert_same(ending, reference.ending)
    except Exception:  # noqa: BLE001 - whatever it was, it belongs into the results
        violations.append(traceback.format_exc())
    return {
        "kills": tally.deaths,
        "under_way": tally.counted,
        "in_flight": tally.order_open,
        "orders": orders,
        "trades": trades,
        "faults": 0,
        "stalls": 0,
        "violations": violations,
        "kinds": dict(tally.kinds),
    }


def _live_a_life(
    forks: Forks, reference: Reference, directory: Path, chance: random.Random, tally: chain.Tally, targets: int
) -> None:
    if chance.random() < RANDOMLY:
        chain.die_at_random(forks, reference.request(directory, speed=chance.choice(SPEEDS)), chance, tally)
        return
    request = reference.request(directory)
    passed = [point for point in reference.trace if point.feed and not chain.is_ending(point)]
    chain.die_at_points(forks, request, chance.sample(passed, targets), tally)
    endings = sorted({point.kind for point in reference.trace if chain.is_ending(point)})
    chain.die_at_endings(forks, request, chance.sample(endings, ENDINGS), tally)
    assert not forks.run(request)
