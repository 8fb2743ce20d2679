"""Rules that hold the log against the exchange's history: intents, trades, ends, and silence while paused.

Owns the comparison of one bot's orders with what the exchange knows of them. A bot on paper has no exchange.
Source: docs/live-trading.md, decisions.md "Orders" and "Reconciliation", ADR 5 and 17.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from engine.testing.independent.bots import BotBook
from engine.testing.independent.history import History, Placed, Record, is_symbol
from engine.testing.independent.orders import Order
from engine.testing.independent.pauses import Pauses
from engine.testing.independent.rows import number

Terms = Mapping[str, Any]
LATE: Final = "request_late"
"""Such a request may arrive long after it was given up: nobody can wait for it."""

UNDER_WAY: Final = frozenset({"sent", "unknown"})


def exchange_violations(book: BotBook, history: History, terms: Terms) -> Iterator[str]:
    """Say where a bot's log and the exchange tell different stories; with `quiet`, everything has come to rest."""
    is_quiet = bool(terms.get("quiet", True))
    for name, placed in history.of(book.orders.prefix):
        order = book.orders.by_name.get(name)
        if order is None and book.orders.is_lost(name) and not placed.trades and not placed.is_open:
            continue  # it was lost with the end of the log and came to nothing: nothing is adopted
        if order is None and placed.orders and not _unaccepted(book, placed):
            continue  # an operator has confirmed it as unmatched
        if order is None or not (order.sent or order.may_have_left):
            if placed.orders or placed.creates:
                text = "was never requested" if order is None else "is not recorded as sent"
                yield f"intent: {book.bot}: {name} came to the exchange and {text} in the log"
            continue
        yield from (f"intent: {book.bot}: {name} {text}" for text in _intents(book, order, placed, terms))
    for name, order in book.orders.by_name.items():
        placed = history.by_name.get(name) or Placed()
        if order.proof is not None and placed.orders:
            yield f"order: {book.bot}: {name} stands at the exchange and was held to be not placed ({order.proof})"
        yield from (f"trade: {book.bot}: {name}: {text}" for text in _trades(order, placed, is_quiet=is_quiet))
        if is_quiet:
            yield from (f"order: {book.bot}: {name} {text}" for text in _ends(order, placed))
    if is_quiet:
        yield from _position(book, history, terms)
    yield from _pauses(book, history)
    yield from _on_their_way(book, history)


def _unaccepted(book: BotBook, placed: Placed) -> list[Record]:
    """Give the orders under an id, without those that an operator has confirmed as unmatched."""
    return [record for record in placed.orders if str(record["order_id"]) not in book.orders.accepted]


def _intents(book: BotBook, order: Order, placed: Placed, terms: Terms) -> Iterator[str]:
    stands_as = _unaccepted(book, placed)
    if len(stands_as) > 1:
        yield f"stands at the exchange {len(stands_as)} times"
    if placed.creates > 1:
        yield f"was asked for {placed.creates} times"
    for record in stands_as:
        wanted = (order.side, order.kind, order.quantity, order.limit)
        price = None if record["price"] is None else number(record["price"])
        stands = (record["side"], record["kind"], number(record["quantity"]), price)
        if wanted != stands or not is_symbol(record["symbol"], book.symbol):
            yield f"was wanted as {_words(wanted)} and stands as {_words(stands)} of {record['symbol']}"
        if order.exchange_ids - {str(record["order_id"])}:
            yield f"is {record['order_id']} at the exchange and {sorted(order.exchange_ids)} in the log"
        if order.sent:
            yield from _times(order, record, terms)


def _times(order: Order, record: Record, terms: Terms) -> Iterator[str]:
    """Hold times of two clocks against each other, as far as the terms say how far these may be apart."""
    sent = order.sent[0]
    sent_ms, valid_ms = sent.says["sent_ms"], sent.says["valid_ms"]
    apart_ms, signed_ms = terms.get("signing_tolerance_ms"), record.get("signed_ms")
    if apart_ms is not None and signed_ms is not None:
        if abs(signed_ms - sent_ms) > apart_ms:
            yield f"is signed with {signed_ms}, and order_sent says {sent_ms}"
        if record["at_ms"] > signed_ms + valid_ms + apart_ms:
            yield f"is signed with {signed_ms} for {valid_ms} ms and was taken at {record['at_ms']}"
    apart_ms = terms.get("clock_tolerance_ms")
    if apart_ms is not None and record["at_ms"] + apart_ms < sent.at_ms:
        yield f"was taken at {record['at_ms']}, and recorded as sent at {sent.at_ms}"


def _trades(order: Order, placed: Placed, *, is_quiet: bool) -> Iterator[str]:
    booked = {fill.trade_id: fill for fill in order.fills}
    told = Counter(str(trade["trade_id"]) for trade in placed.trades)
    for trade in placed.trades:
        fill = booked.get(str(trade["trade_id"]))
        if fill is None:
            if is_quiet:
                yield f"trade {trade['trade_id']} is not booked"
            continue
        wanted = (*(number(trade[key]) for key in ("quantity", "price", "fee")), trade["fee_asset"])
        stands = (fill.quantity, fill.price, fill.fee, fill.fee_asset)
        if wanted != stands:
            yield f"trade {fill.trade_id} was {_words(wanted)} and is booked as {_words(stands)}"
    yield from (f"trade {name} is booked, and the exchange does not know it" for name in booked if name not in told)


def left_violations(book: BotBook) -> Iterator[str]:
    """Say which orders of a run that came to rest are still under way."""
    for name, order in book.orders.by_name.items():
        if order.status in UNDER_WAY and not order.is_ended:
            yield f"order: {book.bot}: {name} is left as {order.status}"


def _ends(order: Order, placed: Placed) -> Iterator[str]:
    if order.status in UNDER_WAY and not order.is_ended:
        return
    if placed.is_open and order.is_ended:
        yield f"is open at the exchange and {order.status} in the log"
    elif order.status == "closed" and placed.orders and order.closed_at < (there := placed.told):
        yield f"ended with {order.closed_at:f} in the log, and with {there:f} at the exchange"
    elif not placed.is_open and order.status == "open" and not order.is_ended:
        text = f"is {placed.end['status']}" if placed.end else "stands nowhere"
        yield f"{text} at the exchange and open in the log"
    elif placed.orders and placed.end and not order.is_ended:
        yield f"is {placed.end['status']} at the exchange and {order.status} in the log"


def _position(book: BotBook, history: History, terms: Terms) -> Iterator[str]:
    """Derive the position from the exchange's trades alone."""
    base, there = book.ledger.base, Decimal(0)
    for name, placed in history.of(book.orders.prefix):
        if name not in book.orders.by_name and placed.orders and not _unaccepted(book, placed):
            continue
        for trade in placed.trades:
            quantity = number(trade["quantity"])
            there += quantity if trade["side"] == "buy" else -quantity
            there -= number(trade["fee"]) if trade["fee_asset"] == base else 0
    held = book.ledger.recorded_position
    if abs(there - held) > number(terms.get("position_tolerance", "0")):
        yield f"position: {book.bot}: the exchange's trades leave {there:f} {base}, lots and dust are {held:f}"


def _pauses(book: BotBook, history: History) -> Iterator[str]:
    """Say what left while a pause stood for certain, and which pause was acknowledged and never logged.

    One before a disaster may be lost with the end of the log; if not, the rule that follows the log alone still holds.
    """
    pauses = Pauses(book.bot)
    lost = max((at for at, record in enumerate(history.records) if record.get("what") == "disaster"), default=-1)
    for at, record in enumerate(history.records):
        pauses.take(record)
        what, at_ms = record.get("what"), record.get("at_ms")
        if what == "command" and record.get("bot") == book.bot:
            is_told = record["name"] == "pause" and record["acknowledged"]
            if is_told and not book.pauses and at > lost:
                yield f"pause: {book.bot}: a pause was acknowledged at {at_ms} and is not in the log"
        elif pauses.is_paused and what == "request" and record.get("verb") == "create":
            name = str(record.get("client_order_id"))
            if name.startswith(book.orders.prefix):
                yield f"pause: {book.bot}: {name} was asked for at {at_ms}, after an acknowledged pause"


def _on_their_way(book: BotBook, history: History) -> Iterator[str]:
    """Say which orders arrived after a pause of the same life was acknowledged, though they had left before.

    Whoever is told of a pause may count on it: what had left has arrived by then, or was given up.
    """
    leaving, outlived, pauses = set[str](), set[str](), Pauses(book.bot)
    for record in history.records:
        what, name = record.get("what"), str(record.get("client_order_id"))
        outlived |= leaving if pauses.take(record) else set()
        if what == "life":
            leaving.clear()
        elif what == "request" and record.get("verb") == "create" and record.get("fault") != LATE:
            leaving |= {name} if name.startswith(book.orders.prefix) else set()
        elif what == "order" and name in outlived:
            yield f"pause: {book.bot}: {name} was still on its way when a pause was acknowledged"


def _words(amounts: tuple[Any, ...]) -> str:
    return " ".join(f"{each:f}" if isinstance(each, Decimal) else str(each) for each in amounts)
