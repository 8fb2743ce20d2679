"""docs/state-file.md: every key of the state file from the struct that writes it, with its unit and meaning."""

from collections.abc import Iterator
from typing import Any, Final, get_args

import msgspec

from engine.core.projection import SellFile, StateFile, TrailFile
from tests.docs.pages import table
from tests.docs.types_in_words import fields, is_struct, type_words

TOP: Final = {
    "bot_id": ("", "The bot."),
    "name": ("", "Its name from the configuration, or its id."),
    "symbol": ("", "Base and quote."),
    "exchange": ("", "Where it trades."),
    "strategy": ("", "What proposes its purchases."),
    "last_update": (
        "ISO 8601 UTC",
        "Recorded time of the event that `log` names; on markets that bring a clock, that market's time.",
    ),
    "stats.total_trades": ("trades", "Trades opened: one for each purchase."),
    "stats.winning_trades": ("trades", "Trades closed with a realised net profit above 0."),
    "stats.losing_trades": ("trades", "All other closed trades."),
    "stats.total_profit": ("quote", "Realised, after all fees."),
    "stats.current_position": ("base", "The sum of the open lots; dust is apart."),
    "stats.last_price": ("quote", "The last price of the feed when the file was written."),
    "strategy_state.last_purchase_time": ("epoch seconds", "When the last purchase was complete."),
    "strategy_state.last_purchase_price": ("quote", "Mean price of the last purchase."),
    "strategy_state.total_purchased": ("base", "Filled quantity of all purchases ever, before fees in base."),
    "strategy_state.total_spent": ("quote", "Price × quantity of all purchases ever, without fees."),
    "strategy_state.purchase_count": ("purchases", "All purchases ever."),
    "strategy_state.pending_sell_order": ("", "The newest lot that waits to be sold; see below."),
    "strategy_state.trailing_state": ("", "The trail that changed last, even if it is over; see below."),
    "strategy_state.purchases": ("", "The last 100 closed lots, then the open ones, oldest first; see below."),
    "strategy_state.pending_sell_orders": ("", "Every lot that waits to be sold, oldest first; see below."),
    "strategy_state.trailing_states": ("", "Every trail now, the entry's first; see below."),
    "strategy_state.dust.quantity": (
        "base",
        "Remainders too small to sell. They join the next sale that can take them.",
    ),
    "strategy_state.dust.cost": ("quote", "What the dust once cost."),
    "connectivity.last_success": ("ISO 8601 UTC", "When a check last passed."),
    "connectivity.failure_count": ("failures", "Failed checks in a row."),
    "log.sequence": ("", "The event of the bot's stream that the file reflects."),
    "log.checksum": ("hex", "The chain's checksum at that event."),
}

LOT: Final = {
    "buy_order_id": ("", "The client order id of the purchase."),
    "buy_price": ("quote", "Mean price paid, without fees."),
    "buy_amount": ("base", "Quantity filled, before fees in base."),
    "buy_cost": ("quote", "Cash paid, fees in quote included."),
    "buy_fee": ("quote", "All fees of the purchase at their value in quote."),
    "buy_timestamp": ("epoch seconds", "When the first part was filled."),
    "target_sell_price": (
        "quote",
        "The price that yields the profit target after the sell fee, rounded up to the price tick.",
    ),
    "profit_target": ("percent", "What was aimed at when the target was set."),
    "actual_profit": (
        "percent",
        "While pending, what the rounded target would yield net; once closed, what was realised.",
    ),
    "status": ("", "`pending`, `filled`, or `cancelled` (too small to sell: it became dust)."),
    "amount_left": ("base", "What is still to be sold."),
    "sell_order_id": ("", "The sell order that is out, if any."),
    "sell_price": ("quote", "Mean price of what was sold."),
    "proceeds": ("quote", "Cash received for what was sold, after fees."),
    "profit": ("quote", "Cash received − cash paid for what was sold."),
    "sell_timestamp": ("epoch seconds", "When the lot was closed."),
}

TRAIL: Final = {
    "status": ("", "`inactive`, `waiting`, `active` or `triggered`."),
    "direction": ("", "`up` for a sell, `down` for a buy."),
    "activation_price": ("quote", "Where the trail begins to follow the price."),
    "watermark": ("quote", "The best price since then; null while waiting."),
    "trailing_percent": ("percent", "How far the price must come back."),
    "last_update": ("epoch seconds", "When the trail last changed."),
    "lot": ("", "The lot it would sell, by the number of its buy order; null for the entry's trail."),
}


def keys() -> str:
    """Write every key of the file, then those of a lot and of a trail."""
    parts = [
        ("## The file", StateFile, TOP),
        ("## A lot, in `purchases`, `pending_sell_orders` and `pending_sell_order`", SellFile, LOT),
        ("## A trail, in `trailing_states` and `trailing_state`", TrailFile, TRAIL),
    ]
    return "\n\n".join(f"{title}\n\n{_table(kind, meanings)}" for title, kind, meanings in parts)


def _table(kind: type[msgspec.Struct], meanings: dict[str, tuple[str, str]]) -> str:
    rows = list(_flat(kind))
    different = {name for name, _ in rows} ^ set(meanings)
    assert not different, f"keys without meaning or meanings without key in tests/docs/state_file.py: {different}"
    lines = [(f"`{name}`", _type(type_), *meanings[name]) for name, type_ in rows]
    return table(("key", "type", "unit", "meaning"), lines)


def _flat(kind: type[msgspec.Struct], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, type_, _ in fields(kind):
        if is_struct(type_):
            yield from _flat(type_, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", type_


def _type(type_: Any) -> str:
    words = type_words(type_)
    for struct, word in ((SellFile, "lot"), (TrailFile, "trail")):
        if struct in get_args(type_):
            words = words.replace(struct.__name__, word)
    return words
