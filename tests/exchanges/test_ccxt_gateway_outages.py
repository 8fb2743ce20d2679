"""What is an outage and what is the exchange's own word: portals, proxies, names and certificates, and its clock."""

import asyncio
import socket
import ssl
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from engine.core.errors import UnreachableError
from engine.exchanges.ccxt_gateway import CcxtConnection
from engine.exchanges.faults import refuses_key
from engine.exchanges.port import NotSent, Unknown
from engine.exchanges.venues import VENUES
from engine.exchanges.wire import Answer, current
from tests.exchange_server.faults import Fault
from tests.exchange_server.harness import quiet_script
from tests.exchange_server.server import running
from tests.exchanges.gateway_harness import SYMBOL, client, order_of, placed
from tests.exchanges.test_ccxt_gateway_wire import error_of


@pytest.mark.parametrize(
    ("venue", "error", "answer", "is_refused"),
    [
        pytest.param("binance", "DDoSProtection", Answer(401, '{"code":-2015}'), True, id="revoked"),
        pytest.param("binance", "AuthenticationError", Answer(400, '{"code":-1022}'), True, id="signature"),
        pytest.param("kraken", "AuthenticationError", Answer(200, '{"error":["EAPI:Invalid key"]}'), True, id="kraken"),
        pytest.param("okx", "PermissionDenied", Answer(401, '{"code":"50120"}'), True, id="okx"),
        pytest.param("gate", "AuthenticationError", Answer(401, '{"label":"INVALID_KEY"}'), True, id="gate"),
        pytest.param("binance", "AuthenticationError", Answer(511, "<html>log in"), False, id="captive-portal"),
        pytest.param("binance", "AuthenticationError", Answer(511, '{"code":-2015}'), False, id="portal-in-json"),
        pytest.param("binance", "AuthenticationError", Answer(407, "<html>"), False, id="proxy"),
        pytest.param("binance", "AuthenticationError", Answer(401, "<html>"), False, id="page"),
        pytest.param(
            "binance", "AuthenticationError", Answer(401, '{"code":401,"message":"log in"}'), False, id="json"
        ),
        pytest.param("binance", "AuthenticationError", Answer(401, "{}"), False, id="no-code"),
        pytest.param("kraken", "AuthenticationError", Answer(401, '{"error":"denied"}'), False, id="other-shape"),
        pytest.param(
            "gate", "AuthenticationError", Answer(401, '{"label":"REQUEST_EXPIRED"}'), False, id="old-at-gate"
        ),
        pytest.param("binance", "InvalidNonce", Answer(401, '{"code":-1021}'), False, id="clock"),
    ],
)
def test_key_is_refused_by_the_exchange_and_by_nobody_in_between(
    venue: str, error: str, answer: Answer, is_refused: bool
) -> None:
    raised = type(error, (type("AuthenticationError", (Exception,), {}),), {})() if is_refused else error_of(error)
    assert refuses_key(raised, answer, VENUES[venue].told_codes(answer.body)) is is_refused
    assert not refuses_key(raised, None, ["-2015"])


@pytest.mark.parametrize("status", [401, 407, 511])
def test_portal_in_place_of_the_exchange_is_an_outage(status: int) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (link, account):
            await link.rules(SYMBOL)
            server.exchange.faults.add(Fault("status", on="*", status=status, times=None, when="before"))
            for call in (account.balances(), account.identify(), link.rules(SYMBOL, refresh=True), link.ticker(SYMBOL)):
                with pytest.raises(UnreachableError):
                    await call
            assert isinstance(await account.query(SYMBOL, order_of()), Unknown)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "error",
    [
        socket.gaierror(-3, "Temporary failure in name resolution"),
        ssl.SSLCertVerificationError("certificate has expired"),
        ssl.SSLError("wrong version number"),
        aiohttp.ClientConnectorCertificateError(ConnectionKey("h", 443, True, True, None, None, None), ssl.SSLError()),
        aiohttp.ClientConnectorDNSError(ConnectionKey("h", 443, True, True, None, None, None), OSError("no such host")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_name_or_certificate_that_is_none_is_an_outage(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (link, account):
            await link.time_ms()
            await link.rules(SYMBOL)

            async def broken(*_: Any, **__: Any) -> Any:
                raise error

            monkeypatch.setattr(aiohttp.ClientSession, "_request", broken)
            reads = (link.time_ms(), link.ticker(SYMBOL), link.rules(SYMBOL, refresh=True), account.balances())
            for read in (*reads, account.trades(SYMBOL, 0), account.open_orders(SYMBOL), account.identify()):
                with pytest.raises(UnreachableError) as caught:
                    await read
                assert type(caught.value) is UnreachableError
            assert isinstance(await account.query(SYMBOL, order_of()), Unknown)
            assert isinstance(await account.create(SYMBOL, order_of()), Unknown), "a request was about to leave"
            link.offset_ms = None
            assert isinstance(await account.create(SYMBOL, order_of()), NotSent), "only the time was asked for"
            assert not placed(server)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("venue", "reply"),
    [
        ("kraken", {"error": [], "result": {"unixtime": 1_900_000_000}}),
        ("coinbase", {"data": {"epoch": 1_900_000_000}}),
    ],
)
def test_time_in_whole_seconds_is_taken_for_the_middle_of_the_second(venue: str, reply: Any) -> None:
    async def scenario() -> None:
        link = CcxtConnection(VENUES[venue], clock_ms=lambda: 1_900_000_000_500)

        async def told(*_: Any, **__: Any) -> Any:
            record = current()
            assert record is not None
            record.leaving("GET", link.clock_ms())
            return reply

        link.ccxt.fetch = told
        assert await link.time_ms() == 1_900_000_000_500
        assert link.offset_ms == 0
        await link.close()

    asyncio.run(scenario())
