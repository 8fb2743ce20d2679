"""Whether the amounts inside an event may enter or leave the log: finite and bounded, at any depth.

Owns a picker of amounts for each kind of value, made once from its annotations. Never changes a value.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final, get_args

import msgspec

from engine.core.events import Event
from engine.core.units import MAX_AMOUNT

_Picker = Callable[[Any], tuple[Decimal | None, ...]]

_LEAST: Final = -MAX_AMOUNT
_PICKERS: Final[dict[type[msgspec.Struct], _Picker]] = {}


def sound(event: Event) -> bool:
    """Tell whether every amount of an event is finite and within ±1e15.

    Source: decisions.md, "Words" (money is finite and bounded on entry).
    """
    try:
        for amount in _amounts(event):
            if amount is not None and not _LEAST <= amount <= MAX_AMOUNT:
                return False
    except ArithmeticError:  # a NaN cannot be compared
        return False
    return True


def _amounts(value: msgspec.Struct) -> tuple[Decimal | None, ...]:
    kind = type(value)
    pick = _PICKERS.get(kind) or _PICKERS.setdefault(kind, _picker(kind))
    return pick(value)


def _picker(kind: type[msgspec.Struct]) -> _Picker:
    """Make the function that picks the amounts out of one kind of value: by name, or by a walk where they nest."""
    hints: dict[str, object] = {}
    for each in reversed(kind.__mro__):
        hints |= getattr(each, "__annotations__", {})  # typing.get_type_hints takes longer than a look at a log
    names = [name for name in kind.__struct_fields__ if hints[name] in (Decimal, Decimal | None)]
    if any(_may_nest(hints[name]) for name in kind.__struct_fields__ if name not in names):
        return lambda value: tuple(_walk(msgspec.structs.astuple(value)))
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


def _walk(value: object) -> Iterator[Decimal | None]:
    match value:
        case Decimal():
            yield value
        case msgspec.Struct():
            yield from _amounts(value)
        case dict():
            yield from _walk(tuple(value.values()))
        case list() | tuple():
            for part in value:
                yield from _walk(part)
        case _:
            return
