"""Hypothesis strategies for events, made from the annotations of the catalogue.

Owns how a random value of each annotated type looks. Any event that joins the catalogue is covered without a change.
"""

import types
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

from engine.core.events import Cause, Event
from engine.core.units import LATEST_MS
from engine.store.codec import EVENT_TYPES
from engine.store.port import Entry

TIMES_MS = st.integers(0, 4_102_444_800_000)
AMOUNTS = st.decimals(-(10**15), 10**15, allow_nan=False, allow_infinity=False, places=8)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
_JSON = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS
_SIMPLE: Mapping[object, st.SearchStrategy[Any]] = {
    Decimal: AMOUNTS,
    str: TEXTS,
    int: st.integers(-LATEST_MS, LATEST_MS),
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    type(None): st.none(),
    Any: _JSON | st.dictionaries(TEXTS, _JSON, max_size=2) | st.lists(_JSON, max_size=2),
}


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Give values of an annotated type."""
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return st.sampled_from(parts)
    if origin in (Union, types.UnionType):
        return st.one_of([values_of(part) for part in parts])
    if origin is dict:
        return st.dictionaries(values_of(parts[0]), values_of(parts[1]), max_size=3)
    if origin is tuple and parts[-1] is Ellipsis:
        return st.lists(values_of(parts[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values_of, parts))
    assert isinstance(hint, type), hint
    assert issubclass(hint, msgspec.Struct), hint
    return structs_of(hint)


def structs_of(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Give structs of a kind with every field drawn."""
    hints = get_type_hints(kind)
    return st.builds(kind, **{name: values_of(hints[name]) for name in kind.__struct_fields__})


def events_of(kind: type[Event]) -> st.SearchStrategy[Any]:
    """Give events of one kind."""
    return structs_of(kind)


def any_event() -> st.SearchStrategy[Any]:
    """Give events of every kind in the catalogue."""
    return st.sampled_from(list(EVENT_TYPES.values())).flatmap(events_of)


def causes() -> st.SearchStrategy[Cause | None]:
    """Give causes, or none."""
    return st.none() | st.builds(Cause, TEXTS, st.integers(1, 2**40))


def entries(event: st.SearchStrategy[Any] | None = None) -> st.SearchStrategy[Entry]:
    """Give entries for the log."""
    return st.builds(Entry, any_event() if event is None else event, TIMES_MS, causes())
