"""Worlds in which the log itself is lost or damaged: the engine never goes on with less, and `recover` brings it back.

The seeds are chosen so that each kind of disaster, and each way in which a recovery ends, is met by one of them.
"""

from pathlib import Path

import pytest

import engine.core.decider
import engine.store.sqlite
import engine.testing.simulation.disasters
from engine.testing.simulation.report import WorldReport
from engine.testing.simulation.running import run_world

KINDS = {
    74: "disaster wal cut",
    144: "disaster log cut",
    981: "disaster bit flipped",
    216: "disaster wal gone",
    418: "disaster log gone",
    111: "disaster older log",
}


def _recoveries(world: WorldReport, how: str) -> int:
    return world.endings.get(f"recovery: {how}", 0)


@pytest.mark.parametrize("seed", KINDS, ids=lambda seed: KINDS[seed])
def test_log_befallen_by_a_disaster_is_refused_recovered_and_equal_to_the_exchange_in_the_end(
    seed: int, tmp_path: Path
) -> None:
    world = run_world(seed, tmp_path)
    assert world.violations == ()
    assert world.faults[KINDS[seed]] == 1
    assert world.endings["refused: LogDamagedError"] == 1
    assert _recoveries(world, "confirmed") == 1
    assert world.orders > 0


def test_recovery_cut_short_leaves_a_log_that_engines_refuse_until_another_is_confirmed(tmp_path: Path) -> None:
    world = run_world(48, tmp_path)
    assert world.violations == ()
    assert _recoveries(world, "cut short") == 2
    assert world.endings["refused: OperatorNeededError"] == 1
    assert _recoveries(world, "confirmed") == 1


def test_log_of_which_nothing_is_left_and_no_backup_is_refused_for_good(tmp_path: Path) -> None:
    world = run_world(323, tmp_path)
    assert world.violations == ()
    assert _recoveries(world, "refused") == 1


def test_bot_whose_beginning_a_recovered_log_lost_is_not_begun_anew(tmp_path: Path) -> None:
    world = run_world(1420, tmp_path)
    assert world.violations == ()
    assert world.endings["refused: a bot is lost"] == 1


def test_world_with_disasters_run_twice_is_the_same_and_so_is_its_tape(tmp_path: Path) -> None:
    worlds = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        worlds.append(run_world(74, tmp_path / name))
    (tmp_path / "tape").mkdir()
    played = run_world(74, tmp_path / "tape", worlds[0].tape)
    assert worlds[0] == worlds[1] == played


@pytest.mark.parametrize("seed", [51, 111, 332])
def test_engine_that_does_not_ask_its_witness_is_caught(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.store.sqlite, "compare", lambda *_: None)
    world = run_world(seed, tmp_path)
    assert any(violation.startswith("rollback: ") for violation in world.violations), world.violations


def test_trail_that_fired_goes_on_where_a_newer_engine_recovers_a_log_that_lost_its_order(
    tmp_path: Path,
) -> None:
    version = engine.core.decider.DECISION_VERSION
    world = run_world(251, tmp_path)
    assert world.violations == ()
    assert any(site.startswith("disaster/newer#") for site in world.tape)
    assert world.faults["disaster row scarred"] > 0
    assert version == engine.core.decider.DECISION_VERSION, "it is of this world alone"


def test_log_that_waits_for_a_recovery_since_a_bot_halted_is_rightly_refused(tmp_path: Path) -> None:
    world = run_world(1295, tmp_path)
    assert world.violations == ()
    assert world.endings["refused: halted"] == 1


def test_recovery_of_two_bots_that_share_a_market_whose_facts_are_lost_ends_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.testing.simulation.disasters, "WORLDS_WITH", 1.0)
    world = run_world(996, tmp_path)
    assert world.violations == ()
    assert _recoveries(world, "confirmed") > 0


def test_sell_of_the_lost_end_that_took_another_lots_rest_as_dust_is_booked_and_nothing_is_sold_again(
    tmp_path: Path,
) -> None:
    world = run_world(2543, tmp_path)
    assert world.violations == ()
    assert world.faults["disaster row scarred"] > 0
    assert _recoveries(world, "confirmed") > 0
