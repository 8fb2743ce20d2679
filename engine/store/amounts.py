"""Whether the amounts inside an event may enter or leave the log: finite and bounded, at any depth.

Owns a picker of amounts for each kind of event, made once from its annotations. Never changes a value.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final, get_args, get_type_hints

import msgspec

from engine.core.events import Event
from engine.core.units import MAX_AMOUNT

_Picker = Callable[[Any], tuple[Decimal | None, ...]]

_LEAST: Final = -MAX_AMOUNT
_PICKERS: Final[dict[type[Event], _Picker]] = {}


def sound(event: Event) -> bool:
    """Tell whether every amount of an event is finite and within ±1e15.

    Source: decisions.md, "Words" (money is finite and bounded on entry).
    """
    kind = type(event)
    pick = _PICKERS.get(kind) or _PICKERS.setdefault(kind, _picker(kind))
    try:
        for amount in pick(event):
            if amount is not None and not _LEAST <= amount <= MAX_AMOUNT:
                return False
    except ArithmeticError:  # a NaN cannot be compared
        return False
    return True


def _picker(kind: type[Event]) -> _Picker:
    """Make the function that picks the amounts out of one kind of event: by name, or by a walk where they nest."""
    hints = get_type_hints(kind)
    names = [name for name in kind.__struct_fields__ if hints[name] in (Decimal, Decimal | None)]
    if any(_may_nest(hints[name]) for name in kind.__struct_fields__ if name not in names):
        return lambda event: tuple(_walk(event))
    if not names:
        return lambda _event: ()
    return attrgetter(*names, names[0])  # two names or more make it give a tuple


def _may_nest(hint: object) -> bool:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct | Decimal):
        return True
    return any(_may_nest(part) for part in get_args(hint))


def _walk(value: object) -> Iterator[Decimal]:
    match value:
        case Decimal():
            yield value
        case msgspec.Struct():
            yield from _walk(msgspec.structs.astuple(value))
        case dict():
            yield from _walk(tuple(value.values()))
        case list() | tuple():
            for part in value:
                yield from _walk(part)
        case _:
            return
