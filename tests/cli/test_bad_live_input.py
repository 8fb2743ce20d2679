"""Bad input for live trading: one sentence with key, value and remedy, the right exit code, and nothing lost."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cli.main import cli
from cli.options import Outside
from engine.runtime.connections import Wiring
from tests.cli.terminal import EAGER, Result, bot_file, bytes_below, krypto, refused
from tests.exchange_server.process import ServerProcess, server_process
from tests.exchange_server.script import AccountScript, Fixed, MarketScript
from tests.live.harness import ALWAYS, live_script

SPEC = pytest.mark.spec
LIVE: dict[str, Any] = {"exchange": "binance_us", "paper_trading": False, "live": True, "budget": 1000, "market": None}


# --- what the file alone shows


def _endpoint(address: str) -> dict[str, Any]:
    return {"market": {"endpoint": address}}


ALONE: list[Any] = [
    pytest.param({"exchange": "krakn"}, ["exchange", "'krakn'", "did you mean kraken?"], id="near an exchange"),
    pytest.param({"exchange": "binance_uss"}, ["'binance_uss'", "did you mean binanceus"], id="near an alias"),
    pytest.param({"exchange": "nowhere"}, ["exchange", "'nowhere'", "binanceus", "kraken"], id="like no exchange"),
    pytest.param({"exchange": "bitstamp"}, ["'bitstamp'", "paper trading only", "kraken"], id="on paper only"),
    pytest.param({"budget": None}, ["budget", "missing", "budget: 500"], id="no budget"),
    pytest.param({"budget": 50}, ["budget", "50", "amount_usd (100)"], id="budget under one purchase"),
    pytest.param({"paper_trading": True}, ["live is true", "paper_trading is true"], id="both"),
    pytest.param({"live": None}, ["paper_trading is false", "live is false", "live: true"], id="neither"),
    pytest.param({"exchange": "simulated"}, ["live", "'simulated'", "real exchange"], id="nothing real"),
    pytest.param({"account": "My Account"}, ["account", "My Account", "a-z"], id="account that is no name"),
    pytest.param(
        {"exchange": "coinbase", "buy_order_type": "market"},
        ["buy_order_type", "'market'", "coinbase", "'limit'"],
        id="market buys where there are none",
    ),
    pytest.param(
        {"exchange": "gate", "buy_order_type": "trailing_market"}, ["buy_order_type", "gate"], id="trailing market buys"
    ),
    pytest.param(_endpoint("https://evil.example"), ["market.endpoint", "evil.example", "this machine"], id="far"),
    pytest.param(_endpoint("http://10.0.0.1:8600"), ["market.endpoint", "10.0.0.1", "127.0.0.1:8600"], id="near by"),
    pytest.param(_endpoint("http://127.0.0.1"), ["market.endpoint", "127.0.0.1:8600"], id="no port"),
    pytest.param(_endpoint("http://127.0.0.1.evil.example:80"), ["market.endpoint", "this machine"], id="look-alike"),
    pytest.param(
        _endpoint("http://me:hunter2@127.0.0.1:80"), ["market.endpoint", "this machine"], id="with a password"
    ),
    pytest.param({"market": {"endpont": "x"}}, ["market.endpont", "did you mean endpoint?"], id="misspelt endpoint"),
    pytest.param({"api_secret": "hunter2"}, ["api_secret", "secret", "remove"], id="secret in the file"),
]


@SPEC("a configuration for real money that is not clearly right is refused", section="Identity")
@pytest.mark.parametrize(("changes", "words"), ALONE)
def test_live_config_that_cannot_be_is_refused(
    standing: Path, tmp_path: Path, changes: dict[str, Any], words: list[str]
) -> None:
    keys = {**LIVE, "buy_order_type": "limit", "state_dir": str(standing / "state"), **changes}
    result = refused(standing, bot_file(tmp_path, **keys), *words)
    assert "hunter2" not in result.err


@pytest.mark.parametrize("speed", ["1", "max"])
def test_speed_of_a_real_exchange_is_no_option(tmp_path: Path, speed: str) -> None:
    result = krypto("run", "-c", bot_file(tmp_path, **LIVE), "--speed", speed)
    assert result.code == 2
    assert [word for word in ("--speed", "binanceus", "leave it out") if word not in result.err] == []
    assert not (tmp_path / "state").exists()


# --- what the exchange shows


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Have an exchange with a market that takes limit orders only; these tests change nothing in it."""
    script = live_script()
    limits = MarketScript("SOL", "USD", Fixed(Decimal(100)), order_types=("LIMIT", "LIMIT_MAKER"))
    poor = AccountScript("poor", "poorkey", "poorsecret", {"USD": Decimal(50)})
    mute = AccountScript("mute", "mutekey", "mutesecret", {"USD": Decimal(5000)}, may_trade=False)
    script = replace(script, markets=(*script.markets, limits), accounts=(*script.accounts, poor, mute))
    with server_process(script, tmp_path_factory.mktemp("exchange")) as process:
        yield process


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have good keys in the environment, and no pauses between requests."""
    _keys(monkeypatch, "localkey", "localsecret")
    monkeypatch.setitem(cli.context_settings, "obj", Outside(wiring=Wiring(is_paced=False, timeout_ms=5_000)))


def _keys(monkeypatch: pytest.MonkeyPatch, api_key: str, secret: str) -> None:
    for name, value in (("KEY", api_key), ("SECRET", secret)):
        monkeypatch.setenv(f"KRYPTO_BINANCEUS_API_{name}", value)


def _bot(folder: Path, server: ServerProcess, **changes: Any) -> Path:
    params = {**EAGER, "indicators": ALWAYS, **changes.pop("strategy_params", {})}
    market = {"endpoint": f"http://127.0.0.1:{server.port}"}
    keys = {**LIVE, "check_interval": 1, "timeframe": "1m", "market": market, **changes}
    return bot_file(folder, **keys, strategy_params=params)


def _is_sound(folder: Path) -> bool:
    """Tell whether what the log holds is sound and decides again to the same; a log without events is."""
    state = ("--state-dir", folder / "state")
    if krypto("verify", *state).out.startswith("sound  0 events"):
        return True
    return krypto("verify", *state).code == krypto("replay", "bot", "--redecide", *state).code == 0


def _ends(folder: Path, path: Path, *words: str, code: int = 4) -> Result:
    """Run a bot that cannot start; check the sentence, the code and the log."""
    result = krypto("run", "-c", path, "--for", "60s")
    assert result.code == code, result
    assert result.err.startswith("Error: ")
    assert len(result.err.splitlines()) == 1
    assert [word for word in words if word not in result.err] == [], result.err
    assert _is_sound(folder)
    return result


@SPEC("a bot that its exchange cannot serve is refused at its start, with key, value and remedy", section="Identity")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"symbol": "BTC/USDX"}, ["symbol is 'BTC/USDX'", "did you mean BTC/USD"], id="symbol"),
        pytest.param({"symbol": "XYZ/EUR"}, ["symbol is 'XYZ/EUR'", "such as BTC/USD"], id="symbol like no other"),
        pytest.param(
            {"symbol": "SOL/USD", "buy_order_type": "limit", "sell_order_type": "trailing_market"},
            ["bot: sell_order_type is 'trailing_market'", "SOL/USD", "'limit' or 'trailing_limit'"],
            id="kind of order",
        ),
        pytest.param({"budget": 900_000}, ["budget", "$900,000.00", "lower the budgets"], id="more than there is"),
    ],
)
@pytest.mark.parametrize("verb", ["run", "doctor"])
def test_live_bot_that_its_exchange_cannot_serve_is_refused(
    server: ServerProcess, tmp_path: Path, verb: str, changes: dict[str, Any], words: list[str]
) -> None:
    path = _bot(tmp_path, server, **changes)
    if verb == "run":
        _ends(tmp_path, path, *words)
        return
    result = krypto("doctor", "-c", path)
    text = " ".join(result.out.split())
    assert result.code == 4
    assert [word for word in words if word.removeprefix("bot: ") not in text] == []


@pytest.mark.parametrize(
    ("api_key", "secret", "words"),
    [
        pytest.param("", "", ["no keys for binanceus", "krypto-engine credentials set binanceus"], id="none"),
        pytest.param("localkey", "", ["API key but no API secret", "binanceus", "give both"], id="no secret"),
        pytest.param("", "localsecret", ["API secret but no API key", "give both"], id="no key"),
        pytest.param("local key", "localsecret", ["API key of binanceus", "copy it again"], id="blank in the key"),
        pytest.param("nobodyskey", "localsecret", ["refuses the API key", "-2015"], id="unknown key"),
        pytest.param("localkey", "othersecret", ["refuses the API key", "-1022"], id="wrong secret"),
        pytest.param("mutekey", "mutesecret", ["may not trade", "allow spot trading"], id="key that may not trade"),
        pytest.param(
            "poorkey", "poorsecret", ["budget", "$1,000.00", "has $50.00", "add money"], id="too little money"
        ),
    ],
)
def test_live_bot_with_wrong_keys_is_refused(
    server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api_key: str, secret: str, words: list[str]
) -> None:
    _keys(monkeypatch, api_key, secret)
    result = _ends(tmp_path, _bot(tmp_path, server), *words)
    assert [each for each in (api_key, secret) if each and each in result.out + result.err] == []


@SPEC("a log that traded on paper is never continued live, nor the reverse", section="Identity")
@pytest.mark.parametrize("first", ["paper", "live"])
def test_log_of_one_mode_continued_in_the_other_is_refused_and_kept(
    server: ServerProcess, tmp_path: Path, first: str
) -> None:
    modes = {"paper": {"paper_trading": True, "live": False}, "live": {}}
    second = "live" if first == "paper" else "paper"
    assert krypto("run", "-c", _bot(tmp_path, server, **modes[first]), "--for", "2s").code == 0
    before = krypto("replay", "bot", "--events", "--state-dir", tmp_path / "state").out
    states = {name: data for name, data in bytes_below(tmp_path / "state").items() if name.startswith("bot_state")}
    path = _bot(tmp_path, server, **modes[second])
    _ends(tmp_path, path, "never continued live", "another bot_id")
    assert krypto("replay", "bot", "--events", "--state-dir", tmp_path / "state").out == before
    assert states.items() <= bytes_below(tmp_path / "state").items()
    assert "never continued live" in " ".join(krypto("doctor", "-c", path).out.split())


@SPEC("a purchase under the exchange's minimum is not sent; the log says why, and once", section="Money")
@pytest.mark.parametrize("mode", [{}, {"paper_trading": True, "live": False}], ids=["live", "paper"])
def test_purchase_under_the_minimum_is_refused_with_its_reason(
    server: ServerProcess, tmp_path: Path, mode: dict[str, Any]
) -> None:
    orders = len(server.ledger()["orders"])
    path = _bot(tmp_path, server, strategy_params={"amount_usd": 5}, **mode)
    result = krypto("run", "-c", path, "--for", "4s")
    assert (result.code, result.err) == (0, "")
    told = [line for line in result.lines if "No purchase" in line]
    assert len(told) == 1, result.out
    assert "amount_usd 5 buys less than the exchange takes (at least 10 USD and 0.00001 BTC): raise it" in told[0]
    assert len(server.ledger()["orders"]) == orders
    assert _is_sound(tmp_path)
    found = krypto("doctor", "-c", path)
    assert found.code == 4
    assert "raise it to 11 or more" in " ".join(found.out.split())
