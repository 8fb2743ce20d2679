"""Simulated worlds: the gate that runs some, and what makes a failure in one of millions usable.

Method: real worlds, in this process and in fresh ones. That worlds notice mistakes is shown by tests/prove.
"""

import asyncio
import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.core.events import BotEvent, OrderRejected
from engine.core.state import Order
from engine.exchanges.port import Outcome, Unknown
from engine.runtime.reports import outcome_events
from engine.testing.simulation.campaign import Work, run_block
from engine.testing.simulation.chance import Tape
from engine.testing.simulation.loop import VirtualLoop
from engine.testing.simulation.report import Sum, WorldReport
from engine.testing.simulation.running import run_world
from engine.testing.simulation.shrink import shrink
from engine.testing.simulation.watch import ORDER_STATES, Watch

SPEC = pytest.mark.spec
GATE = 8
"""So many blocks of so many seeds are the gate: about a minute on two cores."""

SEEDS = 12

_RUN = """
import json, sys, tempfile
from pathlib import Path
from engine.testing.simulation.running import run_world
seen = []
for seed in map(int, sys.argv[1:]):
    with tempfile.TemporaryDirectory() as folder:
        seen.append(run_world(seed, Path(folder)).digest)
print(json.dumps(seen))
"""


@pytest.fixture
def unforeseen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what broke in a callback, or in a task that nobody awaited: a world itself passes over it."""
    told: list[str] = []

    def collect(loop: VirtualLoop, _: object) -> None:
        def tell(_: object, context: dict[str, Any]) -> None:
            told.append(f"{context['message']}: {context.get('exception')!r}")

        asyncio.BaseEventLoop.set_exception_handler(loop, tell)

    monkeypatch.setattr(VirtualLoop, "set_exception_handler", collect)
    return told


@SPEC("simulated worlds full of faults end without a violation", section="issue: What shows it")
@pytest.mark.parametrize("part", range(GATE))
def test_worlds_full_of_faults_end_without_a_violation(part: int, unforeseen: list[str]) -> None:
    came = run_block(Work("worlds", 1 + part * SEEDS, SEEDS))
    assert isinstance(came, Sum)
    assert came.failures == ()
    assert came.restarts > SEEDS
    assert {visit.partition("|")[2] for visit in came.visits} <= set(ORDER_STATES)
    gc.collect()
    assert unforeseen == []


def test_checker_that_breaks_while_it_is_told_of_facts_does_not_go_unnoticed(
    tmp_path: Path, unforeseen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(fact: object) -> None:
        raise RuntimeError(fact)

    monkeypatch.setattr(Watch, "listener", lambda *_: broken)
    run_world(8, tmp_path, {})
    assert "RuntimeError" in unforeseen[0]


@SPEC("a world is a function of its seed: run again, in another process, it leaves the same trace", section="Words")
def test_seed_run_in_other_processes_gives_the_same_trace(tmp_path: Path) -> None:
    seeds = (3, 14, 22)
    here = []
    for seed in seeds:
        (tmp_path / str(seed)).mkdir()
        here.append(run_world(seed, tmp_path / str(seed)).digest)
    for hash_seed in ("0", "4711"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", _RUN, *map(str, seeds)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        assert json.loads(done.stdout) == here


def test_tape_of_a_run_played_again_gives_the_same_trace(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("drawn", "played")]
    for folder in folders:
        folder.mkdir()
    drawn = run_world(8, folders[0])
    played = run_world(8, folders[1], drawn.tape)
    assert played.digest == drawn.digest
    assert played.tape == drawn.tape


def test_empty_tape_is_a_world_without_any_fault(tmp_path: Path) -> None:
    report = run_world(8, tmp_path, {})
    assert report.violations == ()
    assert set(report.faults) == {"operator resume", "operator revive"}  # after healing every bot is to trade again
    assert report.orders > 0


def taken_for_refused(order: Order, outcome: Outcome) -> list[BotEvent]:
    """Make the oldest of mistakes: an order of which nobody knows anything counts as refused."""
    if isinstance(outcome, Unknown):
        return [OrderRejected(order.client_order_id, "no answer", outcome.error)]
    return outcome_events(order, outcome)


def test_mistake_is_caught_and_shrunk_to_a_tape_that_fails_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.runtime.live_executor.outcome_events", taken_for_refused)
    folders = (tmp_path / str(number) for number in range(1_000))

    def played(seed: int, tape: Tape | None = None) -> WorldReport:
        folder = next(folders)
        folder.mkdir()
        return run_world(seed, folder, tape)

    whole = next(report for seed in range(1, 40) if (report := played(seed)).violations)
    rule = whole.violations[0].partition(":")[0]

    def fails(tape: Tape) -> bool:
        return any(each.startswith(rule) for each in played(whole.seed, tape).violations)

    small = shrink(whole.tape, fails, most_runs=12)
    assert len(small) < len(whole.tape)
    assert fails(small)
