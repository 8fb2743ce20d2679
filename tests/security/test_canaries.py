"""Canaries as the keys of real runs: the program trades and fails in every way, and no byte of what it leaves has them.

The search itself is tested on planted leaks, because a search that finds nothing proves nothing.
"""

import base64
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from engine.exchanges.faults import Scrubber
from tests.cli.outside_world import World
from tests.cli.terminal import Result, bot_file, krypto
from tests.exchange_server.faults import Fault
from tests.exchange_server.process import ServerProcess, server_process
from tests.live.harness import ALWAYS, live_script
from tests.live.recovery import cut
from tests.security.scanner import PART, below, finds, spellings

SPEC = pytest.mark.spec
API_KEY = "kCANARYq7Zx9Wv3LmTnRb8PcYg2KdFwQzXvB"
API_SECRET = "sCANARYh4/Tn+5=Rb&8PcYg2KdFwQzXvBnMa"
PASSPHRASE = "pCANARYd6/Yg+2=Kd&FwQzXvBnMaHjLk7RtE"
CANARIES = (API_KEY, API_SECRET, PASSPHRASE)
ENVIRONMENT = {
    "KRYPTO_BINANCEUS_API_KEY": API_KEY,
    "KRYPTO_BINANCEUS_API_SECRET": API_SECRET,
    "KRYPTO_BINANCEUS_PASSPHRASE": PASSPHRASE,
}
LIVE: dict[str, Any] = {"paper_trading": False, "live": True, "budget": 1000}
ECHOES = (
    f"nothing for {API_KEY} signed {API_SECRET}",
    f"signature={quote(API_SECRET, safe='')} key {API_KEY.encode().hex()} {API_SECRET.encode().hex().upper()}",
    *(base64.b64encode(b"x" * at + API_SECRET.encode() + b"y").decode() for at in range(3)),
    "x" * (200 - PART - 4) + API_KEY,
    f'{{"password":"{PASSPHRASE}"}} https://api.binance.us/api/v3/order?apiKey={quote(API_KEY)}',
)
"""What an exchange says that repeats what it was sent, and more than it can know."""


def test_scanner_finds_a_canary_in_every_spelling_and_not_in_honest_text() -> None:
    for canary in CANARIES:
        raw = canary.encode()
        planted = [raw, raw.hex().encode(), raw.hex().upper().encode(), quote(canary, safe="").encode()]
        planted += [quote(canary, safe="").lower().encode()] if canary.islower() else []
        planted += [json.dumps({"a": canary}).encode(), json.dumps(json.dumps({"a": canary + '"'})).encode()]
        planted += [base64.b64encode(b"x" * at + raw + b"y" * at) for at in range(3)]
        planted += [base64.urlsafe_b64encode(b"x" * at + raw) for at in range(3)]
        planted += [raw[5 : 5 + PART], *spellings(canary)]
        for leak in planted:
            assert finds({"x": b"before" + leak + b"after"}, CANARIES), leak
    assert finds({"x": b"kCAN... was used, and api keys stay secret"}, CANARIES) == []


@pytest.mark.parametrize("place", ["state/events.db", "state/bot_state_bot.json", "deep/er/file"])
def test_scanner_finds_a_leak_in_any_file_below_a_folder(tmp_path: Path, place: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\0\xff" + API_SECRET.encode() + b"\0")
    assert [find.split()[0] for find in finds(below(tmp_path), CANARIES)][:1] == [place]


@pytest.mark.parametrize("echo", ECHOES)
def test_text_of_an_exchange_that_echoes_keys_is_told_without_them(echo: str) -> None:
    told = Scrubber(*CANARIES)(echo)
    assert finds({"told": told.encode()}, CANARIES) == []


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """Have the exchange, with an account whose keys are the canaries."""
    folder = tmp_path / "exchange"
    folder.mkdir()
    with server_process(live_script(account={"api_key": API_KEY, "secret": API_SECRET}), folder) as process:
        yield process


def _bot(folder: Path, name: str = "bot0", **changes: Any) -> Path:
    keys: dict[str, Any] = {
        "exchange": "binance_us",
        "market": None,
        "check_interval": 1,
        "timeframe": "1m",
        "profit_target": 0.01,
        "sell_order_type": "limit",
        "connectivity_check_interval": 2,
        "strategy_params": {"amount_usd": 100, "indicators": ALWAYS},
        **changes,
    }
    return bot_file(folder, name, **keys)


def _refuse_orders(server: ServerProcess) -> None:
    """Have the exchange refuse the first orders, and say with what keys they were signed."""
    orders = [Fault("error", code=-2010, message=echo, status=400, when="before") for echo in ECHOES]
    server.control("faults", orders)


def _lie_of_the_account(server: ServerProcess) -> None:
    """Have the exchange refuse, echo and cut whatever else is asked."""
    looks = [
        Fault("error", on="GET /api/v3/time", code=-1, message=ECHOES[2], status=503),
        Fault("error", on="GET /api/v3/account", code=-1000, message=ECHOES[0], status=500),
        Fault("error", on="GET /api/v3/order", code=-2015, message=ECHOES[1], status=401),
        Fault("cut", on="GET /api/v3/myTrades"),
        Fault("html", on="GET /api/v3/openOrders"),
        Fault("drop"),
    ]
    server.control("faults", looks)


class Told(dict[str, bytes]):
    """All that commands printed, by the name that was given to each."""

    def keep(self, name: str, result: Result) -> Result:
        """Keep what a command printed, and give it back."""
        assert f"{name} out" not in self
        self[f"{name} out"], self[f"{name} err"] = result.out.encode(), result.err.encode()
        return result

    def does(self, name: str, *arguments: object, by: World | None = None, code: int = 0) -> None:
        """Give a verb, in this process or in one that sees a world; keep what it prints, with tracebacks."""
        given = krypto if by is None else by.krypto
        result = self.keep(name, given("-v", *arguments))
        assert result.code == code, result


@SPEC("planted keys stand in no byte of output, log, state file or reply, in any spelling", section="Secrets in output")
def test_canary_keys_are_nowhere_after_runs_that_fail_in_every_way(server: ServerProcess, tmp_path: Path) -> None:
    world, told = World(server, tmp_path, **ENVIRONMENT), Told()
    keep, state = told.keep, ("--state-dir", tmp_path / "state")

    def look(name: str, *arguments: object, code: int = 0) -> None:
        assert keep(name, krypto(*arguments, *state)).code == code

    _refuse_orders(server)
    bots = [part for number in range(len(ECHOES) + 1) for part in ("-c", _bot(tmp_path, f"bot{number}", **LIVE))]
    with world.run(*bots) as running:  # each is told an echo, but the last one buys; then killed with the WAL open
        running.wait_for("Bought lot 1")
        _lie_of_the_account(server)
        running.wait_for("Connectivity check failed")
        look("pause", "pause", "bot0")
        look("resume", "resume", "bot0", "--json")
        look("control refused", "pause", "nobody", code=2)
        running.process.kill()
        keep("killed run", running.end())
    told |= {f"after the kill: {name}": data for name, data in below(tmp_path / "state").items()}
    with world.run("-c", _bot(tmp_path, **LIVE), "--json") as running:
        running.wait_for("session_started")
        running.stop_with(signal.SIGINT)
        keep("json run", running.end())
    server.control("faults", method="DELETE")
    server.control("key", {"revoked": True})
    for verbose in (False, True):
        flags = ["-v"] if verbose else []
        fresh = _bot(tmp_path, "fresh", state_dir=str(tmp_path / "fresh"), **LIVE)
        wrong = keep(f"refused {flags}", world.krypto(*flags, "run", "-c", fresh, "--for", "60s"))
        assert wrong.code == 4, wrong
        assert wrong.err.startswith("Traceback" if verbose else "Error: ")
    keep("doctor", world.krypto("-v", "doctor", "-c", _bot(tmp_path, **LIVE)))
    keep("check", world.krypto("-v", "credentials", "check", "binanceus"))
    server.control("key", {})
    assert keep("doctor json", world.krypto("doctor", "-c", _bot(tmp_path, **LIVE), "--json")).code == 0
    assert keep("check json", world.krypto("credentials", "check", "binanceus", "--json")).code == 0
    assert keep("list", world.krypto("credentials", "list", "--json")).code == 0
    for name, arguments in {
        "inspect": ("inspect-state",),
        "inspect json": ("inspect-state", "--json"),
        "replay": ("replay", "bot0"),
        "replay json": ("replay", "bot0", "--json"),
        "replay events": ("replay", "bot0", "--events"),
        "verify json": ("verify", "--json"),
        "redecide": ("replay", "bot0", "--verify", "--redecide", "--json"),
    }.items():
        look(name, *arguments)
    paper = _bot(tmp_path, "paper", paper_trading=True)
    assert keep("paper", world.krypto("run", "-c", paper, "--for", "2s")).code == 0
    _judge(told, tmp_path)


@SPEC(
    "planted keys stand in no byte of what commands, backups and recoveries print or write", section="Secrets in output"
)
def test_canary_keys_are_nowhere_after_commands_backups_and_recoveries(
    server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, canary in ENVIRONMENT.items():
        monkeypatch.setenv(name, canary)
    world, told, path = World(server, tmp_path), Told(), _bot(tmp_path, **LIVE)
    state, other = ("--state-dir", tmp_path / "state"), ("--state-dir", tmp_path / "other")

    with world.run("-c", path) as running:
        running.wait_for("Sell order 2")
        told.does("backup", "backup", *state, tmp_path / "backups")
        for verb in ("kill", "revive", "flatten"):
            told.does(verb, verb, "bot0", *state)
        told.does("stop", "stop", *state)
        assert told.keep("stopped run", running.end()).code == 0
    cut(tmp_path / "state", after="order_requested")
    told |= {f"cut: {name}": data for name, data in below(tmp_path / "state").items()}
    _lie_of_the_account(server)  # the engine says with a traceback (-v) what it was told, and exits with 5
    told.does("recover told lies", "recover", "--yes", *state, by=world, code=5)
    assert b"code -1 (<hidden>" in told["recover told lies err"]  # so the echo got there, and no other fault ended it
    server.control("faults", method="DELETE")
    told.does("recover asked", "recover", "--json", *state, by=world, code=7)
    told.does("recover", "recover", "bot0", "--yes", "-c", path, by=world)
    (made,) = (tmp_path / "backups").iterdir()
    told.does("restore", "restore", made, *other)
    told.does("recover restored", "recover", "--yes", "--backup", made, *other, by=world)
    told.does("backup json", "backup", *other, "--json")
    worlds = ("--seeds", "1", "--schedules", "20", "--jobs", "1", "--record", tmp_path / "worlds.jsonl")
    told.does("prove", "prove", *worlds, by=world)
    left = {name: data for name, data in below(tmp_path).items() if not name.startswith("exchange/")}
    kinds = {"state/quarantine", "backups", "other/backups", "worlds.jsonl", "other/events.db"}
    assert {kind for kind in kinds if any(name.startswith(kind) for name in left)} == kinds
    assert finds(told | left, CANARIES) == []


def _judge(told: dict[str, bytes], folder: Path) -> None:
    left = {name: data for name, data in below(folder).items() if not name.startswith("exchange/")}
    assert {"state/events.db", "state/events.head"} <= left.keys()
    assert any(name.startswith("state/bot_state_bot") for name in left)
    with closing(sqlite3.connect(folder / "state" / "events.db")) as connection:
        rejected = connection.execute("SELECT count(*) FROM event WHERE tag = 'order_rejected'").fetchone()
    assert rejected == (len(ECHOES),)
    assert any(b"<hidden>" in data for name, data in told.items() if name.startswith("after the kill"))
    assert finds(told | left, CANARIES) == []


@SPEC("core dumps are off and nobody looks into a process that holds keys", section="Secrets in memory")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what is asked for is Linux's own")
def test_process_of_a_live_run_can_neither_be_dumped_nor_looked_into(server: ServerProcess, tmp_path: Path) -> None:
    path = _bot(tmp_path, paper_trading=False, live=True, budget=1000)
    with World(server, tmp_path, **ENVIRONMENT).run("-c", path) as running:
        running.wait_for("live trading")
        process = Path(f"/proc/{running.process.pid}")
        cores = next(line for line in (process / "limits").read_text().splitlines() if line.startswith("Max core"))
        assert cores.split()[4:6] == ["0", "0"]
        if os.geteuid():  # an undumpable process belongs to root there, one of root in any case (see test_lockdown)
            assert (process / "environ").stat().st_uid == 0
        running.stop_with(signal.SIGINT)
