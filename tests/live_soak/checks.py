"""What must hold after a soak, with the exchange's ledger as the truth.

Owns the comparison, each broken promise a sentence. Reads as the read-only verbs do.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from statistics import median
from typing import Any, Final

from engine.core.events import OrderFilled
from engine.core.state import BotState
from engine.runtime.redecide import redecide
from engine.runtime.replica import bot_ids, restore_bot
from engine.store.reader import LogReader
from engine.store.verification import verify
from tests.live_soak.plan import HOUR_MS, START
from tests.live_soak.running import Found, growth

ZERO: Final = Decimal(0)
MIB_PER_10_000_PRICES: Final = 1.0
"""Over its second half a soak may grow by no more (the line through its samples): state is bounded, a leak is not."""

WARM_UP_MS: Final = 3 * HOUR_MS
WARM_UP_MIB: Final = 30.0
"""Until each bot keeps its 200 ended orders and 100 closed lots, memory grows, but by no more than this."""

SPARE: Final = {"tasks": 6, "descriptors": 12}
"""Calls under way, and connections that faults have left to be closed, come and go; a leak adds up."""


def broken(found: Found) -> list[str]:
    """List what does not hold."""
    return [*wrong(found), *_leaks(found)]


def wrong(found: Found) -> list[str]:
    """List what does not hold between the log, the exchange and the bots; leaks show in long runs alone."""
    faults = []
    if found.exit_code != 0:
        faults.append(f"the engine ended with {found.exit_code}")
    if found.complaints.strip():
        faults.append(f"the engine complained: {found.complaints.strip()[-3000:]}")
    with LogReader.open(found.directory) as reader:
        ids = bot_ids(reader)
        states = [restore_bot(reader, bot_id)[0] for bot_id in ids]
        report = verify(reader)
        faults += [f"verify: {damage}" for damage in report.damages]
        for bot_id in ids:
            again = redecide(reader, bot_id)
            faults += [f"redecide {bot_id}: {divergence}" for divergence in again.divergences]
        booked = [event for bot_id in ids for event in _fills(reader, bot_id)]
    faults += [*_trades(found, booked), *_holdings(found, states), *_open_ends(found, states)]
    return faults


def _fills(reader: LogReader, bot_id: str) -> Iterator[OrderFilled]:
    for recorded in reader.read(f"bot:{bot_id}"):
        if isinstance(recorded.event, OrderFilled):
            yield recorded.event


def _trades(found: Found, booked: list[OrderFilled]) -> Iterator[str]:
    """Every trade is booked once, as it was, and every order was placed once."""
    theirs = {(trade["client_order_id"], str(trade["trade_id"])): trade for trade in found.ledger["trades"]}
    ids = Counter((fill.client_order_id, fill.trade_id) for fill in booked)
    if not theirs:
        yield "nothing was traded"
    yield from (f"trade {trade_id} is booked {times} times" for trade_id, times in ids.items() if times > 1)
    yield from (f"trade {trade_id} is not booked: {theirs[trade_id]}" for trade_id in theirs.keys() - ids.keys())
    yield from (f"trade {trade_id} never happened" for trade_id in ids.keys() - theirs.keys())
    for fill in booked:
        trade = theirs.get((fill.client_order_id, fill.trade_id))
        if trade is not None and _said(fill) != _meant(trade):
            yield f"trade {fill.trade_id} is booked as {_said(fill)} and was {_meant(trade)}"
    orders = Counter(states[-1]["wish"]["client_order_id"] for states in found.ledger["orders"])
    yield from (f"order {name} was placed {times} times" for name, times in orders.items() if times > 1)


def _said(fill: OrderFilled) -> tuple[Any, ...]:
    return fill.price, fill.quantity, fill.fee, fill.fee_asset


def _meant(trade: Mapping[str, Any]) -> tuple[Any, ...]:
    return *(Decimal(trade[key]) for key in ("price", "quantity", "commission")), trade["commission_asset"]


def _holdings(found: Found, states: list[BotState]) -> Iterator[str]:
    """Hold what the bots count as theirs against what the account has more than at the start, to the last digit."""
    (account,) = found.ledger["balances"].values()
    wanted: dict[str, Decimal] = defaultdict(Decimal, START)
    for state in states:
        wanted[state.config.base] += state.position + state.dust.quantity
        wanted[state.config.quote] += state.cash_flow
        if state.short:
            yield f"{state.bot_id} is short of {state.config.base}"
        if state.halted:
            yield f"{state.bot_id} is halted: {state.halted}"
    for asset in START:
        there = sum(map(Decimal, account.get(asset, ())), ZERO)
        if there != wanted[asset]:
            yield f"the account has {there} {asset}, the logs say {wanted[asset]}"


def _open_ends(found: Found, states: list[BotState]) -> Iterator[str]:
    """Nothing is unknown, and what is open is open on both sides, as far filled."""
    theirs = {}
    for each in found.ledger["orders"]:
        now = each[-1]
        if now["status"] in {"NEW", "PARTIALLY_FILLED"}:
            theirs[now["wish"]["client_order_id"]] = Decimal(now["executed"])
    ours = {name: order for state in states for name, order in state.orders.items()}
    for name, order in ours.items():
        if order.status != "open":
            yield f"{name} is {order.status} at the end"
        elif name not in theirs:
            yield f"{name} is open here and not there"
        elif theirs[name] != order.filled:
            yield f"{name} is filled by {order.filled} here and by {theirs[name]} there"
    for name in theirs.keys() - ours.keys():
        yield f"{name} is open there and not here"


def _leaks(found: Found) -> Iterator[str]:
    """Memory, tasks and descriptors stay as they are."""
    samples = found.samples
    slope, grown = growth(samples), (samples[-1].rss - samples[2].rss) / 2**20
    if grown > WARM_UP_MIB:
        yield f"memory grew by {grown:.1f} MiB"
    if samples[-1].at_ms > WARM_UP_MS and slope > MIB_PER_10_000_PRICES:
        yield f"memory grew by {slope:.2f} MiB per 10,000 prices"
    early, late = samples[len(samples) // 4 : len(samples) // 2], samples[len(samples) * 3 // 4 :]
    for name, spare in SPARE.items():
        before, after = (median(getattr(each, name) for each in part) for part in (early, late))
        if after > before + spare:
            yield f"{name} grew from {before} to {after}"
