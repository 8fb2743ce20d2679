"""Whether the numbers inside an event may enter or leave the log: finite and bounded, at any depth.

Owns a picker of numbers for each kind of value, made once from its annotations. Never changes a value.
"""

from collections.abc import Callable
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final, get_args

import msgspec

from engine.core.events import Event
from engine.core.units import LATEST_MS, MAX_AMOUNT

Number = Decimal | int | None
_Picker = Callable[[Any], tuple[Number, ...]]

FINEST: Final = 128
"""How many digits after the point an amount may begin: beyond them its text alone would fill the memory."""

_LEAST: Final = -MAX_AMOUNT
_NUMBERS: Final = (Decimal, Decimal | None, int, int | None)
_PICKERS: Final[dict[type[msgspec.Struct], _Picker]] = {}


def sound(event: Event) -> bool:
    """Tell whether every amount of an event is finite, within ±1e15 and short to write, and every whole number a time.

    Times are the largest whole numbers there are; what is beyond them, nothing could show.
    Source: decisions.md, "Words" (money is finite and bounded on entry).
    """
    try:
        for number in _numbers(event):
            if number is None:
                continue
            if number.__class__ is int:
                if not -LATEST_MS <= number <= LATEST_MS:
                    return False
            elif not _LEAST <= number <= MAX_AMOUNT or not -FINEST < number.adjusted() < FINEST:  # type: ignore[union-attr]
                return False
    except ArithmeticError:  # a NaN cannot be compared
        return False
    return True


def _numbers(value: msgspec.Struct) -> tuple[Number, ...]:
    kind = type(value)
    pick = _PICKERS.get(kind) or _PICKERS.setdefault(kind, _picker(kind))
    return pick(value)


def _picker(kind: type[msgspec.Struct]) -> _Picker:
    """Make the function that picks the numbers out of one kind of value: by name, or by a walk where they nest."""
    hints: dict[str, object] = {}
    for each in reversed(kind.__mro__):
        hints |= getattr(each, "__annotations__", {})  # typing.get_type_hints takes longer than a look at a log
    names = [name for name in kind.__struct_fields__ if hints[name] in _NUMBERS]
    if any(_may_nest(hints[name]) for name in kind.__struct_fields__ if name not in names):
        return lambda value: tuple(_collect(msgspec.structs.astuple(value), []))
    match names:
        case []:
            return lambda _value: ()
        case [name]:
            return lambda value: (getattr(value, name),)
        case _:
            return attrgetter(*names)


def _may_nest(hint: object) -> bool:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct | Decimal):
        return True
    return any(_may_nest(part) for part in get_args(hint))


def _collect(value: object, found: list[Number], *, in_dict: bool = False) -> list[Number]:
    """Add the numbers at any depth; whole numbers in dictionaries may be settings, whose bounds are their readers'."""
    kind = value.__class__
    if kind is Decimal or (kind is int and not in_dict):
        found.append(value)  # type: ignore[arg-type]
    elif kind is tuple or kind is list:
        for part in value:  # type: ignore[attr-defined]
            _collect(part, found, in_dict=in_dict)
    elif isinstance(value, msgspec.Struct):
        found += _numbers(value)
    elif isinstance(value, dict):
        for part in value.values():
            _collect(part, found, in_dict=True)
    return found
