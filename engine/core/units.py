"""Exact money arithmetic: bounds, rounding to ticks and steps, percentages, and amounts written out for others.

Money, prices and quantities are `Decimal`. Every function that rounds says in whose favour.
"""

from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

import msgspec

HUNDRED: Final = Decimal(100)
ZERO: Final = Decimal(0)
MAX_AMOUNT: Final = Decimal("1e15")
MAX_DECIMALS: Final = 18
LATEST_MS: Final = 62_135_596_800_000
"""The latest time there is, in the year 3938: as far after 1970 as the first that can be written is before it."""
SHOWN: Final = Decimal("0.000001")


def is_sound(value: Decimal) -> bool:
    """Tell whether a number may enter the engine: finite, at most 1e15, at most 18 decimals.

    Source: decisions.md, "Words" (money is finite and bounded on entry).
    """
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -MAX_DECIMALS and value.copy_abs() <= MAX_AMOUNT


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Round a non-negative number down to a whole multiple of `step` (quantities, buy prices)."""
    assert value >= 0, value
    assert step > 0, step
    return value // step * step


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """Round a non-negative number up to a whole multiple of `step` (targets, sell prices, reserves)."""
    floor = floor_to(value, step)
    return floor if floor == value else floor + step


def change_percent(value: Decimal, base: Decimal) -> Decimal:
    """Give the signed change from `base` to `value` in percent, to six decimals, towards zero.

    For people to read; no rule compares it (rules multiply instead).
    """
    assert base > 0, base
    return ((value - base) * HUNDRED / base).quantize(SHOWN, rounding=ROUND_DOWN)


def plain_json(value: Any) -> bytes:
    """Write a value as JSON whose amounts are plain numbers: `0.0000001`, never `1E-7`, and no trailing zeros.

    Every digit that counts is kept, whatever the decimal context. The log has a format of its own (engine.store.codec).
    """
    return msgspec.json.encode(_plain(msgspec.to_builtins(value, builtin_types=(Decimal,), str_keys=True)))


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            return msgspec.Raw(_digits(value).encode())
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case _:
            return value


def _digits(value: Decimal) -> str:
    text = f"{value:f}" if value else "0"
    return text.rstrip("0").rstrip(".") if "." in text else text
