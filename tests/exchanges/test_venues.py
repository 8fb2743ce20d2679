"""The rows of engine/exchanges/venues.py as data: names, ids, windows, and what proves that an order was refused.

Method: bodies as the exchanges write them, and whatever else can come over a wire; what ccxt makes of the rows is
test_wire.py.
"""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.errors import ConfigError
from engine.core.identity import ALPHABET, LOG_ID_LENGTH, client_order_id
from engine.exchanges.port import Rejected
from engine.exchanges.refusals import REASON_LENGTH
from engine.exchanges.venues import ALIASES, VENUES, Venue, live_venue_of, venue_of

SYMBOL = "BTC/USD"
OUR_ID = "k0123456789abcdefg"
SENT_MS = 1_900_000_000_999

each_venue = pytest.mark.parametrize("venue", VENUES.values(), ids=VENUES)
log_ids = st.text(ALPHABET, min_size=LOG_ID_LENGTH, max_size=LOG_ID_LENGTH)


# --- names --------------------------------------------------------------------------------------------------------


@pytest.mark.spec("names of exchanges that users know lead to the id used now", section="decision 17")
@pytest.mark.parametrize(("alias", "target"), ALIASES.items(), ids=ALIASES)
def test_venue_of_an_alias_is_the_exchange_itself(alias: str, target: str) -> None:
    assert venue_of(alias) is venue_of(f" {alias.upper()} ") or not venue_of(alias).orders
    assert venue_of(alias).id == venue_of(target).id == target


def test_venue_of_an_exchange_without_a_row_is_for_paper_only() -> None:
    assert venue_of("mexc") == Venue(id="mexc", orders=False)
    assert all(venue.orders for venue in VENUES.values())
    with pytest.raises(AssertionError):
        venue_of("mexc").create_params(OUR_ID, SENT_MS)


@pytest.mark.spec("an unknown exchange is refused with the nearest known one", section="decision 17")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("binanc", "exchange is 'binanc': no such exchange is known; did you mean binance"),
        ("binance_uss", "did you mean binanceus"),
        ("coinbase_prime", "did you mean coinbase"),
        ("krakn", "did you mean kraken?"),
        ("gateo", "did you mean gate"),
        ("", "exchange is '': no such exchange is known; among those known are binance, binanceus, bitget"),
        ("zzzz", "among those known are binance"),
        ("x" * 10_000, "exchange is '" + "x" * 40 + "...'"),
    ],
)
def test_venue_of_an_unknown_name_tells_near_ones(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)) as told:
        venue_of(name)
    assert len(str(told.value)) < 200


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "krakenfutures",
            "exchange is 'krakenfutures': it has no spot market, and only spot is traded; did you mean kraken",
        ),
        ("dydx", "and only spot is traded; choose another, such as binance, binanceus"),
    ],
)
def test_venue_of_an_exchange_without_spot_markets_is_refused(name: str, said: str) -> None:
    for find in (venue_of, live_venue_of):
        with pytest.raises(ConfigError, match=re.escape(said)):
            find(name)


def test_live_venue_of_an_exchange_for_paper_only_tells_those_for_live_trading() -> None:
    said = "exchange is 'okxus': it can be used with paper trading only; did you mean okx? Live trading knows binance, "
    with pytest.raises(ConfigError, match=re.escape(said)):
        live_venue_of("okxus")
    with pytest.raises(ConfigError, match="paper trading only; live trading knows binance, "):
        live_venue_of("lighter")
    assert live_venue_of("gateio") is VENUES["gate"]


# --- ids, windows, calls ------------------------------------------------------------------------------------------


@each_venue
@given(log_id=log_ids, number=st.integers(0, 32**7 - 1))
def test_client_order_id_of_any_order_is_one_that_the_exchange_takes(venue: Venue, log_id: str, number: int) -> None:
    own_id = client_order_id(log_id, number)
    told = [value for name, value in venue.create_params(own_id, SENT_MS).items() if own_id in str(value)]
    assert told == [venue.id_prefix + own_id]
    assert re.fullmatch(venue.id_pattern, told[0])
    assert venue.own_id(told[0]) == own_id


@each_venue
def test_own_id_of_other_orders_stays_what_it_is(venue: Venue) -> None:
    assert venue.own_id(None) is None
    assert venue.own_id("apiv4") == "apiv4"


def test_create_params_of_binance_are_time_and_window_in_milliseconds() -> None:
    assert VENUES["binanceus"].create_params(OUR_ID, SENT_MS) == {
        "clientOrderId": OUR_ID,
        "timestamp": SENT_MS,
        "recvWindow": 5_000,
    }


def test_create_params_of_kraken_end_before_the_window_does() -> None:
    assert VENUES["kraken"].create_params(OUR_ID, SENT_MS)["deadline"] == "2030-03-17T17:46:50Z"


@each_venue
def test_look_ups_begin_before_the_order_could_have_been_sent(venue: Venue) -> None:
    for call in venue.look_ups(SYMBOL, OUR_ID, None, SENT_MS):
        assert call.lists or OUR_ID in str(call)
        assert call.full is None or call.full == call.arguments[2]
        if call.lists and call.arguments[1] is not None:
            assert call.arguments[1] == SENT_MS - 300_000
    assert all(call.arguments[1] != -1 for call in venue.look_ups(SYMBOL, OUR_ID, None, 0))


def test_cancel_at_coinbase_without_their_id_is_a_mistake_of_the_caller() -> None:
    assert [name for name, venue in VENUES.items() if venue.cancels_by_exchange_id] == ["coinbase"]
    with pytest.raises(AssertionError, match="look it up first"):
        VENUES["coinbase"].cancel(SYMBOL, OUR_ID, None)


@each_venue
def test_config_is_fresh_every_time_and_holds_neither_keys_nor_retries(venue: Venue) -> None:
    config = venue.config()
    assert set(config) <= {"options", "has", "urls"}
    assert "maxRetriesOnFailure" not in json.dumps(config)
    config["options"].clear()
    assert venue.config()["options"]["ordersLimit"] == 1_000


# --- refusals -----------------------------------------------------------------------------------------------------


def binance(code: int, text: str) -> str:
    return json.dumps({"code": code, "msg": text})


def kraken(*texts: str) -> str:
    return json.dumps({"error": texts})


def coinbase(error: str, text: str = "") -> str:
    return json.dumps({"success": False, "error_response": {"error": error, "message": text}})


def okx(code: str, text: str) -> str:
    return json.dumps({"code": "1", "data": [{"ordId": "", "sCode": code, "sMsg": text}], "msg": "Operation failed."})


def bybit(code: int, text: str) -> str:
    return json.dumps({"retCode": code, "retMsg": text, "result": {}, "time": 1})


def coded(code: str, text: str) -> str:
    return json.dumps({"code": code, "msg": text, "data": None})


def gate(label: str, text: str) -> str:
    return json.dumps({"label": label, "message": text})


PROOFS: dict[str, tuple[str, int, str, str, str]] = {
    "filter": ("binance", 400, binance(-1013, "Filter failure: LOT_SIZE"), "-1013", "Filter failure: LOT_SIZE"),
    "clock": ("binanceus", 400, binance(-1021, "Timestamp is outside"), "-1021", "Timestamp is outside"),
    "malformed": ("binance", 400, binance(-1104, "Not all sent"), "-1104", "Not all sent"),
    "no money": ("binanceus", 400, binance(-2010, "Account has insufficient balance"), "-2010", "Account has insuff"),
    "key": ("binance", 401, binance(-2015, "Invalid API-key"), "-2015", "Invalid API-key"),
    "too many": ("binance", 429, binance(-1003, "Too many requests"), "-1003", "Too many requests"),
    "banned": ("binance", 418, binance(-1003, "Way too many"), "-1003", "Way too many"),
    "overloaded": ("binance", 503, binance(-1008, "Server is overloaded"), "-1008", "Server is overloaded"),
    "kraken money": ("kraken", 200, kraken("EOrder:Insufficient funds"), "EOrder:Insufficient funds", "EOrder:Insu"),
    "kraken detail": (
        "kraken",
        200,
        kraken("EGeneral:Invalid arguments:volume minimum"),
        "EGeneral:Invalid arguments",
        "EGeneral:Invalid arguments:volume minimum",
    ),
    "kraken two": ("kraken", 200, kraken("EOrder:Invalid price", "EAPI:Bad request"), "EOrder:Invalid price", "EOrder"),
    "coinbase money": ("coinbase", 200, coinbase("INSUFFICIENT_FUND", "Too little"), "INSUFFICIENT_FUND", "Too little"),
    "coinbase mute": ("coinbase", 200, coinbase("INVALID_SIDE"), "INVALID_SIDE", "INVALID_SIDE"),
    "coinbase http": (
        "coinbase",
        400,
        json.dumps({"error": "INVALID_ARGUMENT", "error_details": "bad", "message": "bad"}),
        "INVALID_ARGUMENT",
        "bad",
    ),
    "kucoin": ("kucoin", 200, coded("200004", "Balance insufficient!"), "200004", "Balance insufficient!"),
    "okx": ("okx", 200, okx("51008", "Insufficient balance"), "51008", "Insufficient balance"),
    "okx request": ("okx", 401, json.dumps({"code": "50113", "msg": "Invalid Sign", "data": []}), "50113", "Invalid"),
    "bybit": ("bybit", 200, bybit(170131, "Insufficient balance."), "170131", "Insufficient balance."),
    "gate": ("gate", 400, gate("BALANCE_NOT_ENOUGH", "Not enough balance"), "BALANCE_NOT_ENOUGH", "Not enough"),
    "gate mute": ("gate", 401, json.dumps({"label": "INVALID_KEY"}), "INVALID_KEY", "INVALID_KEY"),
    "bitget": ("bitget", 400, coded("43012", "Insufficient balance"), "43012", "Insufficient balance"),
    "bitget unified": ("bitget", 400, coded("40085", "You are in Unified Account mode"), "40085", "You are in"),
}


@pytest.mark.spec("only the exchange's own proof rejects an order", section="Order protocol")
@pytest.mark.parametrize(("name", "status", "body", "proof", "reason"), PROOFS.values(), ids=PROOFS)
def test_refusal_by_a_code_of_the_list_is_proof(name: str, status: int, body: str, proof: str, reason: str) -> None:
    refusal = VENUES[name].refusal(status, body)
    assert refusal is not None
    assert refusal.proof == proof
    assert refusal.reason.startswith(reason)


OPEN_QUESTIONS: dict[str, tuple[str, int, str]] = {
    "duplicate": ("binance", 400, binance(-2010, "Duplicate order sent.")),
    "duplicate of the sister": ("binanceus", 400, binance(-2010, "DUPLICATE order sent.")),
    "rejected without a word": ("binance", 400, binance(-2010, "")),
    "internal": ("binance", 400, binance(-1000, "An unknown error occurred")),
    "disconnected": ("binance", 400, binance(-1001, "Internal error")),
    "unexpected": ("binance", 400, binance(-1006, "Execution status unknown.")),
    "timeout": ("binance", 400, binance(-1007, "Timeout waiting for response")),
    "proof on a server error": ("binance", 502, binance(-1013, "Filter failure")),
    "too many without the status": ("binance", 400, binance(-1003, "Too many requests")),
    "server error": ("binance", 500, ""),
    "gateway": ("binance", 504, "<html>504 Gateway Time-out</html>"),
    "code as a text with more": ("binance", 400, '{"code": "-1013 ", "msg": "no"}'),
    "code as a fraction": ("binance", 400, '{"code": -1013.0, "msg": "no"}'),
    "code as a list": ("binance", 400, '{"code": [-1013], "msg": "no"}'),
    "accepted": ("binance", 200, '{"symbol": "BTCUSD", "orderId": 28, "status": "NEW"}'),
    "kraken busy": ("kraken", 200, kraken("EService:Busy")),
    "kraken unavailable": ("kraken", 200, kraken("EService:Unavailable")),
    "kraken internal": ("kraken", 200, kraken("EGeneral:Internal error")),
    "kraken two, one unclear": ("kraken", 200, kraken("EOrder:Insufficient funds", "EService:Timeout")),
    "kraken duplicate": ("kraken", 200, kraken("EGeneral:Invalid arguments:cl_ord_id duplicate")),
    "kraken accepted": ("kraken", 200, '{"error": [], "result": {"txid": ["O"]}}'),
    "kraken with a text": ("kraken", 200, '{"error": "EOrder:Insufficient funds"}'),
    "coinbase unknown": ("coinbase", 200, coinbase("UNKNOWN_FAILURE_REASON")),
    "coinbase duplicate": ("coinbase", 200, coinbase("DUPLICATE_CLIENT_ORDER_ID")),
    "coinbase success": ("coinbase", 200, '{"success": true, "error_response": {"error": "INVALID_SIDE"}}'),
    "coinbase too many without the status": ("coinbase", 500, '{"error": "rate_limit_exceeded"}'),
    "kucoin duplicate": ("kucoin", 200, coded("126044", "clientOid duplicate")),
    "kucoin duplicate by words": ("kucoin", 200, coded("400100", "clientOid already exists")),
    "kucoin internal": ("kucoin", 500, coded("500000", "Internal Server Error")),
    "kucoin accepted": ("kucoin", 200, '{"code": "200000", "data": {"orderId": "x"}}'),
    "okx duplicate": ("okx", 200, okx("51016", "Client order ID already exists.")),
    "okx timeout": ("okx", 200, okx("51149", "Order timed out.")),
    "okx endpoint timeout": ("okx", 400, json.dumps({"code": "50004", "msg": "Endpoint request timeout", "data": []})),
    "okx busy": ("okx", 200, okx("50026", "System error")),
    "okx accepted": ("okx", 200, '{"code": "0", "data": [{"ordId": "1", "sCode": "0", "sMsg": ""}], "msg": ""}'),
    "bybit duplicate": ("bybit", 200, bybit(170141, "Duplicate clientOrderId")),
    "bybit duplicate, unified": ("bybit", 200, bybit(110072, "OrderLinkedID is duplicate")),
    "bybit server": ("bybit", 200, bybit(10016, "System error")),
    "bybit timeout": ("bybit", 200, bybit(170007, "Timeout waiting for response from backend server.")),
    "bybit accepted": ("bybit", 200, bybit(0, "OK")),
    "gate server": ("gate", 500, gate("SERVER_ERROR", "Internal")),
    "gate busy": ("gate", 200, gate("TOO_BUSY", "busy")),
    "gate repeated": ("gate", 400, gate("REPEATED_CREATION", "order repeated")),
    "bitget duplicate": ("bitget", 400, coded("40786", "Duplicate clientOid")),
    "bitget system": ("bitget", 400, coded("40015", "System is abnormal, please try again later")),
    "bitget accepted": ("bitget", 200, coded("00000", "success")),
    "no JSON": ("okx", 200, "{code: 51008"),
    "no object": ("kucoin", 200, '["400100"]'),
    "nothing": ("gate", 200, "null"),
    "deep": ("kraken", 200, '{"error":' + "[" * 30_000 + "]" * 30_000 + "}"),
    "huge": ("binance", 400, '{"code":-1013,"msg":"' + "x" * 100_000 + '"}'),
    "half a character": ("binance", 400, '{"code":-1013,"msg":"\ud800"}'),
    "huge number": ("binance", 400, '{"code":' + "9" * 5_000 + ',"msg":"x"}'),
}


@pytest.mark.spec("anything else than proof is unknown", section="Order protocol")
@pytest.mark.parametrize(("name", "status", "body"), OPEN_QUESTIONS.values(), ids=OPEN_QUESTIONS)
def test_refusal_by_anything_else_is_none(name: str, status: int, body: str) -> None:
    assert VENUES[name].refusal(status, body) is None


@each_venue
def test_refusal_by_a_word_on_nobodys_list_is_none(venue: Venue) -> None:
    for body in ("", "{}", "[]", "0", '{"code": true, "msg": "x"}', "\x00", "NaN"):
        assert venue.refusal(400, body) is None
    assert venue_of("mexc").refusal(400, '{"code": -1013, "msg": "x"}') is None


def test_refusal_with_a_hostile_reason_is_cut_and_plain() -> None:
    refusal = VENUES["binance"].refusal(400, binance(-1013, "a\x1b[31m\n\r\tb\u202e" + "x" * 5_000))
    assert refusal is not None
    assert refusal.reason.startswith("a [31m b x")
    assert len(refusal.reason) == REASON_LENGTH
    assert refusal.reason.isprintable()


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["-1013", "51008"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["code", "msg", "data", "sCode", "error", "label", "retCode"]), inner)
    ),
    max_leaves=12,
)


@each_venue
@given(body=st.text() | trees.map(json.dumps), status=st.integers(-1, 999))
def test_refusal_of_any_body_is_a_listed_code_with_a_reason_or_none(venue: Venue, body: Any, status: int) -> None:
    match venue.refusal(status, body):
        case None:
            pass
        case Rejected(proof, reason):
            assert {proof, f"{proof}@{status}"} & venue.refusals
            assert 0 < len(reason) <= REASON_LENGTH
            assert reason.isprintable()
            assert status < 500 or f"{proof}@{status}" in venue.refusals
