"""The exchange library is kept quiet, and a key that can do more than trade is refused before anything is sent."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from engine.exchanges.ccxt_gateway import CcxtConnection
from engine.exchanges.credentials import Credentials, Secret
from engine.exchanges.faults import Scrubber
from engine.exchanges.venues import venue_of
from tests.cli.outside_world import World
from tests.cli.terminal import Result, bot_file
from tests.exchange_server.process import ServerProcess, server_process
from tests.exchange_server.script import Script
from tests.exchange_server.server import running
from tests.live.harness import ALWAYS, live_script
from tests.security.scanner import finds

SPEC = pytest.mark.spec
API_KEY, API_SECRET = "kCANARYq7Zx9Wv3LmTnRb8PcYg2Kd", "sCANARYh4Tn5Rb8PcYg2KdFwQzXv"


def _script(**account: Any) -> Script:
    return live_script(account={"api_key": API_KEY, "secret": API_SECRET, **account})


@SPEC("ccxt prints nothing, whatever its options and its class say", section="The exchange library")
def test_library_told_to_be_verbose_prints_no_header_and_no_key(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ccxt.pro  # type: ignore[import-untyped]

    async def scenario() -> None:
        async with running(_script()) as server:
            venue = venue_of("binanceus")
            loud = replace(venue, options={**venue.options, "verbose": True, "maxRetriesOnFailure": 3})
            connection = CcxtConnection(
                loud,
                clock_ms=server.exchange.clock.market_ms,
                credentials=Credentials(Secret(API_KEY), Secret(API_SECRET)),
                endpoint=f"http://127.0.0.1:{server.port}",
                is_paced=False,
            )
            assert connection.ccxt.verbose is False
            assert connection.ccxt.options["maxRetriesOnFailure"] == 0
            await connection.load_markets()
            await connection.ask("fetch_balance", connection.ccxt.fetch_balance, signed=True)
            await connection.close()

    monkeypatch.setattr(ccxt.pro.binanceus, "verbose", True)
    with caplog.at_level(logging.DEBUG):
        asyncio.run(scenario())
    told = capsys.readouterr()
    logged = "\n".join(f"{record.name} {record.getMessage()}" for record in caplog.records)
    assert (told.out, told.err) == ("", "")
    assert "X-MBX-APIKEY" not in logged
    assert finds({"log": logged.encode()}, (API_KEY, API_SECRET)) == []


HEADERS = (
    "{'X-MBX-APIKEY': 'VALUE'}",
    "{'KC-API-KEY': 'VALUE', 'KC-API-SIGN': 'VALUE', 'KC-API-PASSPHRASE': 'VALUE'}",
    '{"OK-ACCESS-KEY": "VALUE", "OK-ACCESS-SIGN": "VALUE", "OK-ACCESS-PASSPHRASE": "VALUE"}',
    "{'API-Key': 'VALUE', 'API-Sign': 'VALUE'}",
    "CB-ACCESS-KEY: VALUE",
    "Authorization: Bearer VALUE",
    "timestamp=1&signature=VALUE&x=2",
    "GET https://api.binance.us/api/v3/order?apiKey=VALUE&signature=VALUE failed",
)


@SPEC("headers and signatures are taken out of what libraries log", section="The exchange library")
@pytest.mark.parametrize("text", HEADERS)
@pytest.mark.parametrize("value", [API_KEY, "somebodyElsesKey123"], ids=["ours", "unknown"])
def test_header_in_a_text_of_a_library_is_told_without_its_value(text: str, value: str) -> None:
    told = Scrubber(API_KEY, API_SECRET)(text.replace("VALUE", value))
    assert value not in told
    assert "<hidden>" in told or "<address>" in told


def test_warning_of_a_library_on_stderr_is_one_line_without_keys(capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> None:
        connection = CcxtConnection(
            venue_of("binanceus"),
            clock_ms=lambda: 0,
            credentials=Credentials(Secret(API_KEY), Secret(API_SECRET)),
            endpoint="http://127.0.0.1:1",
        )
        await connection.close()

    asyncio.run(scenario())
    record = logging.LogRecord("asyncio", logging.ERROR, __file__, 1, "task of %s\nbroke", (API_KEY,), None)
    error = ConnectionError(f"https://api.binance.us/?signature={API_SECRET} \x1b[31m{API_SECRET}")
    record.exc_info = (type(error), error, None)
    assert logging.lastResort is not None
    logging.lastResort.handle(record)
    told = capsys.readouterr().err
    assert "task of <hidden> broke: ConnectionError: <address>" in told
    assert len(told.splitlines()) == 1
    assert "\x1b" not in told
    assert finds({"stderr": told.encode()}, (API_KEY, API_SECRET)) == []


# --- the rights of a key


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """Have an exchange that tells what a key may do, and a key that may withdraw."""
    folder = tmp_path / "exchange"
    folder.mkdir()
    with server_process(_script(may_withdraw=True), folder) as process:
        yield process


def _asked(server: ServerProcess, folder: Path, *verb: object) -> Result:
    keys = {"KRYPTO_BINANCE_API_KEY": API_KEY, "KRYPTO_BINANCE_API_SECRET": API_SECRET}
    return World(server, folder, **keys).krypto(*verb)


@SPEC(
    "a key that may withdraw is refused by every verb that uses it, and nothing is ordered",
    section="The rights of a key",
)
def test_key_that_may_withdraw_is_refused_by_run_doctor_and_check(server: ServerProcess, tmp_path: Path) -> None:
    path = bot_file(
        tmp_path,
        exchange="binance",
        market=None,
        paper_trading=False,
        live=True,
        budget=1000,
        check_interval=1,
        timeframe="1m",
        strategy_params={"amount_usd": 100, "indicators": ALWAYS},
    )
    run = _asked(server, tmp_path, "run", "-c", path, "--for", "60s")
    assert (run.code, len(run.err.splitlines())) == (4, 1), run
    assert "may withdraw money" in run.err
    doctor = _asked(server, tmp_path, "doctor", "-c", path)
    assert (doctor.code, "may withdraw money" in " ".join(doctor.out.split())) == (4, True)
    check = _asked(server, tmp_path, "credentials", "check", "binance")
    assert (check.code, "may withdraw money" in check.err) == (4, True)
    assert server.ledger()["orders"] == []
    told = [text.encode() for result in (run, doctor, check) for text in (result.out, result.err)]
    assert finds({"told": b"\n".join(told)}, (API_KEY, API_SECRET)) == []
