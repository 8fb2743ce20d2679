"""What is appended is published, whatever becomes of the one who waits for it."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from engine.core.errors import StorageError
from engine.core.events import Cause, CommandReceived, ConfigChanged, PriceObserved
from engine.core.feed_view import FeedView
from engine.runtime.bot import Bot
from engine.runtime.feed_stream import FeedStream
from engine.runtime.journal import Journal, Published
from engine.store.memory import MemoryLog
from engine.store.schema import WAL_NAME
from engine.store.sqlite import SqliteLog
from tests.kernel import FEED, config_of


def test_fact_whose_waiter_is_cancelled_is_published_all_the_same() -> None:
    async def scenario() -> None:
        store = MemoryLog(asyncio.sleep)
        told: list[Published] = []
        journal = Journal(store, (told.append,))
        bot, created = Bot.create(config_of(), "0a1b2c3d4e", "digest", 1_000)
        await journal.commit([(bot, created)])
        batch = bot.observe([CommandReceived("pause", "test")], 2_000, FeedView(FEED))
        waiting = asyncio.ensure_future(journal.commit([(bot, batch)]))
        await asyncio.sleep(0)
        waiting.cancel()
        await store.flush()
        assert waiting.cancelled()
        assert [type(each.event) for each in told][-1] is CommandReceived
        assert bot.durable[0].paused
        await store.close()

    asyncio.run(scenario())


def test_line_about_nothing_appended_is_told_at_once() -> None:
    async def scenario() -> None:
        store = MemoryLog(asyncio.sleep)
        told: list[str] = []
        Journal(store, ()).afterwards(lambda: told.append("now"))
        assert told == ["now"]
        await store.close()

    asyncio.run(scenario())


def test_too_many_facts_that_ride_are_made_durable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.runtime.journal.MOST_PENDING_ROWS", 2)

    async def scenario() -> None:
        store = MemoryLog(asyncio.sleep)
        told: list[Published] = []
        journal, feed = Journal(store, (told.append,)), FeedStream(FeedView(FEED))
        for number in range(1, 4):
            price = PriceObserved(Decimal(50_000 + number))
            assert await journal.commit([(feed, feed.record([price], 1_000 * number))]) is None
            assert store.pending_rows == (number if number < 3 else 0)
        await asyncio.sleep(0)
        assert len(told) == 3
        await store.close()

    asyncio.run(scenario())


def test_fact_that_could_not_be_written_is_told_to_nobody(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = await SqliteLog.open(tmp_path, linger=asyncio.sleep)
        told: list[Published] = []
        journal = Journal(store, (told.append,))
        bot, created = Bot.create(config_of(), "0a1b2c3d4e", "digest", 1_000)
        (tmp_path / WAL_NAME).unlink()
        with pytest.raises(StorageError):
            await journal.commit([(bot, created)])
        assert told == []
        await store.close()

    asyncio.run(scenario())


def test_line_about_what_was_appended_is_told_once_that_is_durable() -> None:
    async def scenario() -> None:
        store = MemoryLog(asyncio.sleep)
        told: list[str] = []
        journal, feed = Journal(store, ()), FeedStream(FeedView(FEED))
        await journal.commit([(feed, feed.record([PriceObserved(Decimal(50_000))], 1_000))])
        journal.afterwards(lambda: told.append("after"))
        assert told == []
        await store.flush()
        await asyncio.sleep(0)
        assert told == ["after"]
        await store.close()

    asyncio.run(scenario())


def test_bot_whose_config_changes_decides_with_the_new_one_and_is_laid_down_as_it_is() -> None:
    bot, _ = Bot.create(config_of(), "0a1b2c3d4e", "digest", 1_000)
    config = config_of(strategy_params={"amount_usd": 250})
    bot.observe([ConfigChanged(config, "another", ("strategy_params",))], 2_000, FeedView(FEED))
    assert bot.strategy.amount(bot.state) == 250
    price = PriceObserved(Decimal(50_000))
    assert bot.see(price, 3_000, FeedView(FEED, price=price, price_ms=3_000)) is None


def test_what_a_bot_decides_stands_behind_what_it_saw_and_names_it_as_its_cause() -> None:
    bot, _ = Bot.create(config_of(), "0a1b2c3d4e", "digest", 1_000)
    batch = bot.observe([CommandReceived("kill", "test")], 2_000, FeedView(FEED))
    assert [type(each.event).__name__ for each in batch.entries] == ["CommandReceived", "KillSwitchEngaged"]
    assert batch.entries[1].cause == Cause(bot.stream, batch.expected_sequence + 1)
    assert bot.state.guard.kill is not None
