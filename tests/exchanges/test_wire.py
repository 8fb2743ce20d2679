"""What the rows of engine/exchanges/venues.py make the real ccxt send, recorded without a network.

Every request is held against a recording, field for field: our id stands in the native field, quantities and prices
are the digits we gave, time and window are ours where ccxt lets us, and nothing else is sent before, after or again.
"""

import base64
import json
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from engine.exchanges.venue_names import WITHOUT_SPOT
from engine.exchanges.venues import ALIASES, VENUES, Call, Venue, venue_of
from tests.exchanges.recorded import OUR_ID, PRICE, QUANTITY, RECORDINGS, SENT_MS, THEIR_ID, Fields, Recording
from tests.exchanges.wire import SYMBOL, Request, Wire, ccxt_pro, leaves, on_wire

each_venue = pytest.mark.parametrize(("venue", "recording"), [(VENUES[x], RECORDINGS[x]) for x in VENUES], ids=VENUES)
each_side = pytest.mark.parametrize("side", ["buy", "sell"])


async def create(wire: Wire, venue: Venue, kind: str, side: str) -> Any:
    """Place an order as the gateway will: with texts, our parameters, and no price for a market order."""
    exchange, price = wire.exchange, PRICE if kind == "limit" else None
    with pytest.MonkeyPatch.context() as patch:
        if venue.clock == "nonce":
            patch.setattr(exchange, "nonce", lambda: SENT_MS)
        elif venue.clock == "seconds":
            patch.setattr(exchange, "nonce", lambda: SENT_MS)
            patch.setattr(exchange, "seconds", lambda: SENT_MS // 1_000)
        params = venue.create_params(OUR_ID, SENT_MS)
        return await exchange.create_order(SYMBOL, kind, side, QUANTITY, price, params)


def expected_fields(recording: Recording, kind: str, side: str) -> Fields:
    name, buy, sell = recording.side
    return {**(recording.limit if kind == "limit" else recording.market), name: buy if side == "buy" else sell}


def test_recordings_of_all_venues_are_there() -> None:
    assert set(RECORDINGS) == set(VENUES)


@each_side
@each_venue
def test_create_of_a_limit_order_sends_one_request_with_our_id_and_digits(
    venue: Venue, recording: Recording, side: str
) -> None:
    async def story(wire: Wire) -> None:
        wire.reply = recording.created
        order = await create(wire, venue, "limit", side)
        assert (wire.sent.method, wire.sent.address) == ("POST", recording.address)
        assert wire.sent.fields == expected_fields(recording, "limit", side)
        assert recording.headers.items() <= wire.sent.headers.items()
        assert order["id"] == THEIR_ID

    on_wire(venue, story)


@each_side
@each_venue
def test_create_of_a_market_order_names_the_base_quantity_or_never_leaves(
    venue: Venue, recording: Recording, side: str
) -> None:
    async def story(wire: Wire) -> None:
        wire.reply = recording.created
        if side == "buy" and not venue.market_buy_by_base:
            with pytest.raises(ccxt_pro.InvalidOrder, match=r"requires (the|a) price argument"):
                await create(wire, venue, "market", side)
            assert wire.requests == []
        else:
            await create(wire, venue, "market", side)
            assert (wire.sent.method, wire.sent.address) == ("POST", recording.address)
            assert wire.sent.fields == expected_fields(recording, "market", side)

    on_wire(venue, story)


@each_venue
@pytest.mark.parametrize("fault", ["RequestTimeout", "ExchangeNotAvailable", "OperationFailed", "RateLimitExceeded"])
def test_create_that_fails_on_the_way_is_not_sent_again(venue: Venue, recording: Recording, fault: str) -> None:
    async def story(wire: Wire) -> None:
        wire.fault = getattr(ccxt_pro, fault)("lost")
        with pytest.raises(getattr(ccxt_pro, fault)):
            await create(wire, venue, "limit", "buy")
        assert wire.sent.fields == expected_fields(recording, "limit", "buy")

    on_wire(venue, story)


@each_venue
def test_look_ups_ask_as_recorded_and_find_our_id(venue: Venue, recording: Recording) -> None:
    async def story(wire: Wire) -> None:
        calls = venue.look_ups(SYMBOL, OUR_ID, THEIR_ID, SENT_MS)
        for call, look, wire.reply in zip(calls, recording.looks, recording.known, strict=True):
            method, address, fields = look
            wire.requests.clear()
            found = await wire.call(call)
            orders = found if call.lists else [found]
            assert [(venue.own_id(order["clientOrderId"]), order["id"]) for order in orders] == [(OUR_ID, THEIR_ID)]
            assert (wire.sent.method, wire.sent.address) == (method, address)
            assert without_clock(wire.sent, venue) == fields

    on_wire(venue, story)


@each_venue
def test_look_ups_of_an_order_without_exchange_id_never_ask_for_one(venue: Venue, recording: Recording) -> None:
    calls = venue.look_ups(SYMBOL, OUR_ID, None, SENT_MS)
    assert 0 < len(calls) <= len(recording.looks)
    known = venue.look_ups(SYMBOL, OUR_ID, THEIR_ID, SENT_MS)
    assert calls == tuple(call for call in known if THEIR_ID not in call.arguments)


@each_venue
def test_cancel_asks_as_recorded(venue: Venue, recording: Recording) -> None:
    async def story(wire: Wire) -> None:
        wire.reply = recording.canceled
        method, address, fields = recording.cancel
        await wire.call(venue.cancel(SYMBOL, OUR_ID, THEIR_ID if venue.cancels_by_exchange_id else None))
        assert (wire.sent.method, wire.sent.address) == (method, address)
        assert without_clock(wire.sent, venue) == fields

    on_wire(venue, story)


def without_clock(request: Request, venue: Venue) -> Fields:
    """Give the fields of a look-up or a cancellation, whose time ccxt takes from its clock."""
    assert venue.clock != "params" or "clientOrderId" in venue.create_fields
    return {name: value for name, value in request.fields.items() if name != "timestamp"}


# --- what bounds a late request ---------------------------------------------------------------------------------------


def test_token_of_coinbase_is_good_for_the_window_of_the_row() -> None:
    venue = VENUES["coinbase"]
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )

    async def story(wire: Wire) -> None:
        wire.reply = RECORDINGS["coinbase"].created
        await create(wire, venue, "limit", "buy")
        payload = wire.sent.headers["Authorization"].split(".")[1]
        token = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        assert token["nbf"] * 1_000 == SENT_MS
        assert token["exp"] * 1_000 == SENT_MS + venue.valid_ms

    on_wire(venue, story, apiKey="organizations/x/apiKeys/y", secret=key.decode())


@pytest.mark.parametrize("name", ["binance", "binanceus", "bybit"])
def test_window_that_look_ups_are_signed_with_is_that_of_the_row(name: str) -> None:
    async def story(wire: Wire) -> None:
        assert wire.exchange.options["recvWindow"] == VENUES[name].valid_ms

    on_wire(VENUES[name], story)


# --- configuration ----------------------------------------------------------------------------------------------------


@each_venue
def test_config_reaches_the_instance_and_leaves_the_rest(venue: Venue, recording: Recording) -> None:
    async def story(wire: Wire) -> None:
        for path, value in leaves({"options": venue.config()["options"], "has": venue.config()["has"]}):
            place: Any = getattr(wire.exchange, path[0])
            for key in path[1:]:
                place = place[key]
            assert place == value, path
        assert wire.exchange.options.get("maxRetriesOnFailure", 0) == 0
        assert wire.exchange.has["createOrder"] is True

    on_wire(venue, story)


@each_venue
def test_load_markets_reads_spot_markets_only(venue: Venue, recording: Recording) -> None:
    async def story(wire: Wire) -> None:
        wire.exchange.markets = None
        wire.fault = ccxt_pro.RequestTimeout("stop here")
        with suppress(ccxt_pro.RequestTimeout):
            await wire.exchange.load_markets()
        assert wire.requests
        for request in wire.requests:
            assert request.method == "GET"
            assert not {"future", "swap", "linear", "inverse", "option"} & set(request.fields.values()), request

    on_wire(venue, story)


def test_addresses_of_binanceus_never_lead_to_binance_com() -> None:
    async def story(wire: Wire) -> None:
        urls = dict(leaves(wire.exchange.urls["api"]))
        assert [path for path, url in urls.items() if url is not None and "binance.com" in url] == []
        assert urls["ws", "ws-api", "spot"] == "wss://ws-api.binance.us:443/ws-api/v3"
        assert urls["ws", "spot"] == "wss://stream.binance.us:9443/ws"
        assert {urls["public",], urls["private",]} == {"https://api.binance.us/api/v3"}

    on_wire(VENUES["binanceus"], story)


def test_exchanges_that_can_be_named_are_those_of_ccxt_pro() -> None:
    names = frozenset(ccxt_pro.exchanges)
    assert {name for name in names - WITHOUT_SPOT if venue_of(name).id == name} == names - WITHOUT_SPOT
    assert set(VENUES) <= names
    assert set(ALIASES.values()) <= names
    assert not set(ALIASES) & names


def test_exchanges_without_spot_markets_are_those_that_ccxt_says_have_none() -> None:
    assert {name for name in ccxt_pro.exchanges if not getattr(ccxt_pro, name)().has["spot"]} == WITHOUT_SPOT


@pytest.mark.parametrize("name", [name for name in ccxt_pro.exchanges if name not in {*VENUES, *WITHOUT_SPOT}])
def test_exchange_for_paper_only_can_be_constructed_with_its_config(name: str) -> None:
    exchange = getattr(ccxt_pro, name)(venue_of(name).config())
    assert exchange.options["OHLCVLimit"] == 1_000


def test_calls_of_all_venues_are_methods_that_ccxt_has() -> None:
    for venue in VENUES.values():
        calls: list[Call] = [*venue.look_ups(SYMBOL, OUR_ID, THEIR_ID, SENT_MS), venue.cancel(SYMBOL, OUR_ID, THEIR_ID)]
        for call in calls:
            assert callable(getattr(getattr(ccxt_pro, venue.id), call.method))
        assert all(first != second for first, second in pairwise(calls))


@each_venue
def test_refusals_are_no_codes_that_ccxt_takes_for_an_open_question(venue: Venue, recording: Recording) -> None:
    questions = ["RequestTimeout", "ExchangeNotAvailable", "OrderNotFound", "DuplicateOrderId", "CancelPending"]
    doubtful = tuple(getattr(ccxt_pro, name) for name in questions)

    async def story(wire: Wire) -> None:
        tables = [wire.exchange.exceptions, wire.exchange.exceptions.get("spot", {})]
        for code in venue.refusals:
            for table in tables:
                found = table.get("exact", {}).get(code.partition("@")[0])
                assert found is None or found.__name__ == "OnMaintenance" or not issubclass(found, doubtful), code

    on_wire(venue, story)
