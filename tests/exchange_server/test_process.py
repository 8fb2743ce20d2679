"""The server in a process of its own: it opens, obeys its control endpoint, and leaves its ledger behind."""

import json
import socket
import struct
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.exchange_server.faults import Fault, StreamFault
from tests.exchange_server.harness import quiet_script
from tests.exchange_server.process import ServerProcess, server_process
from tests.exchange_server.script import Script, Visibility, read_script
from tests.exchange_server.signing import signature_of

START_MS = 1_700_000_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    script = quiet_script(start_ms=START_MS, manual_clock=True)
    with server_process(script, tmp_path_factory.mktemp("exchange")) as running:
        yield running


def ask(server: ServerProcess, method: str, path: str, **parameters: object) -> tuple[int, Any]:
    """Send a signed request: status and body."""
    query = "&".join(f"{n}={v}" for n, v in {"timestamp": server.control("state")["now_ms"], **parameters}.items())
    address = f"http://127.0.0.1:{server.port}/api/v3/{path}?{query}&signature={signature_of('localsecret', query)}"
    request = urllib.request.Request(address, method=method, headers={"X-MBX-APIKEY": "localkey"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)


def buy_limit(server: ServerProcess, client_id: str) -> Any:
    order = {"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.5"}
    return ask(server, "POST", "order", **order, price="49000", newClientOrderId=client_id)


def test_control_endpoint_fills_parts_moves_prices_and_expires(server: ServerProcess) -> None:
    assert buy_limit(server, "kone")[1]["status"] == "NEW"
    part = {"symbol": "BTCUSD", "client_order_id": "kone", "quantity": "0.2"}
    assert server.control("order", part) == {"status": "PARTIALLY_FILLED"}
    server.control("price", {"symbol": "BTCUSD", "price": "48000"})
    status, order = ask(server, "GET", "order", symbol="BTCUSD", origClientOrderId="kone")
    assert (status, order["status"], order["cummulativeQuoteQty"]) == (200, "FILLED", "24500.00000000")
    server.control("price", {"symbol": "BTCUSD", "price": "50000"})
    buy_limit(server, "ktwo")
    assert server.control("order", {"symbol": "BTCUSD", "client_order_id": "ktwo"}) == {"status": "EXPIRED"}
    trades = [trade for trade in server.ledger()["trades"] if trade["client_order_id"] == "kone"]
    assert [(trade["quantity"], trade["client_order_id"]) for trade in trades] == [("0.2", "kone"), ("0.3", "kone")]


def test_control_endpoint_moves_clock_balances_keys_and_bans(server: ServerProcess) -> None:
    before = server.control("state")["now_ms"]
    assert server.control("clock", {"advance_ms": 5_000, "skew_ms": 700})["now_ms"] == before + 5_700
    server.control("clock", {"skew_ms": 0})
    server.control("balance", {"asset": "USDT", "delta": "-1"})
    rows = {row["asset"]: row["free"] for row in ask(server, "GET", "account")[1]["balances"]}
    assert Decimal(rows["USDT"]) == 99_999
    server.control("key", {"revoked": True})
    assert ask(server, "GET", "account")[1]["code"] == -2015
    server.control("key", {})
    server.control("ban", {"seconds": 30})
    assert ask(server, "GET", "account")[0] == 418
    server.control("clock", {"advance_ms": 30_000})
    assert ask(server, "GET", "account")[0] == 200


def test_control_endpoint_adds_and_ends_faults(server: ServerProcess) -> None:
    server.control("faults", [Fault("status", on="GET /api/v3/account", status=502, times=None)])
    with pytest.raises(json.JSONDecodeError):
        ask(server, "GET", "account")
    assert server.control("state")["faults_struck"] == [1]
    server.control("faults", method="DELETE")
    assert ask(server, "GET", "account")[0] == 200
    assert server.control("streams", StreamFault("close")) == {"struck": 0}
    server.control("visibility", Visibility(orders_late_ms=10))
    server.control("visibility", Visibility())
    server.control("market", {"symbol": "BTCUSD", "status": "BREAK"})
    assert buy_limit(server, "kthree") == (400, {"code": -1013, "msg": "Market is closed."})
    server.control("market", {"symbol": "BTCUSD", "status": "TRADING"})


def test_control_endpoint_given_nonsense_says_what_is_wrong(server: ServerProcess) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        server.control("price", {"symbol": "BTCUSD", "prize": "1"})
    with caught.value as refusal:
        assert (refusal.code, b"unknown field `prize`" in refusal.read()) == (400, True)


def test_ledger_left_behind_tells_every_request_but_no_signature(tmp_path: Path) -> None:
    with server_process(quiet_script(start_ms=START_MS, manual_clock=True), tmp_path) as server:
        buy_limit(server, "kone")
        buy_limit(server, "kone")
        asked = server.ledger()
    ledger = json.loads((tmp_path / "ledger.json").read_bytes())
    assert ledger == asked
    assert [[state["status"] for state in states] for states in ledger["orders"]] == [["NEW"]]
    assert ledger["balances"]["trader"]["USD"] == ["75500.0", "24500.0"]
    assert ledger["calls"] == {"POST /api/v3/order": 2}
    placed, refused = ledger["requests"]
    assert [(request["status"], request["code"]) for request in (placed, refused)] == [(200, None), (400, -2010)]
    assert placed["parameters"]["newClientOrderId"] == "kone"
    assert "signature" not in placed["parameters"]
    assert placed["came_ms"] == placed["carried_out_ms"] == placed["answered_ms"] == START_MS
    assert [event["event"]["e"] for event in ledger["events"]] == ["executionReport", "outboundAccountPosition"]


def test_script_written_and_read_is_the_same_and_nonsense_is_refused() -> None:
    script = quiet_script(faults=(Fault("drop"),), stream_faults=(StreamFault("freeze"),))
    assert read_script(msgspec.json.encode(script)) == script
    assert read_script(b"{}") == Script()
    with pytest.raises(msgspec.ValidationError, match=r"unknown field `spead`"):
        read_script(b'{"spead": 2}')


def test_server_on_a_port_that_is_taken_says_which_to_choose(server: ServerProcess, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.exchange_server", "--port", str(server.port)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert ended.returncode == 1
    assert "choose others with --port" in ended.stderr


HANDSHAKE = (
    b"GET /stream/ws/btcusd@trade HTTP/1.1\r\nHost: local\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def test_server_that_loses_streams_while_they_begin_ends_without_a_word(tmp_path: Path) -> None:
    with server_process(Script(), tmp_path) as running:
        for _ in range(100):
            with socket.create_connection(("127.0.0.1", running.port), 5) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.sendall(HANDSHAKE)
        assert running.control("state")["now_ms"]
    told = (tmp_path / "output.txt").read_text()
    assert "The local exchange is open" in told
    assert "Traceback" not in told
