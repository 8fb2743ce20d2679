"""What is appended is published, whatever becomes of the one who waits for it."""

import asyncio

from engine.core.events import CommandReceived
from engine.core.feed_view import FeedView
from engine.runtime.bot import Bot
from engine.runtime.journal import Journal, Published
from engine.store.memory import MemoryLog
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
