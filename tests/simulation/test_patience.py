"""What computes without an end in a world or a schedule: it is broken off, told, and the campaign goes on."""

import signal
from pathlib import Path
from threading import Thread
from typing import NoReturn

import pytest

from engine.testing.simulation import running, storage
from engine.testing.simulation.patience import EndlessError, at_most
from engine.testing.simulation.running import run_world
from engine.testing.simulation.storage import run_schedules
from engine.testing.simulation.world import World

SHORT_S = 0.1


def circle(*_: object, **__: object) -> NoReturn:
    """Compute for ever, whatever is said against it at first."""
    try:
        while True:
            pass
    except BaseException:  # noqa: BLE001 - as some library might
        while True:
            pass


@pytest.mark.spec("a world that computes without an end is a violation", section="issue: What shows it")
def test_world_that_computes_without_an_end_is_a_violation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "LONGEST_S", SHORT_S)
    monkeypatch.setattr(World, "_boot", circle)
    monkeypatch.setattr("engine.testing.simulation.patience._AGAIN_S", SHORT_S)
    (told,) = run_world(1, tmp_path).violations
    assert told == "broke: EndlessError: it computed for over 0.1 s and came to no end"


def test_verdict_over_a_log_that_is_read_without_an_end_ends_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.testing.simulation.patience._AGAIN_S", SHORT_S)
    monkeypatch.setattr(running, "LONGEST_S", SHORT_S)
    monkeypatch.setattr(running, "log_digest", circle)
    monkeypatch.setattr(World, "run", lambda _world: _nothing())
    assert run_world(1, tmp_path).violations == ("broke: its log: it computed for over 0.1 s and came to no end",)


async def _nothing() -> None:
    """Live through no world at all."""


def test_schedule_that_computes_without_an_end_is_a_violation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.testing.simulation.patience._AGAIN_S", SHORT_S)
    monkeypatch.setattr(storage, "LONGEST_S", SHORT_S)
    monkeypatch.setattr("engine.testing.simulation.storage._Place.outcome", circle)
    tally = run_schedules(1, 0, 2, tmp_path)
    assert [each.schedule for each in tally.violations] == [0, 1]
    assert all("came to no end" in each.what for each in tally.violations)


def test_what_ends_in_time_is_left_alone_and_so_are_other_threads() -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    ended: list[bool] = []

    def beside() -> None:
        with at_most(1e-6):
            ended.append(sum(range(100_000)) > 0)

    with at_most(SHORT_S):
        thread = Thread(target=beside)
        thread.start()
        thread.join()
    assert ended == [True]
    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)
    with pytest.raises(EndlessError), at_most(SHORT_S):
        circle()
