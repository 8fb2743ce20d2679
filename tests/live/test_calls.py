"""What bots cost the exchange in calls: ten on a symbol hardly more than one, and no start waits behind look-ups."""

import asyncio
from pathlib import Path

import pytest

from engine.core.events import OrderSent, SaleRecorded
from tests.live.harness import Run, config_text, exchange, orders_of, set_price, trading, wiring
from tests.live_soak.calls import LATE, Counted, Scene, count_all

SPEC = pytest.mark.spec
MOST = {
    "GET /api/v3/time": 31,
    LATE: 60,
    "GET /api/v3/klines": 13,
    "GET /api/v3/ticker/24hr": 40,
    "GET /api/v3/openOrders": 22,
    "GET /api/v3/myTrades": 8,
    "GET /api/v3/account": 8,
    "GET /api/v3/exchangeInfo": 2,
}
"""Calls an hour: candles every 300 s at most, the stream judged every 300 s, the open orders looked at every 180 s,
everything every 600 s; the connection every 120 s; a price whenever a busy machine kept the stream silent for 250 ms,
which are 15 s at this speed (on virtual time there are twelve: simulation/test_duties.py). What came after its window,
which lasts 83 ms at this speed, is counted apart, with the look at the clock that each costs. Whatever is not named
here is not asked at all."""

SPARE = 4
AWAY = 20


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, bool], Counted]:
    """Count half a market hour of four scenes."""
    chosen = [Scene(bots, resting, 60.0, 30) for resting in (False, True) for bots in (1, 10)]
    found = count_all(chosen, tmp_path_factory.mktemp("calls"), at_once=4)
    return {(each.scene.bots, each.scene.resting): each for each in found}


@SPEC("a bot asks an exchange for what it must know, and no more", section="Live trading")
@pytest.mark.parametrize("bots", [1, 10])
@pytest.mark.parametrize("resting", [False, True])
def test_hour_of_calm_costs_a_bounded_number_of_calls(
    counted: dict[tuple[int, bool], Counted], bots: int, resting: bool
) -> None:
    for kind, number in counted[bots, resting].an_hour.items():
        assert number <= MOST.get(kind, 0) + SPARE, (kind, number)


@SPEC("ten bots on a symbol cost the exchange what one does", section="Live trading")
@pytest.mark.parametrize("resting", [False, True])
def test_ten_bots_on_a_symbol_cost_hardly_more_than_one(
    counted: dict[tuple[int, bool], Counted], resting: bool
) -> None:
    asked = [counted[bots, resting].an_hour for bots in (1, 10)]
    one, ten = (sum(number for kind, number in each.items() if kind != LATE) for each in asked)
    assert ten <= one * 1.5 + SPARE


@SPEC("what was filled while away is booked from one list", section="Live trading")
def test_start_after_many_fills_books_them_from_the_list_of_trades(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with exchange() as server:
            names = [f"away-{number}" for number in range(AWAY)]
            texts = [
                config_text(server.port, bot_id=name, profit_target=2, sell_order_type="limit", check_interval=30)
                for name in names
            ]
            async with trading(tmp_path, *texts) as run:
                await run.until(lambda: all(_statuses(run, name) == ["open"] for name in names), 60)
                assert [each.wish.side for each in orders_of(server)].count("SELL") == AWAY
            set_price(server, "52000")
            calls = server.exchange.ledger.calls.copy()
            new = config_text(server.port, bot_id="newcomer")
            async with trading(tmp_path, *texts, new, wired=wiring(is_paced=True, timeout_ms=10_000)) as run:
                await run.until(lambda: run.events(OrderSent, "newcomer"), 30)
                assert all(run.events(SaleRecorded, name) for name in names)
                asked = server.exchange.ledger.calls - calls
                assert asked["GET /api/v3/order"] <= 2
                assert asked["GET /api/v3/myTrades"] <= 2

    asyncio.run(scenario())


def _statuses(run: Run, bot_id: str) -> list[str]:
    return [each.status for each in run.state(bot_id).orders.values() if each.side == "sell"]
