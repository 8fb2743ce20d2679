"""A newcomer's first minute with a real exchange's name: the real host names, on this machine, in a real process."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.outside_world import World
from tests.cli.terminal import Result, bot_file, krypto
from tests.credentials.canaries import spellings
from tests.exchange_server.process import ServerProcess, server_process
from tests.live.harness import ALWAYS, live_script

API_KEY, API_SECRET = "kCANARYq7Zx9Wv3LmTnRb8Pc", "sCANARYh4Tn5Rb8PcYg2KdFw"
EAGER: dict[str, Any] = {
    "exchange": "binance_us",
    "market": None,
    "check_interval": 1,
    "timeframe": "1m",
    "profit_target": 0.01,
    "sell_order_type": "limit",
    "strategy_params": {"amount_usd": 100, "indicators": ALWAYS},
    "connectivity_hosts": None,
}
"""Changes after which a bot buys at its first price, on Binance.US itself: no endpoint is named."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """Have the exchange, with an account whose key is like no other text."""
    folder = tmp_path / "exchange"
    folder.mkdir()
    with server_process(live_script(account={"api_key": API_KEY, "secret": API_SECRET}), folder) as process:
        yield process


def _run_until(world: World, path: Path, *lines: str) -> Result:
    """Run a bot until it said all this, one after the other, and stop it as a person would."""
    with world.run("-c", path) as running:
        for line in lines:
            running.wait_for(line)
        code, _ = running.stop_with(signal.SIGINT)
        end = running.end()
    assert code == end.code == 130, end
    assert end.err == ""
    return end


def _check_log(state: Path) -> None:
    assert krypto("verify", "--state-dir", state).out.startswith("sound")
    result = krypto("replay", "bot", "--verify", "--redecide", "--state-dir", state)
    assert (result.code, result.err) == (0, ""), result
    assert "identical" in result.out


@pytest.mark.spec("paper trading on a real exchange needs its name and nothing else", section="Identity")
def test_paper_bot_of_a_real_exchange_trades_and_ends_in_order(server: ServerProcess, tmp_path: Path) -> None:
    world = World(server, tmp_path)
    path = bot_file(tmp_path, paper_trading=True, **EAGER)
    end = _run_until(world, path, "paper trading", "Connectivity check passed", "Bought lot 1", "Sell order 2")
    assert world.names == {"api.binance.us", "stream.binance.us"}
    assert "State saved" in end.out
    assert server.ledger()["orders"] == []
    _check_log(tmp_path / "state")


@pytest.mark.spec(
    "a live bot shows its keys neither in output nor in log or state files", section="Files and interfaces"
)
def test_live_bot_of_a_real_exchange_trades_and_shows_its_keys_nowhere(server: ServerProcess, tmp_path: Path) -> None:
    world = World(server, tmp_path, KRYPTO_BINANCEUS_API_KEY=API_KEY, KRYPTO_BINANCEUS_API_SECRET=API_SECRET)
    path = bot_file(tmp_path, paper_trading=False, live=True, budget=1000, **EAGER)
    end = _run_until(world, path, "live trading", "Bought lot 1", "Sell order 2")
    assert world.names <= {"api.binance.us", "stream.binance.us", "ws-api.binance.us"}
    assert len(server.ledger()["orders"]) >= 2
    _check_log(tmp_path / "state")
    files = [file.read_text("latin-1") for file in (tmp_path / "state").rglob("*") if file.is_file()]
    assert len(files) > 2
    told = [end.out, end.err, krypto("replay", "bot", "--events", "--state-dir", tmp_path / "state").out]
    wanted = {*spellings(API_KEY), *spellings(API_SECRET), API_KEY[:8], API_SECRET[:8]}
    assert [spelling for text in [*files, *told] for spelling in wanted if spelling in text] == []


@pytest.mark.spec("a live bot goes on where its log ends, under the real names too", section="Identity")
def test_live_bot_started_again_goes_on_with_its_lot(server: ServerProcess, tmp_path: Path) -> None:
    world = World(server, tmp_path, KRYPTO_BINANCE_US_API_KEY=API_KEY, KRYPTO_BINANCE_US_API_SECRET=API_SECRET)
    params = {**EAGER["strategy_params"], "max_price": 55_000}  # nothing is under way when drift is looked for
    changes = {**EAGER, "strategy_params": params}
    path = bot_file(tmp_path, paper_trading=False, live=True, budget=1000, max_open_lots=1, **changes)
    _run_until(world, path, "Bought lot 1", "Sell order 2")
    server.control("price", {"symbol": "BTCUSD", "price": "60000"})
    end = _run_until(world, path, "BTC of lot 1 at", "1 trade while away, drift 0")
    assert "Bought lot 1" not in end.out
    _check_log(tmp_path / "state")
