"""Names: bot ids, feed streams and client order ids, all functions of data.

Owns the shape of each. A client order id is `k` + log id (10) + order number (7), base 32: 18 lowercase characters
that every exchange takes (design, "Order protocol").
"""

from typing import Final

import msgspec

ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
PREFIX: Final = "k"
LOG_ID_LENGTH: Final = 10
NUMBER_LENGTH: Final = 7
BOT_ID_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")
BOT_ID_LENGTH: Final = 64
RESERVED_NAMES: Final = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)}
)


def is_bot_id(text: str) -> bool:
    """Tell whether `text` may name a bot: `^[a-z0-9][a-z0-9_-]{0,63}$`, and no device name of any system."""
    return (
        0 < len(text) <= BOT_ID_LENGTH
        and set(text) <= BOT_ID_CHARACTERS
        and text[0] not in "_-"
        and text not in RESERVED_NAMES
    )


def derived_bot_id(exchange: str, symbol: str, strategy: str, *, paper: bool) -> str:
    """Give the id of a bot that names none: stable across restarts (decisions.md, "Identity")."""
    text = f"{exchange}-{symbol}-{strategy}-{'paper' if paper else 'live'}".lower()
    return "".join(c if c in BOT_ID_CHARACTERS else "-" for c in text)[:BOT_ID_LENGTH]


def bot_stream(bot_id: str) -> str:
    """Name the stream of a bot."""
    return f"bot:{bot_id}"


def feed_stream(exchange: str, symbol: str, settings: object) -> str:
    """Name the stream of a market; markets with other settings are other markets."""
    from hashlib import blake2b

    digest = blake2b(msgspec.json.encode(settings, order="deterministic"), digest_size=4).hexdigest()
    return f"feed:{exchange}:{symbol}:{digest}"


def encode_base32(number: int, length: int) -> str:
    """Write a number with `length` characters of `ALPHABET`."""
    assert 0 <= number < 32**length, number
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 32)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def decode_base32(text: str) -> int:
    """Read what `encode_base32` wrote."""
    number = 0
    for character in text:
        number = number * 32 + ALPHABET.index(character)
    return number


def client_order_id(log_id: str, number: int) -> str:
    """Give the id of a log's order: unique for ever, since the number is never used twice."""
    assert len(log_id) == LOG_ID_LENGTH, log_id
    return PREFIX + log_id + encode_base32(number, NUMBER_LENGTH)


def parse_client_order_id(text: str) -> tuple[str, int] | None:
    """Give log id and order number of one of our ids, or None for anybody else's."""
    if len(text) != 1 + LOG_ID_LENGTH + NUMBER_LENGTH or text[0] != PREFIX or not set(text[1:]) <= set(ALPHABET):
        return None
    return text[1 : 1 + LOG_ID_LENGTH], decode_base32(text[1 + LOG_ID_LENGTH :])
