"""Whether the log and the exchange tell the same story: every rule of the order protocol, held against both records.

Owns the rules. Independent of the engine's runtime code but for the last one, which asks `verify` and `redecide`
themselves. Each violation is one line that begins with the name of its rule.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from engine.core.projection import state_file_name
from engine.runtime.examine import check_digests, file_difference
from engine.runtime.redecide import redecide
from engine.runtime.replica import bot_ids
from engine.store.reader import LogReader
from engine.store.verification import verify
from tests.live_kill.books import ZERO, Intent, Ledger, LogBook, trade_of
from tests.live_kill.exposure import SLACK, exposures

OPEN: Final = frozenset({"NEW", "PARTIALLY_FILLED"})


class Terms:
    """What holds for a round: the balances at the start, and what each bot may have at risk."""

    def __init__(self, balances: dict[str, Decimal], budget: Decimal, lots: int, symbols: dict[str, str]) -> None:
        """Take them; `symbols` are the bots' markets as the exchange names them, with a slash."""
        self.balances: Final = balances
        self.budget: Final = budget
        self.lots: Final = lots
        self.symbols: Final = symbols


def check_orders(log: LogBook, ledger: Ledger) -> Iterator[str]:
    """Hold every order at the exchange against the intents: one for each, none unknown, none that was given up."""
    yield from (f"intent: {name} was requested twice" for name in log.requested_twice)
    by_client_id = ledger.orders_by_client_id()
    for name, orders in by_client_id.items():
        intent = log.intents.get(name)
        if intent is None:
            yield f"unknown order: {name} is at the exchange and not in the log"
            continue
        if len(orders) > 1:
            yield f"two orders: {name} is {len(orders)} orders at the exchange"
        for states in orders:
            yield from _compare(name, intent, states[-1])
        if intent.rejections:
            yield f"given up: {name} was at the exchange; the log said {intent.rejections}"
    for name, intent in log.intents.items():
        if intent.exchange_ids and name not in by_client_id:
            yield f"invented: {name} was accepted as {intent.exchange_ids}, and the exchange has no such order"


def check_sending(log: LogBook, ledger: Ledger) -> Iterator[str]:
    """Hold every request to create an order against the log: one at most for each intent, and none that is unsaid."""
    creates = ledger.creates()
    for name, intent in log.intents.items():
        if creates[name] > 1 or intent.sent > 1:
            yield f"sent twice: {name} was asked for {creates[name]} times, and recorded as sent {intent.sent} times"
        if creates[name] and not intent.sent:
            yield f"unlogged: {name} was asked for, and the log does not say that it was sent"
    for name in creates.keys() - log.intents.keys():
        yield f"unlogged: {name} was asked for, and the log does not want it"


def _compare(name: str, intent: Intent, order: dict[str, Any]) -> Iterator[str]:
    wish, wanted = order["wish"], intent.wanted
    theirs = (wish["side"].lower(), wish["kind"].lower(), Decimal(wish["quantity"]), wish["price"])
    ours = (wanted["side"], wanted["kind"], Decimal(wanted["quantity"]), wanted.get("limit_price"))
    if theirs[:3] != ours[:3] or Decimal(theirs[3] or 0) != Decimal(ours[3] or 0):
        yield f"another order: {name} is {theirs} at the exchange and {ours} in the log"
    if intent.exchange_ids - {str(order["order_id"])}:
        yield f"another order: {name} is {order['order_id']} at the exchange and {intent.exchange_ids} in the log"


def check_trades(log: LogBook, ledger: Ledger) -> Iterator[str]:
    """Hold every trade at the exchange against the bookings: each once, with the same numbers, none besides."""
    theirs: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in ledger.trades:
        theirs[row["client_order_id"]][str(row["trade_id"])] = trade_of(row)
    for name, intent in log.intents.items():
        for trade_id, booked in intent.trades.items():
            if len(booked) > 1:
                yield f"booked twice: trade {trade_id} of {name}, {len(booked)} times"
            if trade_id not in theirs[name]:
                yield f"invented: trade {trade_id} of {name} is booked and never was"
            elif booked[0] != theirs[name][trade_id]:
                yield f"wrong: trade {trade_id} of {name} is {theirs[name][trade_id]}, booked as {booked[0]}"
        for trade_id in theirs[name].keys() - intent.trades.keys():
            yield f"not booked: trade {trade_id} of {name}"


def check_balances(log: LogBook, ledger: Ledger, terms: Terms) -> Iterator[str]:
    """Hold what the account has against what it had and what the log says was traded, asset by asset."""
    expected = Counter(terms.balances)
    for intent in log.intents.values():
        base, quote = terms.symbols[intent.bot].split("/")
        sign = 1 if intent.wanted["side"] == "buy" else -1
        for booked in intent.trades.values():
            trade = booked[0]
            expected[base] += sign * trade.quantity  # type: ignore[assignment]
            expected[quote] -= sign * trade.quantity * trade.price  # type: ignore[assignment]
            expected[trade.fee_asset] -= trade.fee  # type: ignore[assignment]
    for asset in expected.keys() | ledger.balances.keys():
        held = ledger.balances.get(asset, ZERO)
        if held != expected[asset]:
            yield f"balance: the account has {held} {asset}, the log makes it {expected[asset]}"


def check_rest(log: LogBook, ledger: Ledger) -> Iterator[str]:
    """Look for what is left in the end: reserved money, orders in doubt, orders open on one side only."""
    open_there = {states[-1]["wish"]["client_order_id"] for states in ledger.orders if states[-1]["status"] in OPEN}
    open_here = set()
    for name, intent in log.intents.items():
        if intent.is_done:
            continue
        open_here.add(name)
        if intent.status != "open":
            yield f"in doubt: {name} is left {intent.status}"
        if intent.wanted["side"] == "buy":
            yield f"reserved: {name} still holds {intent.wanted.get('reserved')}"
    for name in open_there ^ open_here:
        yield f"open: {name} is open {'at the exchange' if name in open_there else 'in the log'} only"
    if ledger.locked.get("USD"):
        yield f"reserved: the exchange holds {ledger.locked['USD']} USD back"
    halts = [row.says for row in log.rows if row.tag == "discrepancy_found"]
    yield from (f"discrepancy: {says}" for says in halts)


def check_exposure(log: LogBook, ledger: Ledger, terms: Terms) -> Iterator[str]:
    """Look for an instant at which a bot had more at the exchange than it may; tell the first of each bot."""
    for log_id, bot in log.bots.items():
        for at_ms, at_risk, lots in exposures(log_id, log.intents, ledger):
            if at_risk > terms.budget * SLACK or lots > terms.lots:
                yield f"exposure: {bot} had {at_risk:.2f} at risk in {lots} lots at {at_ms}"
                break


def check_log(directory: Path) -> Iterator[str]:
    """Do as `replay --verify --redecide`: is the log sound, and does deciding again decide the same?"""
    with LogReader.open(directory) as reader:
        yield from (f"damage: {damage}" for damage in verify(reader).damages)
        for bot_id in bot_ids(reader):
            yield from (f"redecide: {bot_id} {each}" for each in redecide(reader, bot_id).divergences)
            digests = check_digests(reader, bot_id)
            if digests.differing or not digests.checked:
                yield f"damage: {bot_id} has states noted that the fold does not give: {digests}"
            path = directory / state_file_name(bot_id)  # there is none before the first purchase
            difference = file_difference(reader, bot_id, path.read_bytes()) if path.exists() else None
            if difference is not None:
                yield f"state file: {bot_id}: {difference}"


def check_pauses(log: LogBook) -> Iterator[str]:
    """Look for an order that left after a pause of its bot was in the log, and before the end of that pause."""
    paused: set[str] = set()
    for row in log.rows:
        if row.tag == "command_received" and row.says["command"] in {"pause", "resume"}:
            (paused.add if row.says["command"] == "pause" else paused.discard)(row.stream)
        elif row.tag == "order_sent" and row.stream in paused:
            yield f"paused: {row.says['client_order_id']} was sent although {row.stream} was paused"


def check(directory: Path, ledger: Ledger, terms: Terms) -> list[str]:
    """Check everything; give the violations."""
    log = LogBook(directory)
    return [
        *check_orders(log, ledger),
        *check_sending(log, ledger),
        *check_pauses(log),
        *check_trades(log, ledger),
        *check_balances(log, ledger, terms),
        *check_rest(log, ledger),
        *check_exposure(log, ledger, terms),
        *check_log(directory),
    ]
