"""The simulated exchange by itself: what it does with orders, and what its client makes of every fault.

Each test states the terms it needs; the rest is calm. Virtual time makes hours cost nothing.
"""

from decimal import Decimal

import pytest

from engine.exchanges.port import Accepted, NotSent, OrderReport, Rejected, Unknown
from engine.testing.simulation.exchange.terms import Terms
from tests.simulation.worlds import BTC, ExchangeWorld, order, run

CENT = Decimal("0.01")


def test_create_of_a_market_order_fills_it_at_once_and_names_the_trades() -> None:
    world = ExchangeWorld()

    async def work() -> None:
        client = world.client()
        outcome = await client.create(BTC, order(1, "buy", "0.01", sent_ms=world.now_ms()))
        assert isinstance(outcome, Accepted)
        assert outcome.is_whole
        assert sum(fill.quantity for fill in outcome.fills) == Decimal("0.01")
        assert (await client.balances())["BTC"].total == Decimal("0.51")

    run(work)


def test_limit_order_rests_until_the_price_crosses_and_a_hint_says_so() -> None:
    world = ExchangeWorld()

    async def work() -> None:
        client = world.client()
        limit = world.price() * Decimal("0.997") // CENT * CENT
        resting = order(1, "buy", "0.01", sent_ms=world.now_ms(), limit=limit)
        assert await client.create(BTC, resting) == Accepted("5000001")
        assert [row.filled for row in await client.open_orders(BTC)] == [0]
        hint = await client.next_hint(BTC)
        assert hint.client_order_ids == {resting.client_order_id}
        report = await client.query(BTC, resting)
        assert isinstance(report, OrderReport)
        assert (report.status, report.filled) == ("filled", Decimal("0.01"))
        assert [fill.price for fill in report.fills] == [limit]
        assert world.price() <= limit + 10

    run(work)


@pytest.mark.parametrize(
    ("fault", "expected", "is_placed"),
    [
        ("not_sent", NotSent, False),
        ("request_lost", Unknown, False),
        ("answer_lost", Unknown, True),
        ("server_error", Unknown, True),
        ("garbage", Unknown, True),
        ("rate_limit", Rejected, False),
    ],
)
def test_create_under_a_fault_tells_only_what_is_known(fault: str, expected: type, is_placed: bool) -> None:
    played = {f"exchange/create/{fault}#0": 1}
    world = ExchangeWorld(Terms(**{fault: 0.5}), played=played)  # type: ignore[arg-type]

    async def work() -> None:
        outcome = await world.client().create(BTC, order(1, "buy", "0.01", sent_ms=world.now_ms()))
        assert isinstance(outcome, expected)
        assert bool(world.exchange.matching.orders) == is_placed
        assert [record["fault"] for record in world.history("request")] == [fault]

    run(work)
