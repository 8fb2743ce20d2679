"""Requests written by hand meet the rules of the wire: signatures, parameters, keys, limits and headers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.exchange_server.faults import Fault
from tests.exchange_server.harness import Raw, quiet_script, raw_client
from tests.exchange_server.script import Limits, Script
from tests.exchange_server.server import Server, running
from tests.exchange_server.signing import signature_of, signed_text

# The worked examples of the exchange's public documentation.
DOCUMENTED_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
DOCUMENTED_QUERY = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC"
DOCUMENTED_BODY = "quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
WHOLE_SIGNATURE = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
MIXED_SIGNATURE = "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77"
ORDER = {"symbol": "BTCUSD", "side": "BUY", "type": "MARKET", "quantity": "0.001"}
MANUAL = {"start_ms": 1_700_000_000_000, "manual_clock": True}


def asked(scenario: Callable[[Server, Raw], Awaitable[Any]], script: Script | None = None) -> Any:
    async def run() -> Any:
        async with running(script or quiet_script()) as server, raw_client(server) as raw:
            return await scenario(server, raw)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("query", "body", "signature"),
    [
        pytest.param(f"{DOCUMENTED_QUERY}&{DOCUMENTED_BODY}", "", WHOLE_SIGNATURE, id="query"),
        pytest.param("", f"{DOCUMENTED_QUERY}&{DOCUMENTED_BODY}", WHOLE_SIGNATURE, id="body"),
        pytest.param(DOCUMENTED_QUERY, DOCUMENTED_BODY, MIXED_SIGNATURE, id="both"),
    ],
)
def test_signature_of_a_documented_example_is_the_documented_one(query: str, body: str, signature: str) -> None:
    assert signature_of(DOCUMENTED_SECRET, signed_text(query, body)) == signature


@pytest.mark.parametrize("place", ["query-end", "query-start", "body-end", "body-start", "upper-case"])
def test_signature_is_found_wherever_it_stands(place: str) -> None:
    async def scenario(server: Server, raw: Raw) -> Any:
        query = f"symbol=BTCUSD&side=BUY&type=MARKET&timestamp={server.exchange.clock.now_ms()}"
        body = "quantity=0.001&newClientOrderId=k1"
        signature = f"signature={signature_of('localsecret', query + body)}"
        match place:
            case "query-end":
                query = f"{query}&{signature}"
            case "query-start":
                query = f"{signature}&{query}"
            case "body-start":
                body = f"{signature}&{body}"
            case "body-end":
                body = f"{body}&{signature}"
            case _:
                body = f"{body}&signature={signature.partition('=')[2].upper()}"
        return await raw.send("POST", f"/api/v3/order?{query}", body)

    status, answer, _ = asked(scenario)
    assert (status, answer["status"], answer["clientOrderId"]) == (200, "FILLED", "k1")


def test_parameters_of_a_cancellation_may_stand_in_the_body() -> None:
    async def scenario(server: Server, raw: Raw) -> Any:
        await raw.signed("POST", "/api/v3/order", **ORDER | {"type": "LIMIT", "timeInForce": "GTC", "price": "40000"})
        body = f"symbol=BTCUSD&orderId=5000000&timestamp={server.exchange.clock.now_ms()}"
        return await raw.send("DELETE", "/api/v3/order", f"{body}&signature={signature_of('localsecret', body)}")

    status, answer, _ = asked(scenario)
    assert (status, answer["status"]) == (200, "CANCELED")


def test_parameter_sent_twice_counts_as_the_query_says() -> None:
    async def scenario(server: Server, raw: Raw) -> Any:
        query = f"symbol=BTCUSD&side=BUY&type=MARKET&quantity=0.001&timestamp={server.exchange.clock.now_ms()}"
        body = "quantity=0.002"
        signature = signature_of("localsecret", query + body)
        return await raw.send("POST", f"/api/v3/order?{query}", f"{body}&signature={signature}")

    assert asked(scenario)[1]["origQty"] == "0.00100000"


@pytest.mark.parametrize(
    ("method", "path", "changes", "code", "sentence"),
    [
        ("POST", "order", {"side": "UP"}, -1117, "Invalid side."),
        ("POST", "order", {"type": "SWIFT"}, -1116, "Invalid orderType."),
        (
            "POST",
            "order",
            {"type": "STOP_LOSS_LIMIT"},
            -2010,
            "Stop loss limit orders are not supported for this symbol.",
        ),
        ("POST", "order", {"quantity": ""}, -1105, "Parameter 'quantity' was empty."),
        ("POST", "order", {"quantity": "1e3"}, -1100, "Illegal characters found in parameter 'quantity'"),
        ("POST", "order", {"quantity": "NaN"}, -1100, "Illegal characters found in parameter 'quantity'"),
        ("POST", "order", {"price": "1"}, -1106, "Parameter 'price' sent when not required."),
        ("POST", "order", {"color": "red"}, -1104, "Not all sent parameters were read; read '6' parameter(s) but was"),
        ("POST", "order", {"type": "LIMIT"}, -1102, "Mandatory parameter 'price' was not sent"),
        ("POST", "order", {"recvWindow": "60001"}, -1131, "recvWindow must be less than 60000"),
        ("POST", "order", {"timestamp": "soon"}, -1100, "Illegal characters found in parameter 'timestamp'"),
        ("POST", "order/test", {"quantity": "0.0000001"}, -1013, "Filter failure: LOT_SIZE"),
        ("GET", "order", None, -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"),
        ("GET", "order", {"orderId": "7"}, -2013, "Order does not exist."),
        ("DELETE", "order", {"orderId": "7"}, -2011, "Unknown order sent."),
        ("DELETE", "openOrders", None, -2011, "Unknown order sent."),
        ("GET", "myTrades", {"startTime": "1", "endTime": "99999999"}, -1127, "More than 24 hours between"),
        ("GET", "myTrades", {"startTime": "1", "fromId": "1"}, -1128, "Combination of optional parameters invalid."),
    ],
)
def test_signed_request_that_breaks_a_rule_is_refused(
    method: str, path: str, changes: dict[str, str] | None, code: int, sentence: str
) -> None:
    async def scenario(_server: Server, raw: Raw) -> Any:
        good = ORDER if method == "POST" else {"symbol": "BTCUSD"}
        return await raw.signed(method, f"/api/v3/{path}", **good | (changes or {}))

    status, answer, _ = asked(scenario)
    assert (status, answer["code"]) == (400, code)
    assert answer["msg"].startswith(sentence)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/v3/klines?symbol=BTCUSD&interval=7m", -1120),
        ("/api/v3/klines?symbol=BTCUSD", -1102),
        ("/api/v3/ticker/24hr?symbol=NOUSD", -1121),
        ("/api/v3/ticker/24hr?symbol=BTCUSD&symbol=BNBUSD", -1101),
        ("/api/v3/ticker/24hr?symbol=BTCUSD&symbols=[]", -1128),
        ("/api/v3/ticker/24hr?symbols=BTCUSD", -1100),
        ("/api/v3/time?now=1", -1101),
        ("/api/v3/depth?symbol=BTCUSD&limit=ten", -1100),
    ],
)
def test_public_request_that_breaks_a_rule_is_refused(path: str, code: int) -> None:
    status, answer, _ = asked(lambda _server, raw: raw.get(path))
    assert (status, answer["code"]) == (400, code)


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/api/v3/account", {}, 401, -2014),
        ("/api/v3/account", {"X-MBX-APIKEY": "not a key"}, 401, -2014),
        ("/api/v3/account", {"X-MBX-APIKEY": "another"}, 401, -2015),
        ("/api/v3/account", {"X-MBX-APIKEY": "localkey"}, 400, -1102),
        ("/api/v3/account?timestamp=1&signature=00", {"X-MBX-APIKEY": "localkey"}, 400, -1022),
    ],
)
def test_request_without_a_valid_key_or_signature_is_refused(
    path: str, headers: dict[str, str], status: int, code: int
) -> None:
    answer = asked(lambda _server, raw: raw.send("GET", path, headers=headers))
    assert (answer[0], answer[1]["code"]) == (status, code)


def test_key_without_the_right_to_trade_reads_but_does_not_trade() -> None:
    async def scenario(_server: Server, raw: Raw) -> Any:
        account = await raw.signed("GET", "/api/v3/account")
        restrictions = await raw.signed("GET", "/sapi/v1/account/apiRestrictions")
        order = await raw.signed("POST", "/api/v3/order", **ORDER)
        return account[1]["canTrade"], restrictions[1], order[:2]

    can_trade, restrictions, order = asked(scenario, quiet_script(account={"may_trade": False, "may_withdraw": True}))
    assert (can_trade, restrictions["enableSpotAndMarginTrading"], restrictions["enableWithdrawals"]) == (
        False,
        False,
        True,
    )
    assert (order[0], order[1]["code"]) == (401, -2015)


@pytest.mark.parametrize(
    ("age_ms", "window", "is_taken"),
    [
        (0, {}, True),
        (5_000, {}, True),
        (5_001, {}, False),
        (-999, {}, True),
        (-1_000, {}, False),
        (300, {"recvWindow": "299"}, False),
        (300, {"recvWindow": "300"}, True),
    ],
)
def test_request_is_taken_only_within_its_window(age_ms: int, window: dict[str, str], is_taken: bool) -> None:
    async def scenario(server: Server, raw: Raw) -> Any:
        timestamp = server.exchange.now_ms - age_ms
        return await raw.signed("GET", "/api/v3/account", timestamp=timestamp, **window)

    status, answer, _ = asked(scenario, quiet_script(**MANUAL))
    assert (status, answer.get("code")) == ((200, None) if is_taken else (400, -1021))


def test_order_tried_out_is_checked_but_not_placed() -> None:
    async def scenario(server: Server, raw: Raw) -> Any:
        answer = await raw.signed("POST", "/api/v3/order/test", **ORDER)
        rates = await raw.signed("POST", "/api/v3/order/test", **ORDER, computeCommissionRates="true")
        return answer[1], rates[1], len(server.exchange.matching.records)

    answer, rates, placed = asked(scenario)
    assert (answer, rates["standardCommissionForOrder"]["taker"], placed) == ({}, "0.00100000", 0)


@pytest.mark.parametrize(("kind", "has"), [("ACK", (False, False)), ("RESULT", (True, False)), ("FULL", (True, True))])
def test_answer_to_an_order_has_as_much_as_was_asked_for(kind: str, has: tuple[bool, bool]) -> None:
    _, answer, _ = asked(lambda _, raw: raw.signed("POST", "/api/v3/order", **ORDER, newOrderRespType=kind))
    assert ("status" in answer, "fills" in answer) == has


def test_answers_tell_the_used_weight_and_the_counted_orders() -> None:
    async def scenario(_server: Server, raw: Raw) -> Any:
        await raw.get("/api/v3/exchangeInfo")
        return await raw.signed("POST", "/api/v3/order", **ORDER)

    _, _, headers = asked(scenario, quiet_script(**MANUAL))
    assert headers["X-MBX-USED-WEIGHT-1M"] == "21"
    assert (headers["X-MBX-ORDER-COUNT-10S"], headers["X-MBX-ORDER-COUNT-1D"]) == ("1", "1")


def test_client_that_goes_on_asking_beyond_the_limit_is_banned_for_a_while() -> None:
    limits = Limits(weight_per_minute=3, refusals_before_ban=2, ban_s=120)

    async def scenario(server: Server, raw: Raw) -> Any:
        answers = [await raw.get("/api/v3/time") for _ in range(6)]
        server.exchange.clock.advance(119_000)
        answers.append(await raw.get("/api/v3/time"))
        server.exchange.clock.advance(1_000)
        answers.append(await raw.get("/api/v3/time"))
        return [(status, headers.get("Retry-After")) for status, _, headers in answers]

    refused = [(429, "40"), (429, "40"), (418, "120"), (418, "1")]
    taken = (200, None)
    assert asked(scenario, quiet_script(**MANUAL, limits=limits)) == [taken, taken, taken, *refused, taken]


def test_orders_beyond_the_limit_are_refused_until_the_window_is_over() -> None:
    async def scenario(server: Server, raw: Raw) -> Any:
        answers = [await raw.signed("POST", "/api/v3/order", **ORDER) for _ in range(3)]
        server.exchange.clock.advance(10_000)
        answers.append(await raw.signed("POST", "/api/v3/order", **ORDER))
        return [(status, answer.get("code")) for status, answer, _ in answers]

    script = quiet_script(**MANUAL, limits=Limits(orders_per_10s=2))
    assert asked(scenario, script) == [(200, None), (200, None), (429, -1015), (200, None)]


def test_fault_strikes_as_often_as_its_rate_and_the_seed_say() -> None:
    async def scenario(_server: Server, raw: Raw) -> Any:
        return [(await raw.get("/api/v3/ping"))[0] for _ in range(60)]

    fault = Fault("status", on="GET *", status=502, rate=0.2, times=None, skip=5)
    story = [asked(scenario, quiet_script(seed=seed, faults=(fault,))) for seed in ("a", "a", "b")]
    assert story[0] == story[1] != story[2]
    assert 3 <= story[0].count(502) <= 25
    assert set(story[0][:5]) == {200}
