"""A request that arrives twice: what the exchange makes of it, and which answer comes back.

A tape says which request is doubled, how much later it comes again, and whose answer is told.
"""

import asyncio

import pytest

from engine.exchanges.port import Accepted, OrderReport, Rejected, Unknown
from engine.testing.simulation.exchange.line import pause
from engine.testing.simulation.exchange.orders import CLOCK, DUPLICATE
from engine.testing.simulation.exchange.terms import Terms
from tests.simulation.worlds import BTC, ExchangeWorld, order, placed_and_cancelled, run

SECOND = {"exchange/create/doubled/answer#0": 1}
LATER = {"exchange/create/doubled/wait#0": 3}


def _world(valid_ms: int = 5_000, **played: int) -> ExchangeWorld:
    terms = Terms(doubled=0.5, ids_unique="ever", valid_ms=valid_ms)
    return ExchangeWorld(terms, played={"exchange/create/doubled#0": 1, **played})


@pytest.mark.parametrize(("played", "expected"), [({}, Accepted), (SECOND, Unknown)], ids=["first", "second"])
def test_create_that_arrives_twice_is_one_order_and_may_be_told_of_as_a_duplicate(
    played: dict[str, int], expected: type
) -> None:
    world = _world(**played)

    async def work() -> None:
        client = world.client()
        sent = order(1, "buy", "0.01", sent_ms=world.now_ms())
        outcome = await client.create(BTC, sent)
        assert isinstance(outcome, expected)
        await world.until(5)
        world.exchange.advance()
        assert len(world.exchange.matching.orders) == 1
        assert [record["reason"] for record in world.history("refused")] == [DUPLICATE.reason]
        assert [(record["fault"], record["arrived"]) for record in world.history("request")] == [("doubled", True)]
        assert isinstance(await client.query(BTC, sent), OrderReport)

    run(work)


def test_create_is_not_doubled_where_its_id_is_free_again_once_the_order_has_ended() -> None:
    world = ExchangeWorld(Terms(doubled=0.5, ids_unique="open"), played={"exchange/create/doubled#0": 1})

    async def work() -> None:
        await world.client().create(BTC, order(1, "buy", "0.01", sent_ms=world.now_ms()))
        await world.until(5)
        world.exchange.advance()
        assert len(world.exchange.matching.orders) == 1
        assert [record["fault"] for record in world.history("request")] == [None]

    run(work)


def test_create_that_was_refused_does_not_come_again() -> None:
    world = _world(**SECOND)

    async def work() -> None:
        outcome = await world.client().create(BTC, order(1, "buy", "0.0000001", sent_ms=world.now_ms()))
        assert isinstance(outcome, Rejected)
        await world.until(5)
        world.exchange.advance()
        assert len(world.history("refused")) == 1

    run(work)


def test_second_that_is_refused_for_the_clock_is_not_what_is_told() -> None:
    world = _world(500, **SECOND, **LATER)

    async def work() -> None:
        outcome = await world.client().create(BTC, order(1, "buy", "0.01", sent_ms=world.now_ms()))
        assert isinstance(outcome, Accepted)
        assert [record["code"] for record in world.history("refused")] == [CLOCK]

    run(work)


def test_second_arrives_although_the_life_that_sent_it_is_over() -> None:
    world = _world(**LATER)

    async def work() -> None:
        life = world.life()
        client = world.client(life)
        creating = asyncio.ensure_future(client.create(BTC, order(1, "buy", "0.01", sent_ms=world.now_ms())))
        await pause(900)
        life.end("power")
        await world.until(5)
        world.exchange.advance()
        assert len(world.history("order")) == len(world.history("refused")) == 1
        creating.cancel()

    run(work)


@pytest.mark.parametrize("answer", [0, 1], ids=["first", "second"])
def test_cancel_that_arrives_twice_leaves_the_order_cancelled(answer: int) -> None:
    played = {"exchange/cancel/doubled#0": 1, "exchange/cancel/doubled/answer#0": answer}
    world = ExchangeWorld(Terms(doubled=0.5), played=played)

    async def work() -> None:
        client = world.client()
        _, report = await placed_and_cancelled(world, client)
        assert report.status == "canceled"
        assert len(world.history("end")) == 1
        assert client.calls["cancel_order"] == 1
        assert [record["fault"] for record in world.history("request")] == [None, "doubled"]

    run(work)
