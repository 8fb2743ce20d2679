"""docs/state-file.md: every key of the state file from the struct that writes it, with its unit and meaning."""

from collections.abc import Iterator
from typing import Any, get_args

import msgspec

from engine.core.projection import SellFile, StateFile, TrailFile
from tests.docs.meanings import meanings
from tests.docs.pages import table
from tests.docs.types_in_words import fields, is_struct, type_words


def keys() -> str:
    """Write every key of the file, then those of a lot and of a trail."""
    return "\n\n".join(
        (
            "## The file",
            _table(StateFile, "state_file"),
            "## A lot, in `purchases`, `pending_sell_orders` and `pending_sell_order`",
            _table(SellFile, "lot"),
            "## A trail, in `trailing_states` and `trailing_state`",
            _table(TrailFile, "trail"),
        )
    )


def _table(kind: type[msgspec.Struct], section: str) -> str:
    rows = list(_flat(kind))
    meant = meanings((name for name, _ in rows), section)
    lines = [(f"`{name}`", _type(type_), meant[name].unit, meant[name].says) for name, type_ in rows]
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
