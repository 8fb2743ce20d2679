"""What a life does to its engine in the moment of an event: its clock is set, its state files are looked at."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from engine.core.events import OrderOutcomeUnknown, OrderSent
from engine.core.projection import state_file_name
from engine.runtime.journal import Published
from engine.runtime.projection_writer import replace_file
from engine.testing.simulation.plan import CALM, LOOK_EVERY
from engine.testing.simulation.verdict import STATE_FILE, judge
from tests.simulation.lives import BOT, Lives, Run, story

AHEAD_MS = 90_000
DOUBT = msgspec.structs.replace(CALM, clock=(0, "doubt", 1))


def told(lives: Lives, what: str) -> list[dict[str, object]]:
    """Give the records of a kind in the history."""
    return [record for record in lives.exchange.history if record["what"] == what]


def test_clock_is_set_in_the_moment_in_which_an_order_is_in_doubt_and_once(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        lives.fate.bring("create/request_lost", 1, 1)
        ahead: list[tuple[type, int]] = []
        async with lives.life(plan=DOUBT) as run:
            run.heard.append(lambda each: ahead.append((type(each.event), lives.machine.wall_ahead_ms)))
            run.heard.append(run.session.listen)
            run.heard.append(lambda each: ahead.append((type(each.event), lives.machine.wall_ahead_ms)))
            await run.until(lambda: len(run.events(OrderOutcomeUnknown)) > 1)
        doubt = ahead.index((OrderOutcomeUnknown, 0))
        assert (OrderSent, 0) in ahead[:doubt]
        assert ahead[doubt + 1] == (OrderOutcomeUnknown, AHEAD_MS)
        assert {ms for _, ms in ahead[doubt + 1 :]} == {AHEAD_MS}
        assert [(each["kind"], each["by"]) for each in told(lives, "clock")] == [("jump", AHEAD_MS)]

    story(tmp_path, tell)


def test_clock_is_left_alone_where_no_order_is_in_doubt(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life(plan=DOUBT) as run:
            run.heard.append(run.session.listen)
            await run.until(lambda: run.state().lots)
            await run.pass_time(60)
        assert lives.machine.wall_ahead_ms == 0
        assert told(lives, "clock") == []

    story(tmp_path, tell)


def test_command_that_is_refused_is_told_with_its_answer(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life() as run:
            await run.session.until_open(60)
            assert not await run.session.command("pause", "nobody")
        assert [(each["acknowledged"], each.get("refused")) for each in told(lives, "command")] == [
            (False, None),
            (False, True),
        ]

    story(tmp_path, tell)


def shows_otherwise(path: Path) -> Callable[[Published], None]:
    """Have the first state file that comes about say something else than the log."""
    done: list[Published] = []

    def hear(published: Published) -> None:
        if path.exists() and not done:
            done.append(published)
            says = msgspec.json.decode(path.read_bytes())
            says["stats"]["current_position"] = 77
            path.write_bytes(msgspec.json.encode(says))

    return hear


@pytest.mark.parametrize("is_wrong", [True, False])
def test_state_file_that_is_wrong_while_an_engine_lives_is_a_violation(tmp_path: Path, *, is_wrong: bool) -> None:
    async def tell(lives: Lives) -> None:
        path = lives.directory / state_file_name(BOT)
        async with lives.life() as run:
            if is_wrong:
                run.heard.append(shows_otherwise(path))
            run.heard.append(run.session.listen)
            await run.until(path.exists)
            await run.pass_time(60)
            await run.stop()
        records = told(lives, STATE_FILE)
        assert len(records) == is_wrong
        found = list(judge(lives.directory, lives.exchange.history, ()))
        assert [line.split(":")[:2] for line in found] == [[STATE_FILE, f" {BOT}"]] * is_wrong

    story(tmp_path, tell)


def test_every_eighth_state_file_of_a_life_is_looked_at(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        path = lives.directory / state_file_name(BOT)
        async with lives.life() as run:
            await run.until(path.exists)
            counts = [looks(lives, run, path, number) for number in range(1, LOOK_EVERY + 2)]
        assert counts == [1] * LOOK_EVERY + [2]

    story(tmp_path, tell)


def test_state_file_in_the_place_of_another_as_long_counts_as_written(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        path = lives.directory / state_file_name(BOT)
        async with lives.life() as run:
            await run.until(path.exists)
            for _ in range(LOOK_EVERY + 1):
                replace_file(path, b" ", synced=False)
                run.session.listen(next(each for each in run.told if each.stream == f"bot:{BOT}"))
            assert len(told(lives, STATE_FILE)) == 2

    story(tmp_path, tell)


def looks(lives: Lives, run: Run, path: Path, number: int) -> int:
    """Have a wrong state file be there when something is told, twice; give how often that was seen so far."""
    path.write_bytes(b" " * number)
    for _ in range(2):
        run.session.listen(next(each for each in run.told if each.stream == f"bot:{BOT}"))
    return len(told(lives, STATE_FILE))
