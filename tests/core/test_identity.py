"""Names as functions of data: bot ids, client order ids, streams."""

import re
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.identity import (
    ALPHABET,
    LOG_ID_LENGTH,
    RESERVED_NAMES,
    bot_stream,
    client_order_id,
    decode_base32,
    derived_bot_id,
    encode_base32,
    feed_stream,
    is_bot_id,
    parse_client_order_id,
)

SPEC = pytest.mark.spec
BOT_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
LOG_IDS: Final = st.text(st.sampled_from(ALPHABET), min_size=LOG_ID_LENGTH, max_size=LOG_ID_LENGTH)
NUMBERS: Final = st.integers(1, 32**7 - 1)


@SPEC("a bot id is ^[a-z0-9][a-z0-9_-]{0,63}$", section="Identity")
@given(st.text(max_size=70) | st.from_regex(BOT_ID, fullmatch=True) | st.text("ab-_/.\\A \n0", max_size=66))
def test_bot_id_is_what_the_pattern_says(text: str) -> None:
    assert is_bot_id(text) is (BOT_ID.fullmatch(text) is not None and text not in RESERVED_NAMES)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("..", id="the-folder-above"),
        pytest.param("a/b", id="a-path"),
        pytest.param("a\\b", id="a-path-elsewhere"),
        pytest.param("a\n", id="a-line-end"),
        pytest.param("a\x00", id="a-null"),
        pytest.param("A", id="a-capital"),
        pytest.param("é", id="an-accent"),
        pytest.param("²", id="a-raised-digit"),
        pytest.param("-a", id="an-option"),
        pytest.param("_a", id="an-underscore-first"),
        pytest.param("a" * 65, id="65-characters"),
        pytest.param("con", id="a-device"),
        pytest.param("lpt1", id="a-printer"),
    ],
)
def test_bot_id_that_could_harm_is_refused(text: str) -> None:
    assert not is_bot_id(text)


@pytest.mark.parametrize("text", ["abc123-def456", "a", "0", "a" * 64, "first-bot", "a_b", "console"])
def test_bot_id_that_is_sound_is_taken(text: str) -> None:
    assert is_bot_id(text)


@SPEC("without a bot id it is derived from exchange, symbol, strategy and mode", section="Identity")
@pytest.mark.parametrize(
    ("exchange", "symbol", "paper", "bot_id"),
    [
        ("binanceus", "BTC/USD", True, "binanceus-btc-usd-dca-paper"),
        ("binanceus", "BTC/USD", False, "binanceus-btc-usd-dca-live"),
        ("simulated", "1000SHIB/USDT", True, "simulated-1000shib-usdt-dca-paper"),
    ],
)
def test_derived_bot_id_names_exchange_symbol_strategy_and_mode(
    exchange: str, symbol: str, paper: bool, bot_id: str
) -> None:
    assert derived_bot_id(exchange, symbol, "dca", paper=paper) == bot_id


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1), st.text(min_size=1), st.booleans())
def test_derived_bot_id_of_any_symbol_is_a_sound_one(exchange: str, symbol: str, paper: bool) -> None:
    assert is_bot_id(derived_bot_id(exchange, symbol, "dca", paper=paper))


@SPEC("a client order id is prefix, log id and order number: 18 characters, decodable", section="Order protocol")
@given(LOG_IDS, NUMBERS)
def test_client_order_id_of_any_order_can_be_read_back(log_id: str, number: int) -> None:
    name = client_order_id(log_id, number)
    assert re.fullmatch(r"[a-z0-9]{18}", name)
    assert not name.startswith("t"), "gate.io keeps that letter for itself"
    assert parse_client_order_id(name) == (log_id, number)


@given(LOG_IDS, st.tuples(NUMBERS, NUMBERS))
def test_client_order_ids_sort_and_differ_as_their_numbers_do(log_id: str, numbers: tuple[int, int]) -> None:
    first, second = (client_order_id(log_id, number) for number in numbers)
    assert (first < second) is (numbers[0] < numbers[1])
    assert (first == second) is (numbers[0] == numbers[1])


@given(st.text(max_size=20) | st.text("k0123abcilou", min_size=18, max_size=18))
def test_client_order_id_of_somebody_else_is_not_ours(text: str) -> None:
    found = parse_client_order_id(text)
    assert found is None or client_order_id(*found) == text


@given(st.integers(0, 32**7 - 1))
def test_base32_of_any_number_is_read_back(number: int) -> None:
    assert decode_base32(encode_base32(number, 7)) == number


def test_number_too_large_for_its_place_is_a_fault_of_the_program() -> None:
    with pytest.raises(AssertionError):
        encode_base32(32**7, 7)


def test_streams_of_one_market_differ_by_its_settings_alone() -> None:
    one, same, other = ({"seed": 1, "price": 2}, {"price": 2, "seed": 1}, {"seed": 2, "price": 2})
    assert bot_stream("abc123") == "bot:abc123"
    assert feed_stream("simulated", "BTC/USD", one) == feed_stream("simulated", "BTC/USD", same)
    assert feed_stream("simulated", "BTC/USD", one) != feed_stream("simulated", "BTC/USD", other)
