"""Names for shapes and values of state: which fields an encoded state has, and which state it is.

A checkpoint of another shape is ignored; two states of one shape and one digest hold the same.
"""

import hashlib
from typing import Final

import msgspec

from engine.core.decider import DECISION_VERSION
from engine.core.feed_view import FeedView
from engine.core.state import BotState
from engine.core.strategy import Strategy


def _shape(kind: type) -> str:
    """Give a digest of a struct's fields, all the way down: the schema id of an encoded state."""
    seen: dict[str, list[str]] = {}

    def visit(node: object) -> None:
        if isinstance(node, msgspec.inspect.StructType):
            if node.cls.__name__ in seen:
                return
            seen[node.cls.__name__] = [field.encode_name for field in node.fields]
            for field in node.fields:
                visit(field.type)
        elif isinstance(node, msgspec.inspect.Type):
            for name in node.__struct_fields__:
                inner = getattr(node, name)
                for each in inner if isinstance(inner, tuple) else (inner,):
                    visit(each)

    visit(msgspec.inspect.type_info(kind))
    return hashlib.blake2b(msgspec.json.encode(seen, order="deterministic"), digest_size=4).hexdigest()


STATE_SCHEMA: Final = _shape(BotState)
VIEW_SCHEMA: Final = _shape(FeedView)


def state_digest(state: BotState) -> str:
    """Name a state: two states with the same digest hold the same."""
    plain = msgspec.to_builtins(state, str_keys=True, order="deterministic")
    return hashlib.blake2b(msgspec.json.encode(plain), digest_size=16).hexdigest()


def decision_version(strategy: Strategy) -> int:
    """Give one number for the rules that decide: the engine's version × 1000 + the strategy's."""
    return DECISION_VERSION * 1000 + strategy.decision_version
