"""The verb `doctor`: what it finds on this machine, in a log, and at a local exchange; it changes nothing."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cli.main import cli
from cli.options import Outside
from engine.core.events import OrdersSurveyed
from engine.runtime.connections import Wiring
from tests.cli.outside_world import World
from tests.cli.tampering import CUT, alter, observe
from tests.cli.terminal import LIVELY, bot_file, bytes_below, krypto, run_lively
from tests.exchange_server.process import ROOT, ServerProcess, server_process
from tests.exchange_server.script import AccountScript, Fixed, MarketScript, Script
from tests.live.harness import live_script

SPEC = pytest.mark.spec
KEYS = {"KRYPTO_BINANCEUS_API_KEY": "localkey", "KRYPTO_BINANCEUS_API_SECRET": "localsecret"}
LIVE: dict[str, Any] = {
    "exchange": "binance_us",
    "paper_trading": False,
    "live": True,
    "budget": 1000,
    "timeframe": "1m",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Have one exchange for all these tests; whoever changes it changes it back."""
    rich, other = live_script().accounts[0], AccountScript("other", "otherkey", "othersecret", {})
    with server_process(replace(live_script(), accounts=(rich, other)), tmp_path_factory.mktemp("exchange")) as process:
        yield process


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the keys in the environment, and no pauses between requests."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(cli.context_settings, "obj", Outside(wiring=Wiring(is_paced=False, timeout_ms=5_000)))


def _bot(folder: Path, server: ServerProcess | int, bot: str = "bot", **changes: Any) -> Path:
    port = server if isinstance(server, int) else server.port
    (folder / "state").mkdir(mode=0o700, exist_ok=True)
    return bot_file(folder, bot, **{**LIVE, "market": {"endpoint": f"http://127.0.0.1:{port}"}, **changes})


def _doctor(*paths: Path, code: int = 0) -> dict[str, Any]:
    """Run doctor in JSON; give what is wrong by check, and the calls as `calls`.

    What the tests themselves lie on, a disk, memory or a container, is left out: tests/runtime/test_checks.py has it.
    """
    arguments = [part for path in paths for part in ("-c", path)]
    result = krypto("doctor", *arguments, "--json")
    assert (result.code, result.err) == (code, ""), result
    assert result.json["exit_code"] == code
    bad = {
        each["check"]: each
        for section in result.json["sections"]
        for each in section["findings"]
        if each["level"] in {"warning", "fault"} and each["check"] not in {"filesystem", "disk"}
    }
    return {**bad, "calls": result.json["calls"]}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


# --- without an exchange


@SPEC("the check-up of a paper bot asks nobody and changes nothing", section="Files and interfaces")
def test_doctor_of_a_paper_bot_looks_at_its_directory_and_asks_nobody(copied: Path) -> None:
    before = bytes_below(copied / "state")
    result = krypto("doctor", "-c", copied / "bot.yml")
    assert (result.code, result.err) == (0, "")
    assert before.items() <= bytes_below(copied / "state").items()
    for words in (
        "4.5.90",
        "yours alone",
        "free where",
        "lock",
        "events.db opens",
        "events.head agrees",
        "goes on where",
    ):
        assert words in result.out
    assert "asked of exchanges" not in result.out
    assert "exchange " not in result.out
    assert max(len(line) for line in result.lines if "/" not in line) <= 80


def test_doctor_without_arguments_looks_at_the_usual_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = krypto("doctor")
    assert result.code == 0
    assert "does not exist yet" in result.out
    assert list(tmp_path.iterdir()) == []


def test_doctor_tells_open_files_and_a_missing_witness(copied: Path) -> None:
    state = copied / "state"
    state.chmod(0o755)
    (state / "events.db").chmod(0o644)
    (state / "events.head").unlink()
    assert set(_doctor(copied / "bot.yml")) == {"directory", "files", "witness", "calls"}


def test_doctor_of_a_damaged_log_ends_with_6(copied: Path) -> None:
    (copied / "state" / "events.db").write_bytes(b"this is no database" * 1000)
    assert _doctor(copied / "bot.yml", code=6)["log"]["exit_code"] == 6


def test_doctor_of_a_log_whose_end_is_lost_ends_with_6(copied: Path, tmp_path: Path) -> None:
    state = copied / "state"
    shutil.copy(state / "events.db", tmp_path / "old.db")
    assert krypto("run", "-c", bot_file(copied, **LIVELY), "--speed", "max", "--for", "30m").code == 0
    for name in ("events.db-wal", "events.db-shm"):
        (state / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "old.db", state / "events.db")
    assert "lost its end" in _doctor(copied / "bot.yml", code=6)["log"]["text"]


def test_doctor_of_a_log_whose_recovery_nobody_confirmed_ends_with_7_as_a_run_does(copied: Path) -> None:
    alter(copied, CUT)
    assert krypto("recover", "--state-dir", copied / "state").code == 7
    assert run_lively(copied) == 7
    found = _doctor(copied / "bot.yml", code=7)["recovery"]
    assert found["text"].startswith("bot: recovery not confirmed (rows 401 to ")
    assert found["remedy"] == f"krypto-engine recover --state-dir {copied / 'state'}"
    assert krypto("recover", "--yes", "--state-dir", copied / "state").code == 0
    assert "recovery" not in _doctor(copied / "bot.yml")


def test_doctor_of_a_halted_bot_says_how_to_go_on(copied: Path) -> None:
    observe(copied, OrdersSurveyed(("k0a1b2c3d4e0000099",)))
    found = _doctor(copied / "bot.yml")["halted"]
    assert "an operator must decide about orders of this log" in found["text"]
    assert f"krypto-engine recover --state-dir {copied / 'state'}" in found["remedy"]


def test_doctor_of_a_linked_log_ends_with_4(copied: Path, tmp_path: Path) -> None:
    shutil.move(copied / "state" / "events.head", tmp_path / "elsewhere")
    (copied / "state" / "events.head").symlink_to(tmp_path / "elsewhere")
    assert "symbolic link" in _doctor(copied / "bot.yml", code=4)["files"]["text"]


def test_doctor_beside_a_running_engine_only_notes_it(server: ServerProcess, tmp_path: Path) -> None:
    path = bot_file(tmp_path)
    with World(server, tmp_path).run("-c", path) as engine:
        engine.wait_for("Session started")
        result = krypto("doctor", "-c", path)
        assert result.code == 0, result.out
        assert f"process {engine.process.pid}" in result.out
        assert krypto("stop", "--state-dir", tmp_path / "state").code == 0
    assert "held it last" in krypto("doctor", "-c", path).out


def test_doctor_of_faulty_and_sound_configurations_checks_both(tmp_path: Path, copied: Path) -> None:
    path = bot_file(tmp_path, "other", exchange="krakn")
    result = krypto("doctor", "-c", path, "-c", copied / "bot.yml")
    assert result.code == 4
    assert "did you mean kraken?" in " ".join(result.out.split())
    assert "goes on where its log ends" in result.out


def test_doctor_of_two_configurations_that_clash_says_so(tmp_path: Path) -> None:
    one = bot_file(tmp_path)
    (tmp_path / "more").mkdir()
    two = bot_file(tmp_path / "more")
    found = _doctor(one, two, code=4)
    assert found["bot_id"]["exit_code"] == found["state_dir"]["exit_code"] == 4


def test_doctor_of_a_config_that_its_log_forbids_ends_with_4(copied: Path) -> None:
    path = bot_file(copied, **LIVELY, symbol="ETH/USD")
    assert "symbol changed" in _doctor(path, code=4)["log"]["text"]


def test_doctor_tells_what_keeps_a_bot_of_the_log_from_trading(server: ServerProcess, tmp_path: Path) -> None:
    path = bot_file(tmp_path)
    state = ("--state-dir", tmp_path / "state")
    with World(server, tmp_path).run("-c", path) as engine:
        engine.wait_for("Session started")
        assert krypto("pause", *state).code == 0
        assert krypto("kill", *state).code == 0
        assert krypto("stop", *state).code == 0
    result = krypto("doctor", "-c", path)
    assert result.code == 0
    assert [word for word in ("is paused", "the kill switch of bot is engaged") if word not in result.out] == []


@SPEC("without a real exchange the check-up loads no exchange library", section="design: Dependency rule")
def test_doctor_of_a_paper_bot_as_a_process_loads_no_exchange_library(copied: Path) -> None:
    code = "import sys; sys.argv = {!r}\nfrom cli.main import main\ntry: main()\nfinally: print(*sys.modules)"
    arguments = ["krypto-engine", "doctor", "--json", "-c", str(copied / "bot.yml")]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code.format(arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert {"ccxt", "aiohttp"} & set(done.stdout.splitlines()[-1].split()) == set()


# --- with one


@SPEC("the check-up of a live bot asks the exchange five questions and places no order", section="Files and interfaces")
def test_doctor_of_a_sound_live_bot_finds_all_well_and_orders_nothing(server: ServerProcess, tmp_path: Path) -> None:
    orders = server.ledger()["orders"]
    result = krypto("doctor", "-c", _bot(tmp_path, server))
    assert (result.code, result.err) == (0, ""), result
    text = " ".join(result.out.split())
    for words in (
        "binanceus answered in",
        "clock is",
        "is a spot market",
        "can be sold again",
        "may trade",
        "account 'binanceus'",
    ):
        assert words in text
    assert "localkey" not in result.out
    assert "localsecret" not in result.out
    assert _doctor(_bot(tmp_path, server)) == {
        "calls": {"fetch_time": 1, "load_markets": 1, "fetch_ticker": 1, "fetch_balance": 2}
    }
    assert server.ledger()["orders"] == orders
    assert list((tmp_path / "state").iterdir()) == []


def test_doctor_under_the_real_names_asks_only_the_exchange(server: ServerProcess, tmp_path: Path) -> None:
    world = World(server, tmp_path)
    path = _bot(tmp_path, server, market=None)
    result = world.krypto("doctor", "-c", path)
    assert (result.code, result.err) == (0, ""), result
    assert world.names == {"api.binance.us"}


def test_doctor_of_several_bots_shares_what_it_asks(server: ServerProcess, tmp_path: Path) -> None:
    paths = [_bot(tmp_path, server, f"bot-{number}", budget=60_000) for number in range(3)]
    found = _doctor(*paths, code=4)
    assert found["calls"] == {"fetch_time": 1, "load_markets": 1, "fetch_ticker": 1, "fetch_balance": 2}
    assert set(found) == {"budget", "calls"}
    assert "$180,000.00 in all" in found["budget"]["text"]


@pytest.mark.parametrize(
    ("changes", "check", "words"),
    [
        ({"symbol": "BTX/USD"}, "symbol", ["symbol is 'BTX/USD'", "BTC/USD"]),
        ({"strategy_params": {"amount_usd": 5}}, "amount", ["amount_usd is 5", "at least 10 USD"]),
        ({"fees": {"taker": 0.05}}, "fees", ["fees.taker is 0.05", "lists 0.1"]),
    ],
    ids=["symbol", "amount", "fees"],
)
def test_doctor_of_a_bot_that_its_market_does_not_fit(
    server: ServerProcess, tmp_path: Path, changes: dict[str, Any], check: str, words: list[str]
) -> None:
    found = _doctor(_bot(tmp_path, server, **changes), code=0 if check == "fees" else 4)
    assert set(found) == {check, "calls"}
    assert [word for word in words if word not in found[check]["text"]] == []


@pytest.mark.parametrize(("skew_ms", "code"), [(750, 0), (-3_000, 1)], ids=["under a second", "three seconds"])
def test_doctor_of_a_clock_that_is_wrong_says_by_how_much(
    server: ServerProcess, tmp_path: Path, skew_ms: int, code: int
) -> None:
    server.control("clock", {"skew_ms": skew_ms})
    try:
        found = _doctor(_bot(tmp_path, server), code=code)
    finally:
        server.control("clock", {"skew_ms": 0})
    assert found["clock"]["level"] == ("fault" if code else "warning")


def test_doctor_of_a_halted_market_says_so(server: ServerProcess, tmp_path: Path) -> None:
    server.control("market", {"symbol": "BTCUSD", "status": "HALT"})
    try:
        found = _doctor(_bot(tmp_path, server), code=4)
    finally:
        server.control("market", {"symbol": "BTCUSD", "status": "TRADING"})
    assert "does not trade it now" in found["symbol"]["text"]


@SPEC("a key that may withdraw, or may not trade, is refused", section="Identity")
def test_doctor_of_a_key_with_the_wrong_rights_ends_with_4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usdt = {"USDT": live_script().accounts[0].balances["USD"]}
    script = Script(
        markets=(MarketScript("BTC", "USDT", Fixed(Decimal(50_000))),),
        accounts=(
            AccountScript("good", "goodkey", "goodsecret", usdt),
            AccountScript("rich", "richkey", "richsecret", usdt, may_withdraw=True),
            AccountScript("poor", "poorkey", "poorsecret", usdt, may_trade=False),
        ),
    )
    codes = {"good": (0, None), "rich": (4, "may withdraw"), "poor": (4, "may trade")}
    with server_process(script, tmp_path) as server:
        for name, (code, check) in codes.items():
            monkeypatch.setenv(f"KRYPTO_{name.upper()}_API_KEY", f"{name}key")
            monkeypatch.setenv(f"KRYPTO_{name.upper()}_API_SECRET", f"{name}secret")
            path = _bot(tmp_path, server, exchange="binance", symbol="BTC/USDT", account=name)
            assert set(_doctor(path, code=code)) == {"calls", *([check] if check else [])}


def test_doctor_of_a_revoked_key_ends_with_4_and_shows_nothing_of_it(server: ServerProcess, tmp_path: Path) -> None:
    server.control("key", {"revoked": True})
    try:
        result = krypto("doctor", "-c", _bot(tmp_path, server))
    finally:
        server.control("key", {"revoked": False})
    assert result.code == 4
    assert "refuses the API key" in " ".join(result.out.split())
    assert "localkey" not in result.out + result.err


def test_doctor_without_keys_still_checks_the_market(
    server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KRYPTO_BINANCEUS_API_SECRET")
    result = krypto("doctor", "-c", _bot(tmp_path, server))
    text = " ".join(result.out.split())
    assert result.code == 4
    assert "an API key but no API secret for binanceus: give both" in text
    assert "is a spot market of binanceus" in text


@SPEC("an unreachable exchange is one finding and not the end of the check-up", section="Files and interfaces")
def test_doctor_of_an_exchange_that_is_away_ends_with_5(server: ServerProcess, tmp_path: Path) -> None:
    path = _bot(tmp_path, _free_port(), connectivity_hosts=[f"127.0.0.1:{server.port}"])
    assert set(_doctor(path, code=5)) == {"reachable", "calls"}
    here = _bot(
        tmp_path, server, "here", paper_trading=True, live=False, connectivity_hosts=[f"127.0.0.1:{_free_port()}"]
    )
    found = _doctor(path, here, code=5)
    assert set(found) == {"reachable", "internet", "calls"} or set(found) == {"reachable", "calls"}
    assert found["calls"]["fetch_ticker"] == 1


def test_doctor_of_a_log_of_another_account_ends_with_4(
    server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _bot(tmp_path, server, check_interval=1)
    world = World(server, tmp_path)
    with world.run("-c", path) as engine:
        engine.wait_for("Reconciled with the exchange: 0 lots")
        assert krypto("stop", "--state-dir", tmp_path / "state").code == 0
    assert _doctor(path).keys() == {"calls"}
    monkeypatch.setenv("KRYPTO_BINANCEUS_API_KEY", "otherkey")
    monkeypatch.setenv("KRYPTO_BINANCEUS_API_SECRET", "othersecret")
    assert "belongs to another account" in _doctor(path, code=4)["account"]["text"]


def test_doctor_after_a_start_that_was_refused_finds_an_empty_log(
    server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _bot(tmp_path, server)
    monkeypatch.delenv("KRYPTO_BINANCEUS_API_KEY")
    assert krypto("run", "-c", path).code == 4
    assert (tmp_path / "state" / "events.db").exists()
    assert set(_doctor(path, code=4)) == {"keys", "calls"}
