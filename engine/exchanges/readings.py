"""What the library's dictionaries mean: checked values of ours, or a fault that says what made no sense.

Owns the reading of rows. Numbers come as text and become exact decimals; whatever is missing, not a number or out of
bounds raises UnreachableError, never a guess. Never asks an exchange anything.
"""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from math import prod
from typing import Any, Final, Literal, TypeGuard

import msgspec

from engine.core.errors import ConfigError, UnreachableError, UnreadableTradeError
from engine.core.events import Balance
from engine.core.events.orders import Liquidity
from engine.core.exact import exactly
from engine.core.market import Candle, MarketRules, Tick
from engine.core.units import HUNDRED, LATEST_MS, MAX_DECIMALS, ZERO, is_sound

Row = Mapping[str, Any]
Standing = Literal["open", "filled", "canceled", "expired"]

CADENCE_MS: Final = 5_000
_LONGEST: Final = 64
_LONGEST_TEXT: Final = 128
_MOST_KINDS: Final = 32
_CANDLE_FIELDS: Final = 6
_SMALLEST: Final = Decimal(1).scaleb(-MAX_DECIMALS)
_OVER: Final[dict[str, Standing]] = {
    "canceled": "canceled",
    "cancelled": "canceled",
    "rejected": "canceled",
    "expired": "expired",
}
_WHOLE: Final = 2**64
_RESTING: Final = frozenset({"open", "canceling", "new", "pending_new", "partially_filled"})


class RawTrade(msgspec.Struct, frozen=True):
    """One trade as read; `fees` are what it cost, by asset, not yet valued and none of them zero."""

    trade_id: str
    at_ms: int | None
    price: Decimal
    quantity: Decimal
    fees: Mapping[str, Decimal]
    liquidity: Liquidity


class RawOrder(msgspec.Struct, frozen=True):
    """One order as read; `client_order_id` is as the exchange reports it."""

    order_id: str
    client_order_id: str | None
    status: Standing
    filled: Decimal


def exact_number(value: Any) -> Decimal | None:
    """Give the exact number that a text or whole number is, None if it is none or out of bounds."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value)
    try:
        number = Decimal(text) if len(text) <= _LONGEST else None
    except InvalidOperation:
        return None
    if number is None or not number.is_finite() or number.adjusted() > _LONGEST:
        return None
    number = _plain(number)
    return number if is_sound(number) else None


def needed(row: Row, name: str, what: str) -> Decimal:
    """Give a number that must be there. Raises UnreachableError."""
    number = exact_number(row.get(name))
    if number is None:
        raise UnreachableError(f"The exchange named no {name} for {what}.")
    return number


def positive(row: Row, name: str, what: str) -> Decimal:
    """Give a number that must be there and over zero. Raises UnreachableError."""
    number = needed(row, name, what)
    if number <= 0:
        raise UnreachableError(f"The exchange named an impossible {name} for {what}: {number}.")
    return number


def id_of(row: Row, what: str) -> str:
    """Give the id that a row must have. Raises UnreachableError."""
    found = row.get("id")
    text = found if isinstance(found, str) else str(found) if is_whole(found) else ""
    if is_plain(text):
        return text
    raise UnreachableError(f"The exchange named no id for {what}.")


def text_of(row: Row, name: str) -> str | None:
    """Give a text if there is one that can be kept."""
    found = row.get(name)
    return found if isinstance(found, str) and is_plain(found) else None


def is_plain(text: str) -> bool:
    """Tell whether a text names something: a few characters that can all be printed and written to a log."""
    return 0 < len(text) <= _LONGEST_TEXT and text.isprintable()


def is_whole(value: Any) -> TypeGuard[int]:
    """Tell whether a value is a whole number of sensible size, and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _WHOLE


def is_time(value: Any) -> TypeGuard[int]:
    """Tell whether a value is a time in milliseconds that a log can hold."""
    return is_whole(value) and 0 < value <= LATEST_MS


def time_of(row: Row) -> int | None:
    """Give the time of a row, if it is told."""
    found = row.get("timestamp")
    return found if is_time(found) else None


def tick_of(row: Row, now_ms: int) -> Tick:
    """Read a price; `now_ms` is its time if the exchange tells none. Raises UnreachableError."""
    last = positive(row, "last", "a price")
    bid, ask = exact_number(row.get("bid")), exact_number(row.get("ask"))
    at_ms = time_of(row)
    return Tick(
        at_ms=now_ms if at_ms is None else at_ms,
        last=last,
        bid=bid if bid is not None and bid > 0 else None,
        ask=ask if ask is not None and ask > 0 else None,
    )


def candle_of(row: Sequence[Any]) -> Candle:
    """Read a candle. Raises UnreachableError."""
    numbers = [exact_number(part) for part in row[1:_CANDLE_FIELDS]]
    whole = [number for number in numbers if number is not None]
    if len(row) < _CANDLE_FIELDS or not is_time(row[0]) or len(whole) != len(numbers):
        raise UnreachableError("The exchange gave a candle without time or numbers.")
    opened, high, low, close, volume = whole
    if not 0 < low <= min(opened, close) <= max(opened, close) <= high or volume < 0:
        raise UnreachableError(f"The exchange gave an impossible candle at {row[0]}.")
    return Candle(row[0], opened, high, low, close, volume)


def order_of(row: Row, quantity: Decimal | None = None) -> RawOrder:
    """Read how an order stands; `quantity` is what was ordered. Cost and average, often wrong, are not looked at.

    Raises UnreachableError if it makes no sense.
    """
    order_id, filled = id_of(row, "an order"), needed(row, "filled", "an order")
    amount = exact_number(row.get("amount")) if quantity is None else quantity
    if filled < 0 or (amount is not None and filled > amount):
        raise UnreachableError(f"The exchange says that {filled} of an order over {amount} is filled.")
    told = str(row.get("status") or "").lower()
    if told == "closed":
        status: Standing = "canceled" if amount is not None and filled < amount else "filled"
    elif told in _RESTING:
        status = "open"
    elif told in _OVER:
        status = _OVER[told]
    else:
        shown = told if is_plain(told) else "none"
        raise UnreachableError(f"The exchange names an unknown status of an order: {shown}.")
    return RawOrder(order_id, text_of(row, "clientOrderId"), status, filled)


def trade_of(row: Row) -> RawTrade:
    """Read a trade. Raises UnreadableTradeError if id, price, quantity or fee are not told."""
    try:
        return RawTrade(
            trade_id=id_of(row, "a trade"),
            at_ms=time_of(row),
            price=positive(row, "price", "a trade"),
            quantity=positive(row, "amount", "a trade"),
            fees=_fees_of(row),
            liquidity="maker" if row.get("takerOrMaker") == "maker" else "taker",
        )
    except UnreachableError as error:
        raise UnreadableTradeError(str(error)) from error


@exactly
def balances_of(row: Row, assets: Collection[str] | None = None) -> dict[str, Balance]:
    """Read what an account holds; assets it has none of are left out.

    Raises UnreachableError if the numbers of one of `assets` make no sense (None: of any); others are left out.
    """
    if not row.get("info") or not isinstance(row.get("free"), dict):
        raise UnreachableError("The exchange named no balances.")
    held = {}
    for asset in row["free"]:
        parts = row.get(asset)
        parts = parts if isinstance(parts, dict) else {}
        free, told = exact_number(parts.get("free")), parts.get("used")
        locked = ZERO if told is None else exact_number(told)
        if free is None or locked is None:
            if assets is None or asset in assets:
                raise UnreachableError(f"The exchange named no sensible balance of {asset}.")
        elif (free or locked) and is_plain(str(asset)):
            held[str(asset)] = Balance(free, locked)
    return held


@exactly
def rules_of(market: Row) -> MarketRules:
    """Read what a market accepts. Raises ConfigError if it does not tell tick or step."""
    symbol, base, quote = (text_of(market, name) for name in ("symbol", "base", "quote"))
    precision, limits = _section(market, "precision"), _section(market, "limits")
    tick, step = exact_number(precision.get("price")), exact_number(precision.get("amount"))
    if symbol is None or base is None or quote is None:
        raise ConfigError("The exchange does not name the assets of a market.")
    if tick is None or step is None or tick <= 0 or step <= 0:
        raise ConfigError(f"{symbol} cannot be traded: the exchange tells no price tick or quantity step for it.")
    amount, cost, info = _section(limits, "amount"), _section(limits, "cost"), _section(market, "info")
    down, up = _price_factors(info)
    return MarketRules(
        symbol=symbol,
        base=base,
        quote=quote,
        price_tick=tick,
        quantity_step=step,
        min_quantity=exact_number(amount.get("min")) or step,
        min_notional=exact_number(cost.get("min")) or ZERO,
        maker_percent=_percent(market.get("maker")),
        taker_percent=_percent(market.get("taker")),
        cadence_ms=CADENCE_MS,
        max_quantity=exact_number(amount.get("max")) or None,
        max_notional=exact_number(cost.get("max")) or None,
        order_types=_kinds(info.get("orderTypes")),
        price_factor_up=up,
        price_factor_down=down,
        active=market.get("active") is not False,
    )


@exactly
def worth(amount: Decimal, rate: Decimal) -> Decimal:
    """Value an amount at a price, with as many decimals as may enter the engine."""
    value = amount * rate
    return value if is_sound(value) else value.quantize(_SMALLEST)


@exactly
def is_multiple(number: Decimal, step: Any) -> bool:
    """Tell whether a number is a whole multiple of a market's step, as the library has it; of an unknown one it is."""
    unit = exact_number(step)
    return not unit or number % unit == 0


@exactly
def inverse(rate: Decimal) -> Decimal:
    """Give what one unit of quote is worth in base."""
    assert rate > 0, rate
    return 1 / rate


@exactly
def crossed(rates: Sequence[Decimal]) -> Decimal:
    """Give the price over one market or over two."""
    return prod(rates, start=Decimal(1))


@exactly
def added(numbers: Sequence[Decimal]) -> Decimal:
    """Add up."""
    return sum(numbers, ZERO)


@exactly
def total(trades: Sequence[RawTrade]) -> Decimal:
    """Add up quantities."""
    return added([trade.quantity for trade in trades])


def _fees_of(row: Row) -> dict[str, Decimal]:
    """Add up by asset. A fee of nothing may be named in no asset, but a fee must be named."""
    single = row.get("fee")
    several = row.get("fees")
    is_single = isinstance(single, dict) and single.get("currency")
    told = [single] if is_single or not several or not isinstance(several, list) else several
    rows = [fee for fee in told if isinstance(fee, dict)]
    if not rows:
        raise UnreachableError("The exchange does not say what fee a trade cost.")
    fees: dict[str, Decimal] = {}
    for fee in rows:
        cost, asset = needed(fee, "cost", "a fee"), text_of(fee, "currency") or ""
        if cost and not is_plain(asset):
            raise UnreachableError("The exchange does not say in which asset a trade's fee was taken.")
        if cost:
            fees[asset] = added([fees.get(asset, ZERO), cost])
    return fees


def _plain(number: Decimal) -> Decimal:
    """Drop the zeros that exchanges pad numbers with, without rounding anything."""
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int), number
    if not number:
        return ZERO
    kept = len(digits)
    while exponent < 0 and digits[kept - 1] == 0:
        kept, exponent = kept - 1, exponent + 1
    return Decimal((sign, digits[:kept], exponent))


def _section(row: Row, name: str) -> Row:
    found = row.get(name)
    return found if isinstance(found, Mapping) else {}


def _kinds(told: Any) -> tuple[str, ...]:
    """Give the kinds of order that a market names, in lower case; none if it names them in no way that we know."""
    kinds = told if isinstance(told, list) else []
    return tuple(kind.lower() for kind in kinds[:_MOST_KINDS] if isinstance(kind, str) and is_plain(kind))


def _percent(rate: Any) -> Decimal:
    number = exact_number(rate if isinstance(rate, str | int) else str(rate))
    return ZERO if number is None else _plain(number * HUNDRED)


def _price_factors(info: Row) -> tuple[Decimal | None, Decimal | None]:
    """Give the narrower of the factors that a price may be under and over the average, by both sides' filters."""
    told = info.get("filters")
    filters = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    downs, ups = [], []
    for one in filters:
        if not str(one.get("filterType", "")).startswith("PERCENT_PRICE"):
            continue
        for name, value in one.items():
            number = exact_number(value)
            if number is not None and number > 0:
                downs += [number] if name.lower().endswith("multiplierdown") else []
                ups += [number] if name.lower().endswith("multiplierup") else []
    return max(downs, default=None), min(ups, default=None)
