"""What the exchange shows and a recovery does not book: told with its reason, neither lost nor booked a second time.

Method: a bot that traded at the local exchange, in this process; its log loses the end and is recovered.
"""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from engine.core import reducers
from engine.core.events import DiscrepancyFound, OrderAdopted, PurchaseRecorded, SaleRecorded
from engine.core.identity import client_order_id
from tests.exchange_server.faults import Fault
from tests.exchange_server.orders import OrderRecord
from tests.exchange_server.server import Server
from tests.live.harness import config_text, exchange, orders_of, trading
from tests.live.recovery import (
    bought,
    cut,
    decides_the_same,
    events,
    forget_orders,
    goes_on,
    place,
    recovered,
    sold,
    state_of,
)


def hide_order(server: Server, skip: int) -> None:
    """Have the exchange deny an order once, after so many questions about orders."""
    gone = Fault("error", on="GET /api/v3/order", when="before", status=400, code=-2013, skip=skip)
    server.exchange.faults.add(gone)


def record_of(server: Server, name: str) -> OrderRecord:
    """Give what the exchange holds of the only order under a client id."""
    records = server.exchange.matching.records.values()
    (record,) = [each for each in records if each.now.wish.client_order_id == name]
    return record


def adopted(log: Path) -> list[str]:
    """Name the orders that were adopted, in their order."""
    return [each.client_order_id for each in events(log) if isinstance(each, OrderAdopted)]


def test_open_order_that_the_exchange_knows_no_more_is_listed_and_stays_in_the_books(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            before = await bought(log, server)
            cut(log, after="order_accepted", skip=1)
            (sell,) = state_of(log).orders.values()
            forget_orders(server)
            report = await recovered(log)
            (told,) = report.bots[0].unmatched
            names = f"{sell.client_order_id}, at the exchange {sell.exchange_order_id}"
            assert told.startswith(f"Order 2 ({names}): the log holds it as open"), told
            state = state_of(log)
            assert list(state.orders.values()) == [sell]
            assert [lot.sell_order for lot in state.lots.values()] == [sell.client_order_id], "nothing sells it twice"
            assert (state.position, state.accepted) == (before.position, ())
            server.exchange.faults.clear()
            await goes_on(log, config_text(server.port))
            assert len(orders_of(server)) == 2
            assert decides_the_same(log)

    asyncio.run(scenario())


@pytest.mark.parametrize("after", ["purchase_recorded", "bot_created"], ids=["held", "lost"])
def test_another_order_under_an_id_of_the_log_is_listed_and_not_booked(tmp_path: Path, after: str) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            before = await bought(log, server)
            cut(log, after=after)
            await place(server, client_order_id(before.log_id, 1), "49000")
            report = await recovered(log)
            told = [each for each in report.bots[0].unmatched if each.startswith("Order 1 (")]
            assert [each.partition("): ")[2] for each in told] == ["the exchange has another order under the same id"]
            buys = {str(each.order_id) for each in orders_of(server) if each.wish.side == "BUY"}
            state = state_of(log)
            booked = {each.exchange_order_id for each in (*state.orders.values(), *state.done_orders.values())}
            (left,) = buys - booked
            assert f"at the exchange {left})" in told[0], "one of the two is in the books, and the other is told"
            assert left in state.accepted

    asyncio.run(scenario())


def test_order_that_the_log_has_long_forgotten_is_not_booked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    monkeypatch.setattr(reducers.orders, "DONE_ORDERS_KEPT", 1)

    async def scenario() -> None:
        async with exchange() as server:
            await sold(log, server)
            cut(log, after="sale_recorded")
            before = state_of(log)
            assert [each.side for each in before.done_orders.values()] == ["sell"], "the purchase is forgotten"
            report = await recovered(log)
            assert report.confirmed
            assert report.bots[0].unmatched == ()
            assert client_order_id(before.log_id, 1) not in adopted(log)
            purchases = [each.lot for each in events(log) if isinstance(each, PurchaseRecorded)]
            assert len(purchases) == len(set(purchases))
            assert [each.lot for each in events(log) if isinstance(each, SaleRecorded)] == [1]

    asyncio.run(scenario())


def test_order_held_to_be_not_placed_that_is_listed_and_not_found_is_left_until_it_is_found(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            before = await bought(log, server)
            cut(log, after="order_sent")
            forget_orders(server)
            await recovered(log, confirm=lambda _: False)
            server.exchange.faults.clear()
            (buy,) = state_of(log).done_orders.values()
            assert buy.status == "rejected"
            hide_order(server, skip=2)
            report = await recovered(log, confirm=lambda _: False)
            assert server.exchange.faults.struck() == [1]
            told = report.bots[0].unmatched
            assert f"Order 1 ({buy.client_order_id}, " in told[0]
            assert told[0].endswith("the log holds it as not placed; the exchange lists and does not find it")
            assert state_of(log).done_orders == {buy.client_order_id: buy}
            assert state_of(log).position == 0
            report = await recovered(log)
            assert report.bots[0].unmatched == ()
            assert state_of(log).position == before.position
            assert len([each for each in events(log) if isinstance(each, PurchaseRecorded)]) == 1
            assert decides_the_same(log)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("told_as", "why"),
    [
        ({"kind": "PEGGED"}, "the exchange does not tell side, kind or quantity of it"),
        ({"price": None}, "the exchange does not tell its price"),
        (None, "the exchange listed it, and does not find it"),
    ],
    ids=["kind", "price", "gone"],
)
def test_lost_order_of_which_too_little_is_told_is_left_until_more_is(
    tmp_path: Path, told_as: dict[str, Any] | None, why: str
) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            text = config_text(server.port)
            before = await bought(log, server)
            cut(log, after="order_accepted", skip=1)
            name = client_order_id(before.log_id, 5)
            await place(server, name, "49000")
            record = record_of(server, name)
            true = record.states
            if told_as is None:
                hide_order(server, skip=2)
            else:
                record.states = [replace(each, wish=replace(each.wish, **told_as)) for each in true]
            report = await recovered(log)
            named = f"Order 5 ({name}, at the exchange {record.now.order_id})"
            assert report.bots[0].unmatched == (f"{named}: {why}",)
            assert state_of(log).accepted == (str(record.now.order_id),)
            assert adopted(log) == []
            record.states = true
            async with trading(log, text) as run:
                await run.until(lambda: run.state().has_looked)
                assert run.state().halted is None, "an operator has accepted it"
                assert not run.events(DiscrepancyFound)
            cut(log, after="recovery_started")
            report = await recovered(log)
            assert report.bots[0].unmatched == ()
            assert adopted(log) == [name]
            assert state_of(log).order(name) is not None
            assert state_of(log).position == before.position
            assert len(orders_of(server)) == 3, "a recovery sends nothing"

    asyncio.run(scenario())


@pytest.mark.parametrize("taken", ["0", "0.001"], ids=["whole", "short"])
def test_account_that_holds_less_than_its_bot_bought_is_told_with_how_much(tmp_path: Path, taken: str) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        balances = {"USD": Decimal(100_000), "BTC": Decimal(0)}
        async with exchange(account={"balances": balances}) as server:
            async with trading(log, config_text(server.port, sell_order_type="trailing_market")) as run:
                await run.until(lambda: run.events(PurchaseRecorded))
                before = run.state()
            (account,) = server.exchange.accounts.values()
            lacking = before.position - account.has("BTC") + Decimal(taken)
            account.add("BTC", -Decimal(taken))
            cut(log, after="order_sent")
            (bot,) = (await recovered(log)).bots
            assert bot.balance == account.has("BTC")
            assert bot.short == lacking
            assert state_of(log).position == before.position, "what is missing stays in the books"
            assert replace(bot, balance=None).short == 0, "where there is no account nothing is short"

    asyncio.run(scenario())
