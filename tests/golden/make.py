"""The golden bytes of the log: `python -m tests.golden.make` writes those that are missing.

Owns one example of each kind of event, made from its annotations. Never writes over a file: bytes once released are
what old logs hold, and the program has to read them for ever.
"""

import types
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from engine.core.events import Cause, Event
from engine.store.codec import EVENT_TYPES, encode
from engine.store.port import Entry

FOLDER = Path(__file__).parent / "events"
AT_MS = 1_760_000_000_123
_SIMPLE: dict[object, Any] = {
    Decimal: Decimal("12.34500000"),
    int: 1234,
    bool: True,
    float: 0.1,
    Any: {"key": [1, "text", None]},
}


def example(hint: Any, name: str = "") -> Any:
    """Give one value of an annotated type, the same at every call."""
    if hint is str:
        return f"{name} ÷"  # no ASCII, to show what the text encoding is
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return parts[-1]
    if origin in (Union, types.UnionType):
        return example(parts[0], name)
    if origin is dict:
        return {example(parts[0], name): example(parts[1], name)}
    if origin is tuple:
        return tuple(example(part, name) for part in parts if part is not Ellipsis)
    hints = get_type_hints(hint)
    assert issubclass(hint, msgspec.Struct), hint
    return hint(**{field: example(hints[field], field) for field in hint.__struct_fields__})


def path_of(kind: type[Event]) -> Path:
    """Give where the golden bytes of an event's present version stand."""
    return FOLDER / f"{kind.__struct_config__.tag}.v{kind.version}.json"


def main() -> None:
    """Write the golden bytes that are missing."""
    FOLDER.mkdir(exist_ok=True)
    for kind in EVENT_TYPES.values():
        path = path_of(kind)
        if not path.exists():
            path.write_bytes(encode(Entry(example(kind), AT_MS, Cause("feed:golden", 7))) + b"\n")
            print(f"wrote {path.name}")


if __name__ == "__main__":
    main()
