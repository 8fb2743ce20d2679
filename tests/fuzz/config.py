"""What is put to the reading of configurations: text gives a sound configuration that a log can hold, or ConfigError.

Owns the properties of a configuration file. Never reads a file.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import msgspec

from engine.core.config import config_digest
from engine.core.config_rules import problems
from engine.core.errors import ConfigError
from engine.core.events import BotCreated
from engine.core.units import MAX_AMOUNT, MAX_DECIMALS
from engine.runtime.config_file import parse_config
from engine.store.codec import decode, encode
from engine.store.port import Entry
from engine.strategies.catalogue import strategy_for
from tests.fuzz.target import Target


@contextmanager
def config() -> Iterator[Target]:
    """Give the target: bytes are taken for the text of a file."""
    yield _put


def _put(data: bytes) -> None:
    try:
        loaded = parse_config(data.decode("utf-8", "surrogateescape"), "fuzz.yml")
    except ConfigError:
        return
    found = loaded.config
    assert not list(problems(found))
    assert strategy_for(found) is not None
    assert b"\0" not in os.fsencode(loaded.state_dir)
    _check(msgspec.to_builtins(found, builtin_types=(Decimal,)))
    created = BotCreated("0123456789abcdef", found, config_digest(found))
    assert decode(encode(Entry(created, 1)), "bot:fuzz", 1).e == created


def _check(value: object) -> None:
    """Assert that every number is finite, bounded and not finer than 18 decimals."""
    match value:
        case Decimal():
            exponent = value.as_tuple().exponent
            assert isinstance(exponent, int), value
            assert exponent >= -MAX_DECIMALS, value
            assert abs(value) <= MAX_AMOUNT, value
        case bool():
            return
        case int() | float():
            assert abs(value) <= MAX_AMOUNT, value
        case dict():
            for inner in value.values():
                _check(inner)
        case list() | tuple():
            for inner in value:
                _check(inner)
        case _:
            return
