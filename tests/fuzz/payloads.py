"""What is put to the readers of exchanges' rows: any JSON gives checked values that a log can hold, or a typed fault.

Owns the properties of rows, refusals, answers, pages, messages of streams and fees. What comes before these readers,
ccxt's own reading, is in answers.py. Never asks a network anything.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from engine.core.errors import ConfigError, UnreachableError
from engine.core.events import (
    BalancesObserved,
    CandlesClosed,
    Event,
    MarketRulesObserved,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    PriceObserved,
)
from engine.core.units import is_sound
from engine.exchanges import order_rows, readings, wire
from engine.exchanges.credentials import Secret
from engine.exchanges.faults import Scrubber, fault_of
from engine.exchanges.fees import Fees
from engine.exchanges.key_owner import identity_of
from engine.exchanges.refusals import REASON_LENGTH
from engine.exchanges.trade_pages import MOST_PAGES, all_trades
from engine.exchanges.venues import VENUES
from engine.store.codec import decode, encode
from engine.store.port import Entry
from tests.exchanges.wire import SYMBOL
from tests.fuzz.events import check_numbers
from tests.fuzz.links import Links, links

OURS = "k0123456789abcdefg"
AT_MS = 1_900_000_000_000
STATUSES = (200, 400, 418, 429, 503)
ROWS = 64


@contextmanager
def payloads() -> Iterator[Callable[[bytes], None]]:
    """Give the target: bytes are taken for the body of an answer, and its JSON for rows as the library has them."""
    with links("binance") as opened:
        yield lambda data: _put(data, opened)


def _put(data: bytes, opened: Links) -> None:
    body = data.decode("utf-8", "replace")
    _put_body(body)
    try:
        value = json.loads(body)  # as ccxt reads it
    except (ValueError, RecursionError):
        return
    rows = [row for row in (value if isinstance(value, list) else [value]) if isinstance(row, dict)][:ROWS]
    for row in rows:
        _put_row(row)
        _put_fees(row, opened)
    lists = [row for row in (value if isinstance(value, list) else [value]) if isinstance(row, list)][:ROWS]
    for one in lists:
        with suppress(UnreachableError):
            logged(CandlesClosed("5m", (readings.candle_of(one),)))
    opened.listen(value)
    for message in rows:
        opened.listen(message)
    _put_pages(rows, opened)


def logged(event: Event) -> None:
    """Assert that the log can hold what was read."""
    body = encode(Entry(event, AT_MS))
    row = decode(body, "bot:fuzz", 1)
    assert row.e == event, body
    check_numbers(json.loads(body))


def _put_body(body: str) -> None:
    first = body.partition("\n")[0]
    for status in STATUSES:
        for headers in ({}, {"retry-after": first}):
            answer = wire.Answer(status, body, headers)
            silence_ms = answer.silence_ms(AT_MS)
            assert silence_ms is None or 0 <= silence_ms <= wire.MAX_SILENCE_MS
        assert isinstance(answer.message, str)
        assert answer.code is None or isinstance(answer.code, str)
        record = wire.Record()
        record.leaving("POST", AT_MS)
        record.answered(answer, AT_MS)
        fault = fault_of(ValueError(body), record, Scrubber(), exchange="fuzz", silent_until_ms=0, is_key=False)
        assert len(str(fault)) <= 2 * REASON_LENGTH, fault
        str(fault).encode()
        for venue in VENUES.values():
            refusal = venue.refusal(status, body)
            if refusal is not None:
                assert len(refusal.reason) <= REASON_LENGTH
                logged(OrderRejected(OURS, refusal.proof, refusal.reason))
    for venue in VENUES.values():
        assert all(isinstance(code, str) for code in venue.told_codes(body))


def _put_row(row: Mapping[str, Any]) -> None:
    for read in (_tick, _order, _open_order, _trade, _balances, _rules):
        with suppress(UnreachableError, ConfigError):
            read(row)
    identity_of("fuzz", row, row, Secret("key"))


def _tick(row: Mapping[str, Any]) -> None:
    tick = readings.tick_of(row, AT_MS)
    logged(PriceObserved(last=tick.last, bid=tick.bid, ask=tick.ask, exchange_time_ms=tick.at_ms))


def _order(row: Mapping[str, Any]) -> None:
    order = readings.order_of(row)
    assert is_sound(order.filled)
    logged(OrderAccepted(order.client_order_id or OURS, order.order_id))
    logged(OrderCanceled(OURS, order.filled))


def _open_order(row: Mapping[str, Any]) -> None:
    order = order_rows.open_order_of(row, readings.text_of(row, "clientOrderId"))
    logged(OrderAccepted(order.client_order_id or OURS, order.exchange_order_id))
    assert order.filled is None or is_sound(order.filled)
    placed = order_rows.placed_order_of(row, readings.text_of(row, "clientOrderId"), 1_000)
    for number in (placed.quantity, placed.limit_price):
        assert number is None or (is_sound(number) and number > 0)


def _trade(row: Mapping[str, Any]) -> None:
    trade = readings.trade_of(row)
    for asset, fee in trade.fees.items():
        logged(
            OrderFilled(OURS, trade.trade_id, trade.price, trade.quantity, fee, asset, fee, trade.liquidity),
        )


def _balances(row: Mapping[str, Any]) -> None:
    logged(BalancesObserved(readings.balances_of(row)))


def _rules(row: Mapping[str, Any]) -> None:
    logged(MarketRulesObserved(readings.rules_of({"symbol": SYMBOL, "base": "BTC", "quote": "USDT", **row})))


def _put_fees(row: Mapping[str, Any], opened: Links) -> None:
    """Value a trade's fee, asking for prices that are the same row again."""
    try:
        trade = readings.trade_of(row)
    except UnreachableError:
        return
    connection = opened.connection("binance")
    opened.answer = lambda _: {"symbol": "BTCUSDT", "lastPrice": row.get("price"), **row}
    with suppress(UnreachableError, ConfigError):
        fill = opened.run(Fees(connection).fill(SYMBOL, trade))
        assert is_sound(fill.fee)
        logged(
            OrderFilled(
                OURS, fill.trade_id, fill.price, fill.quantity, fill.fee, fill.fee_asset, fill.fee_quote, fill.liquidity
            )
        )


def _put_pages(rows: Sequence[Mapping[str, Any]], opened: Links) -> None:
    """List the rows as trades, two a page and then nothing new, by every exchange's way of going on."""
    for venue in VENUES.values():
        if venue.pages is None:
            continue
        asked = 0

        async def page(*_: Any) -> Sequence[Mapping[str, Any]]:
            nonlocal asked
            asked += 1
            await asyncio.sleep(0)
            return rows[2 * asked - 2 : 2 * asked] or rows[-1:]

        with suppress(UnreachableError):
            found = opened.run(all_trades(page, venue.pages, SYMBOL, AT_MS, None))
            assert len(found) <= len(rows)
        assert asked <= MOST_PAGES
