"""Names for shapes and values of state: which fields an encoded state has, and which state it is.

A checkpoint of another shape is ignored; two states of one shape and one digest hold the same.
"""

from typing import TYPE_CHECKING, Final, get_args
from zlib import crc32

import msgspec

from engine.core.feed_view import FeedView
from engine.core.state import BotState

if TYPE_CHECKING:
    from engine.core.strategy import Strategy


def _shape(kind: type[msgspec.Struct]) -> str:
    """Give a digest of a struct's fields, all the way down: the schema id of an encoded state.

    Every looking verb needs it, so it is made without what takes long: `msgspec.inspect`, type hints, hashlib.
    """
    seen: dict[str, tuple[str, ...]] = {}

    def visit(hint: object) -> None:
        for part in get_args(hint):
            visit(part)
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct) and hint.__name__ not in seen:
            seen[hint.__name__] = hint.__struct_encode_fields__
            for each in hint.__mro__:
                for inner in getattr(each, "__annotations__", {}).values():
                    assert not isinstance(inner, str), f"{hint} hides what {inner} is"
                    visit(inner)

    visit(kind)
    return f"{crc32(msgspec.json.encode(seen, order='deterministic')):08x}"


STATE_SCHEMA: Final = _shape(BotState)
VIEW_SCHEMA: Final = _shape(FeedView)


def state_digest(state: BotState) -> str:
    """Name a state: two states with the same digest hold the same."""
    from hashlib import blake2b

    plain = msgspec.to_builtins(state, str_keys=True, order="deterministic")
    return blake2b(msgspec.json.encode(plain), digest_size=16).hexdigest()


def decision_version(strategy: "Strategy") -> int:
    """Give one number for the rules that decide: the engine's version × 1000 + the strategy's."""
    from engine.core.decider import DECISION_VERSION

    return DECISION_VERSION * 1000 + strategy.decision_version
