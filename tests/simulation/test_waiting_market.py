"""Carrying out orders on a market that waits: the market stands still until each is answered, or asked about again."""

from decimal import Decimal
from pathlib import Path
from typing import Literal

from engine.core.config import BotConfig
from engine.core.events import (
    Balance,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderOutcomeUnknown,
    OrderSent,
    PurchaseRecorded,
    SaleRecorded,
    SellTargetSet,
)
from engine.core.state import BotState, Order
from engine.exchanges.paper import PaperGateway
from engine.exchanges.port import Accepted, Gateway, OrderReport, Outcome, Unknown
from engine.runtime.feed_stream import FeedStream
from engine.runtime.markets import paper_settings
from tests.simulation.lives import Lives, story

WAITING = {
    "paper_trading": True,
    "live": False,
    "exchange": "simulated",
    "connectivity_hosts": [],
    "connectivity_check_interval": 30,
    "market": {"seed": 1},
}


class SecretiveGateway:
    """A paper account that answers no order, only questions about it, and must not be sent an order again."""

    repeats_create = False
    valid_ms = 5_000
    grace_ms = 0

    def __init__(self, config: BotConfig, feed: FeedStream) -> None:
        self.created: list[str] = []
        self._paper = PaperGateway(paper_settings(config), lambda: feed.view)
        self._taken: dict[str, Accepted] = {}

    async def create(self, state: BotState, order: Order) -> Outcome:
        self.created.append(order.client_order_id)
        outcome = await self._paper.create(state, order)
        assert isinstance(outcome, Accepted), outcome
        self._taken[order.client_order_id] = outcome
        return Unknown("the answer was lost")

    async def query(self, state: BotState, order: Order) -> OrderReport | Unknown | None:
        taken = self._taken.pop(order.client_order_id, None)
        if taken is None:
            return await self._paper.query(state, order)
        filled = sum((fill.quantity for fill in taken.fills), Decimal(0))
        status: Literal["filled", "open"] = "filled" if filled == order.quantity else "open"
        return OrderReport(order.client_order_id, taken.exchange_order_id, status, filled, taken.fills)

    async def cancel(self, state: BotState, order: Order) -> OrderReport | Unknown | None:
        return await self._paper.cancel(state, order)

    async def balances(self, state: BotState) -> dict[str, Balance]:
        return await self._paper.balances(state)

    def trades(self, state: BotState) -> tuple[OrderReport, ...]:
        return self._paper.trades(state)


def test_order_without_an_answer_on_a_waiting_market_is_asked_about_and_not_sent_again(tmp_path: Path) -> None:
    gateways: list[SecretiveGateway] = []

    def gateway(config: BotConfig, feed: FeedStream) -> Gateway:
        gateways.append(SecretiveGateway(config, feed))
        return gateways[0]

    async def tell(lives: Lives) -> None:
        async with lives.life(WAITING, gateway=gateway) as run:
            await run.until(lambda: run.events(PurchaseRecorded), within_s=86_400)
            first = run.events(OrderSent)[0].client_order_id
            assert [each.client_order_id for each in run.events(OrderOutcomeUnknown)][:1] == [first]
            assert gateways[0].created.count(first) == 1
            assert [each.client_order_id for each in run.events(OrderFilled)][:1] == [first]

    story(tmp_path, tell)


def test_resting_sell_on_a_waiting_market_is_booked_when_the_price_has_come(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life(WAITING) as run:
            await run.until(lambda: run.events(SaleRecorded), within_s=86_400)
            sold = run.events(SaleRecorded)[0]
            assert sold.price >= run.events(SellTargetSet)[0].target

    story(tmp_path, tell)


def test_limit_buy_on_a_waiting_market_is_cancelled_at_its_timeout(tmp_path: Path) -> None:
    bot = {**WAITING, "buy_order_type": "limit", "buy_order_timeout": 10, "market": {"seed": 1, "fill_fraction": 0.1}}

    async def tell(lives: Lives) -> None:
        async with lives.life(bot) as run:
            await run.until(lambda: run.events(OrderCanceled), within_s=86_400)
            (canceled, *_) = run.events(OrderCanceled)
            fills = [each for each in run.events(OrderFilled) if each.client_order_id == canceled.client_order_id]
            assert canceled.filled == sum(each.quantity for each in fills)

    story(tmp_path, tell)


def test_order_on_a_waiting_market_that_was_sent_when_the_engine_died_is_placed_again(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life(WAITING) as run:
            run.die_once(OrderSent)
            await run.session.until_over(86_400)
            (sent,) = run.events(OrderSent)
            assert not run.events(OrderAccepted)
        async with lives.life(WAITING) as run:
            await run.until(lambda: run.events(PurchaseRecorded), within_s=86_400)
            assert run.events(OrderAccepted)[0].client_order_id == sent.client_order_id
            assert not [each for each in run.events(OrderSent) if each.client_order_id == sent.client_order_id]

    story(tmp_path, tell)
