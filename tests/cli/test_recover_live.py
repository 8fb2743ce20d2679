"""A live bot in real processes: it buys, its log loses the end, `recover` takes the order over, `run` sells it once."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.outside_world import World
from tests.cli.terminal import bot_file, krypto
from tests.exchange_server.process import ServerProcess, server_process
from tests.live.harness import ALWAYS, live_script
from tests.live.recovery import cut
from tests.security.scanner import below, finds

KEY, SECRET = "kCANARYq7Zx9Wv3LmTnRb8Pc", "sCANARYh4Tn5Rb8PcYg2KdFw"
LIVE: dict[str, Any] = {
    "exchange": "binance_us",
    "market": None,
    "check_interval": 1,
    "timeframe": "1m",
    "profit_target": 1.0,
    "sell_order_type": "limit",
    "max_open_lots": 1,
    "strategy_params": {"amount_usd": 100, "indicators": ALWAYS},
    "connectivity_hosts": None,
    "paper_trading": False,
    "live": True,
    "budget": 1000,
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """Have the exchange in a process of its own."""
    folder = tmp_path / "exchange"
    folder.mkdir()
    with server_process(live_script(account={"api_key": KEY, "secret": SECRET}), folder) as process:
        process.control("price", {"symbol": "BTCUSD", "price": "50000"})
        yield process


@pytest.fixture
def world(server: ServerProcess, tmp_path: Path) -> World:
    return World(server, tmp_path, KRYPTO_BINANCEUS_API_KEY=KEY, KRYPTO_BINANCEUS_API_SECRET=SECRET)


def run_until(world: World, path: Path, *lines: str) -> str:
    with world.run("-c", path) as running:
        for line in lines:
            running.wait_for(line)
        running.stop_with(signal.SIGINT)
        return running.out


@pytest.mark.spec("a bot that lost the end of its log has its position back, and sells it once", section="Recovery")
def test_bot_that_lost_its_purchase_has_it_back_and_sells_it_once(
    world: World, server: ServerProcess, tmp_path: Path
) -> None:
    path, state = bot_file(tmp_path, **LIVE), tmp_path / "state"
    run_until(world, path, "Bought lot 1", "Sell order 2")
    cut(state, after="order_requested")
    refused = world.krypto("run", "-c", path)
    assert refused.code == 6
    assert f"krypto-engine recover --state-dir {state}" in refused.err

    asked = world.krypto("recover", "--state-dir", state)
    assert (asked.code, asked.err) == (7, ""), asked
    assert "0 BTC before" in asked.out
    assert "Order 2: sell 0.00198 BTC at" in asked.out
    assert "for lot 1, open, 0 filled" in asked.out
    assert "1 booked that the log did not hold" in asked.out
    waiting = world.krypto("run", "-c", path)
    assert waiting.code == 7
    assert "krypto-engine recover" in waiting.err

    shown = asked.out.partition("known until")[2].partition("not confirmed")[0]
    yes = world.krypto("recover", "bot", "--yes", "-c", path)
    assert (yes.code, yes.err) == (0, ""), yes
    assert shown in yes.out, "the same is shown as before the no"
    assert len(server.ledger()["orders"]) == 2, "a recovery sends nothing"
    server.control("price", {"symbol": "BTCUSD", "price": "52000"})
    run_until(world, path, "BTC of lot 1 at", "drift 0")
    names = [states[-1]["wish"]["client_order_id"] for states in server.ledger()["orders"]]
    assert len(names) == len(set(names))
    proof = krypto("replay", "bot", "--verify", "--redecide", "--state-dir", state)
    assert (proof.code, proof.err) == (0, ""), proof
    results = (refused, asked, waiting, yes, proof)
    told = {f"result {at}": (each.out + each.err).encode() for at, each in enumerate(results)}
    assert finds(told | below(state), (KEY, SECRET)) == []


def test_recover_of_a_live_bot_without_keys_or_exchange_says_which(
    world: World, server: ServerProcess, tmp_path: Path
) -> None:
    path, state = bot_file(tmp_path, **LIVE), tmp_path / "state"
    run_until(world, path, "Bought lot 1", "Sell order 2")
    cut(state, after="order_filled")
    keyless = World(server, tmp_path).krypto("recover", "--yes", "--state-dir", state)
    assert keyless.code == 4, keyless
    assert len(keyless.err.splitlines()) == 1
    server.control("faults", [{"kind": "status", "on": "GET /api/v3/openOrders*", "times": None}])
    deaf = world.krypto("recover", "--yes", "--state-dir", state)
    assert deaf.code == 5, deaf
    assert len(deaf.err.splitlines()) == 1
    assert world.krypto("run", "-c", path).code == 7
    server.control("faults", method="DELETE")
    assert world.krypto("recover", "--yes", "--state-dir", state).code == 0
