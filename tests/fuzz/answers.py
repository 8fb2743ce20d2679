"""What is put to whole calls: whatever an exchange answers, through ccxt, comes out as checked values or a typed fault.

Owns the calls. An input is JSON: `[venue, call, answer, answer, …]`; requests are answered in turn, then by the last.
Never asks a network anything.
"""

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from engine.core.errors import EngineError
from engine.core.events import (
    BalancesObserved,
    CandlesClosed,
    MarketRulesObserved,
    OrderAccepted,
    OrderFilled,
    OrderOutcomeUnknown,
    OrderRejected,
    OrdersSurveyed,
    PriceObserved,
)
from engine.core.state import Order
from engine.exchanges.ccxt_account import CcxtAccount
from engine.exchanges.ccxt_gateway import CcxtConnection
from engine.exchanges.port import Accepted, Fill, NotSent, OrderReport, Rejected, Unknown
from engine.exchanges.venues import VENUES
from tests.exchanges.recorded import OUR_ID, SENT_MS
from tests.exchanges.wire import SYMBOL, Request
from tests.fuzz.links import Links, links
from tests.fuzz.payloads import logged

VENUE_NAMES = tuple(name for name, row in VENUES.items() if row.orders)
MOST_REQUESTS = 300
ORDER = Order(
    client_order_id=OUR_ID,
    number=1,
    side="buy",
    kind="limit",
    quantity=Decimal("0.0012345"),
    seen_price=Decimal(40_000),
    purpose="entry",
    requested_ms=SENT_MS,
    limit_price=Decimal("40000.05"),
    sent_ms=SENT_MS,
    valid_ms=5_000,
)


@contextmanager
def answers() -> Iterator[Callable[[bytes], None]]:
    """Give the target: bytes are taken for a call and what it is answered."""
    with links(*VENUE_NAMES) as opened:
        yield lambda data: _put(data, opened)


def _put(data: bytes, opened: Links) -> None:
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return
    match told:
        case [str() as name, str() as call, *bodies] if name in VENUE_NAMES and call in CALLS and bodies:
            pass
        case _:
            return
    requests = 0

    def answer(_: Request) -> Any:
        nonlocal requests
        requests += 1
        return bodies[min(requests, len(bodies)) - 1]

    opened.answer = answer
    connection = opened.connection(name)
    if call == "rules":
        connection.ccxt.markets = None
    try:
        opened.run(_made(CALLS[call], opened.accounts[name], connection))
    except EngineError as error:
        str(error).encode()
    assert requests <= MOST_REQUESTS


Made = Callable[[CcxtAccount, CcxtConnection], Awaitable[None]]


async def _made(call: Made, account: CcxtAccount, connection: CcxtConnection) -> None:
    await call(account, connection)


async def _create(account: CcxtAccount, _: CcxtConnection) -> None:
    match await account.create(SYMBOL, ORDER):
        case Accepted() as accepted:
            logged(OrderAccepted(OUR_ID, accepted.exchange_order_id))
            _fills(accepted.fills)
        case Rejected() as rejected:
            logged(OrderRejected(OUR_ID, rejected.proof, rejected.reason))
        case Unknown() as unknown:
            logged(OrderOutcomeUnknown(OUR_ID, unknown.error))
        case NotSent() as unsent:
            logged(OrderRejected(OUR_ID, "not sent", unsent.reason))


async def _query(account: CcxtAccount, _: CcxtConnection) -> None:
    _report(await account.query(SYMBOL, ORDER))


async def _cancel(account: CcxtAccount, _: CcxtConnection) -> None:
    _report(await account.cancel(SYMBOL, ORDER))


async def _balances(account: CcxtAccount, _: CcxtConnection) -> None:
    logged(BalancesObserved(await account.balances({"BTC", "USDT"})))


async def _open_orders(account: CcxtAccount, _: CcxtConnection) -> None:
    orders = await account.open_orders(SYMBOL)
    logged(OrdersSurveyed(foreign=tuple(order.exchange_order_id for order in orders[:20])))


async def _trades(account: CcxtAccount, _: CcxtConnection) -> None:
    trades = await account.trades(SYMBOL, SENT_MS - 1_000)
    _fills(await account.fills(SYMBOL, trades))


async def _identify(account: CcxtAccount, _: CcxtConnection) -> None:
    await account.identify()


async def _client_id(account: CcxtAccount, _: CcxtConnection) -> None:
    await account.client_order_id_of(SYMBOL, "7001")


async def _ticker(_: CcxtAccount, connection: CcxtConnection) -> None:
    tick = await connection.ticker(SYMBOL)
    logged(PriceObserved(last=tick.last, bid=tick.bid, ask=tick.ask, exchange_time_ms=tick.at_ms))


async def _candles(_: CcxtAccount, connection: CcxtConnection) -> None:
    candles = await connection.candles(SYMBOL, "5m", SENT_MS - 3_600_000, SENT_MS)
    logged(CandlesClosed("5m", tuple(candles)))


async def _time(_: CcxtAccount, connection: CcxtConnection) -> None:
    assert await connection.time_ms() > 0


async def _rules(_: CcxtAccount, connection: CcxtConnection) -> None:
    logged(MarketRulesObserved(await connection.rules(SYMBOL)))


CALLS: Mapping[str, Made] = {
    "create": _create,
    "query": _query,
    "cancel": _cancel,
    "balances": _balances,
    "open_orders": _open_orders,
    "trades": _trades,
    "identify": _identify,
    "client_id": _client_id,
    "ticker": _ticker,
    "candles": _candles,
    "time": _time,
    "rules": _rules,
}


def _report(report: OrderReport | Unknown | None) -> None:
    match report:
        case OrderReport():
            logged(OrderAccepted(report.client_order_id, report.exchange_order_id))
            _fills(report.fills)
        case Unknown():
            logged(OrderOutcomeUnknown(OUR_ID, report.error))
        case None:
            return


def _fills(fills: tuple[Fill, ...]) -> None:
    for fill in fills:
        logged(
            OrderFilled(
                OUR_ID,
                fill.trade_id,
                fill.price,
                fill.quantity,
                fill.fee,
                fill.fee_asset,
                fill.fee_quote,
                fill.liquidity,
            )
        )
