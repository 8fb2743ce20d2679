"""Small seeded changes to an input: what the plain tests put to every target, and the fuzzer mixes in with its own.

Owns the ways to change bytes and JSON. The same seed gives the same inputs on every machine. Never runs a target.
"""

import json
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

WORDS = (
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e999999",
    b"1E-999999",
    b"0E+1000000",
    b"-0",
    b"9" * 40,
    b"9" * 5_000,
    b"\\ud800",
    b"\\u0000",
    b"\xff\xfe",
    b"\x1b[31m",
    b"[" * 3_000,
    b"null",
    b"true",
    b"{}",
    b"[]",
    b'""',
    b"!!timestamp ",
    b"!!bool ",
    b"!!int ",
    b"!!float ",
    b"!!binary ",
    b"!!set ",
    b"<<: ",
    b"&a ",
    b"*a ",
    b"? ",
    b"- ",
    b": ",
    b"\n",
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**63, 10**30, 0.1, 1e300, -0.0),
    *("", "0", "-1", "NaN", "Infinity", "-Infinity", "1e999999", "1E-999999", "0E+1000000", "1e-19", "1" * 70),
    *("9" * 5_000, "\ud800", "\x00", "\x1b[31m", "\u202e", "\u00b2", "\u0663", "x" * 70_000, " 1 ", "1_0"),
    *([], {}, [[]], [{}], {"": ""}, ["x"] * 300, [1, 2, 3, 4, 5, 6]),
)


def mutations(seeds: Sequence[bytes], count: int, seed: str) -> Iterator[bytes]:
    """Give changed inputs, `count` of them, the same for the same seed."""
    random = Random(seed)
    for _ in range(count):
        data = random.choice(seeds)
        for _ in range(random.choice((1, 1, 1, 2, 4))):
            data = mutated(data, random, seeds)
        yield data


def mutated(data: bytes, random: Random, seeds: Sequence[bytes]) -> bytes:
    """Give one changed input: by its structure if it is JSON, else by its bytes."""
    if random.random() < 0.6:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            pass
        else:
            return json.dumps(_changed(value, random), ensure_ascii=random.random() < 0.8).encode("utf-8", "replace")
    return _changed_bytes(data, random, seeds)


def _changed_bytes(data: bytes, random: Random, seeds: Sequence[bytes]) -> bytes:
    at = random.randint(0, len(data))
    end = min(len(data), at + random.choice((0, 1, 2, 8, 64)))
    match random.randrange(6):
        case 0:
            new = bytes([random.randrange(256)])
        case 1:
            new = b""
        case 2:
            new = data[at:end] * random.choice((2, 3, 50))
        case 3:
            other = random.choice(seeds)
            start = random.randint(0, len(other))
            new = other[start : start + random.choice((4, 32, 256))]
        case _:
            new = random.choice(WORDS)
    return data[:at] + new + data[end:]


def _changed(value: Any, random: Random) -> Any:
    """Change one place of a JSON value."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        key = random.choice(list(value))
        match random.randrange(8):
            case 0:
                return {name: inner for name, inner in value.items() if name != key}
            case 1:
                return {**value, random.choice(list(value)): value[key]}
            case _:
                return {**value, key: _changed(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.9:
        at = random.randrange(len(value))
        match random.randrange(8):
            case 0:
                return value[:at] + value[at + 1 :]
            case 1:
                return value[: at + 1] * random.choice((2, 30)) + value[at:]
            case _:
                return [*value[:at], _changed(value[at], random), *value[at + 1 :]]
    return random.choice(VALUES)
