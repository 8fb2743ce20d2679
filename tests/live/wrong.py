"""Wrong protocols that incidents of other programs tell of, each as a patch of the engine for the length of a test.

Owns the mistakes. They show that a test of an incident can fail; nothing else may use them.
"""

import itertools
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import pytest
from msgspec.structs import replace

from engine.core.events import (
    BotEvent,
    DiscrepancyFound,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderRequested,
    SessionStarted,
)
from engine.core.identity import client_order_id
from engine.core.reducers import REDUCERS
from engine.core.state import BotState, Order
from engine.exchanges.ccxt_account import CcxtAccount
from engine.exchanges.live import AccountGateway
from engine.exchanges.port import Fill, OrderReport, Outcome, Rejected, Unknown
from engine.runtime import reconciliation, reports
from engine.runtime.reconciliation import Desked, Reconciler

Patch = pytest.MonkeyPatch
Wrong = Callable[[Patch], None]
REAL_CREATE: Final = AccountGateway.create
REAL_QUERY: Final = AccountGateway.query
REAL_CANCEL: Final = AccountGateway.cancel
REAL_LOOK_UP: Final = CcxtAccount._look_up
REAL_LOOK_AT_BALANCES: Final = Reconciler._look_at_balances


def timeout_is_failure(patch: Patch) -> None:
    """Take a create call that nobody answered for one that failed."""

    async def create(self: AccountGateway, state: BotState, order: Order) -> Outcome:
        outcome = await REAL_CREATE(self, state, order)
        return Rejected("timeout", outcome.error) if isinstance(outcome, Unknown) else outcome

    patch.setattr(AccountGateway, "create", create)


def failures_are_dropped(patch: Patch) -> None:
    """Take a create call that nobody answered for one that failed, and forget the order."""
    timeout_is_failure(patch)
    rejected = REDUCERS[OrderRejected]

    def dropped(state: BotState, event: OrderRejected, at_ms: int) -> BotState:
        state = rejected(state, event, at_ms)
        done = {name: order for name, order in state.done_orders.items() if name != event.client_order_id}
        return replace(state, done_orders=done)

    patch.setitem(REDUCERS, OrderRejected, dropped)


def sent_again_with_a_new_id(patch: Patch) -> None:
    """Place an order that nobody answered for a second time, under another id."""

    async def create(self: AccountGateway, state: BotState, order: Order) -> Outcome:
        outcome = await REAL_CREATE(self, state, order)
        if isinstance(outcome, Unknown):
            return await REAL_CREATE(self, state, replace(order, client_order_id=f"again{order.number:04}"))
        return outcome

    patch.setattr(AccountGateway, "create", create)


def absence_is_proof_at_once(patch: Patch) -> None:
    """Take "does not exist" for the truth, however soon after the order was sent."""
    patch.setattr(reports, "proves_absence", lambda *_: True)


def absence_ends_an_order(patch: Patch) -> None:
    """Take an order that the exchange has acknowledged, and does not show, for cancelled."""

    async def query(self: AccountGateway, state: BotState, order: Order) -> OrderReport | Unknown | None:
        report = await REAL_QUERY(self, state, order)
        if report is None and order.exchange_order_id is not None:
            return OrderReport(order.client_order_id, order.exchange_order_id, "canceled", order.filled)
        return report

    patch.setattr(AccountGateway, "query", query)


def cancelled_because_asked(patch: Patch) -> None:
    """Take an order for cancelled once that was asked for, whatever was answered."""

    async def cancel(self: AccountGateway, state: BotState, order: Order) -> OrderReport | Unknown | None:
        await REAL_CANCEL(self, state, order)
        return OrderReport(order.client_order_id, order.exchange_order_id or "", "canceled", order.filled)

    patch.setattr(AccountGateway, "cancel", cancel)


def cancelled_orders_are_deleted(patch: Patch) -> None:
    """Forget an order as soon as it is cancelled."""
    closed = REDUCERS[OrderCanceled]

    def deleted(state: BotState, event: OrderCanceled, at_ms: int) -> BotState:
        state = closed(state, event, at_ms)
        orders = {name: order for name, order in state.orders.items() if name != event.client_order_id}
        done = {name: order for name, order in state.done_orders.items() if name != event.client_order_id}
        return replace(state, orders=orders, done_orders=done)

    patch.setitem(REDUCERS, OrderCanceled, deleted)


def unanswered_orders_are_forgotten(patch: Patch) -> None:
    """Keep what is in flight in memory alone, so that a restart does not know of it."""

    def forget(state: BotState) -> BotState:
        orders = {name: each for name, each in state.orders.items() if each.status not in {"sent", "unknown"}}
        return replace(state, orders=orders)

    _at_the_start(patch, forget)


def open_orders_are_forgotten(patch: Patch) -> None:
    """Begin each session without the orders that rest at the exchange."""

    def forget(state: BotState) -> BotState:
        lots = {number: replace(lot, sell_order=None) for number, lot in state.lots.items()}
        watch = replace(state.watch, exitless=True)
        return replace(state, orders={}, lots=lots, watch=watch)

    _at_the_start(patch, forget)


def trades_are_forgotten(patch: Patch) -> None:
    """Remember only in memory which trades were booked."""

    def forget(state: BotState) -> BotState:
        done = {name: replace(order, trade_ids=()) for name, order in state.done_orders.items()}
        return replace(state, done_orders=done)

    _at_the_start(patch, forget)


def trade_ids_are_made_up(patch: Patch) -> None:
    """Name a trade by when it was seen, and not as the exchange does."""
    numbers = itertools.count(1)

    def filled(order: Order, fill: Fill) -> OrderFilled:
        return real(order, replace(fill, trade_id=f"{fill.trade_id}-{next(numbers)}"))

    real = reports.filled
    patch.setattr(reports, "filled", filled)
    patch.setattr(reconciliation, "filled", filled)


def fills_are_inferred(patch: Patch) -> None:
    """Make a fill up where the exchange counts more than the trades that it shows."""

    async def query(self: AccountGateway, state: BotState, order: Order) -> OrderReport | Unknown | None:
        report = await REAL_QUERY(self, state, order)
        if not isinstance(report, OrderReport):
            return report
        missing = report.filled - sum((fill.quantity for fill in report.fills), order.filled)
        if missing <= 0:
            return report
        price = order.limit_price or order.seen_price
        made_up = Fill(f"inferred-{order.number}", price, missing, Decimal(0), "USD", Decimal(0), "taker")
        return replace(report, fills=(*report.fills, made_up))

    patch.setattr(AccountGateway, "query", query)


def missing_base_is_sold(patch: Patch) -> None:
    """Book a sale that never happened when the account holds less than the log believes."""

    async def look(self: Reconciler) -> None:
        await REAL_LOOK_AT_BALANCES(self)
        for seat in self.seats:
            if seat.bot.state.short:
                await self._record(seat.bot, _made_up_sale(seat))

    patch.setattr(Reconciler, "_look_at_balances", look)


def _made_up_sale(seat: Desked) -> list[BotEvent]:
    state = seat.bot.state
    events: list[BotEvent] = []
    for lot in state.lots.values():
        name = client_order_id(state.log_id, state.order_number + 1)
        asked = OrderRequested(
            name, state.order_number + 1, "sell", "market", lot.quantity, lot.price, "target", lot=lot.number
        )
        traded = OrderFilled(name, "made-up", lot.price, lot.quantity, Decimal(0), "USD", Decimal(0), "taker")
        events += [asked, OrderAccepted(name, "made-up"), traded]
    return events


def looks_back_a_week(patch: Patch) -> None:
    """Know only orders that are younger than a week, whatever trades of older ones say."""

    async def look_up(self: CcxtAccount, symbol: str, order: Order) -> Any:
        if self._connection.clock_ms() - order.requested_ms > 7 * 86_400_000:
            return None
        return await REAL_LOOK_UP(self, symbol, order)

    async def nothing(*_: object) -> None:
        pass

    patch.setattr(CcxtAccount, "_look_up", look_up)
    patch.setattr(Reconciler, "_book_whole", nothing)
    patch.setattr(Reconciler, "_book", nothing)


def mismatch_is_only_logged(patch: Patch) -> None:
    """Write a discrepancy down and go on."""
    patch.setitem(REDUCERS, DiscrepancyFound, lambda state, _event, _at_ms: state)


def _at_the_start(patch: Patch, change: Callable[[BotState], BotState]) -> None:
    """Change the state at the beginning of every session."""
    started = REDUCERS[SessionStarted]

    def changed(state: BotState, event: SessionStarted, at_ms: int) -> BotState:
        return change(started(state, event, at_ms))

    patch.setitem(REDUCERS, SessionStarted, changed)
