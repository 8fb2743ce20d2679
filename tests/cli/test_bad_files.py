"""Bad files: configurations that are no YAML of ours, market files, secrets, several bots that do not fit together."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import EAGER, bot_file, bytes_below, krypto, refused

HEAD = "exchange: simulated\nsymbol: BTC/USD\n"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
SECRET = "hunter2-do-not-print"

TEXTS: list[Any] = [
    pytest.param("", ["keys and values"], id="nothing"),
    pytest.param("just words", ["keys and values"], id="words"),
    pytest.param("- exchange: simulated", ["keys and values"], id="list"),
    pytest.param(HEAD + "fees: {maker: 0.1", ["line", "YAML"], id="bracket left open"),
    pytest.param(HEAD + "\tname: x", ["line 3", "YAML"], id="tab"),
    pytest.param(HEAD + "name: 'x", ["line", "YAML"], id="quote left open"),
    pytest.param(HEAD + "name: a\n---\nname: b", ["YAML"], id="two documents"),
    pytest.param(HEAD + "name: &n x\ntimeframe: *n", ["aliases"], id="alias"),
    pytest.param(BOMB + HEAD, ["aliases"], id="bomb of aliases"),
    pytest.param(HEAD + "market: " + "{a: " * 40 + "1" + "}" * 40, ["16 levels"], id="too deep"),
    pytest.param(HEAD + "budget: 5\nbudget: 6", ["budget", "twice"], id="key twice"),
    pytest.param(HEAD + "fees:\n  maker: 0.1\n  maker: 0.2", ["maker", "twice"], id="nested key twice"),
    pytest.param(HEAD + "name: !!python/object/apply:os.system [ls]", ["YAML"], id="object"),
    pytest.param(HEAD + "5: 1", ["5"], id="key that is a number"),
    pytest.param(HEAD + "yes: 1", ["True"], id="key that is a truth"),
    pytest.param(HEAD + "null: 1", ["None"], id="key that is nothing"),
    pytest.param(HEAD + "? [a, b]\n: 1", ["YAML"], id="key that is a list"),
    pytest.param(HEAD + "fees: {5: 1}", ["fees.5"], id="nested key that is a number"),
    pytest.param(HEAD + "budget: .nan", ["budget", "NaN", "finite"], id="nan"),
    pytest.param(HEAD + "budget: -.inf", ["budget", "finite"], id="minus infinite"),
    pytest.param(HEAD + "budget: 1e400", ["budget", "finite"], id="beyond a float"),
    pytest.param(HEAD + "budget: " + "9" * 5000, ["value"], id="five thousand digits"),
    pytest.param(HEAD + "budget: 100." + "1" * 30, ["budget", "18 decimals"], id="finer than is kept"),
    pytest.param(HEAD + "budget: 2025-01-01", ["budget", "2025"], id="date for a number"),
    pytest.param(HEAD + "name: 2025-99-99", ["value"], id="date that is none"),
    pytest.param(HEAD + "budget: 1:30", ["line 3", "1:30", "decimal"], id="sexagesimal"),
    pytest.param(HEAD + "budget: 1:30.5", ["line 3", "1:30.5", "decimal"], id="sexagesimal fraction"),
    pytest.param(HEAD + "budget: 0100", ["line 3", "0100", "decimal"], id="octal"),
    pytest.param(HEAD + "budget: 0x64", ["line 3", "0x64", "decimal"], id="hexadecimal"),
    pytest.param(HEAD + "budget: 'NaN'", ["budget", "finite"], id="nan as text"),
    pytest.param(HEAD + "fees: {maker: 'sNaN'}", ["fees.maker", "finite"], id="signalling nan as text"),
    pytest.param(HEAD + "market: {price: 'Infinity'}", ["market.price", "finite"], id="infinity as text"),
    pytest.param(HEAD + "market: {seed: '1" + "0" * 30 + "'}", ["market.seed", "finite"], id="huge seed as text"),
    pytest.param(
        HEAD + "strategy_params: {amount_usd: 1e400}",
        ["strategy_params.amount_usd", "finite"],
        id="beyond any float",
    ),
    pytest.param(
        HEAD + "strategy_params: {amount_usd: '-5'}", ["strategy_params.amount_usd", "-5"], id="negative amount as text"
    ),
    pytest.param(HEAD + "name: !!binary aGk=", ["line 3", "tags"], id="bytes for a text"),
    pytest.param(HEAD + "live: !!bool maybe", ["line 3", "tags"], id="tag of a truth"),
    pytest.param(HEAD + "name: !!timestamp never", ["line 3", "tags"], id="tag of a time"),
    pytest.param(HEAD + 'name: "\\ud800"', ["name", "half a character"], id="half a character"),
    pytest.param(HEAD + "name: " + "y" * 40_000, ["32 KiB"], id="too long to record"),
    pytest.param(HEAD + "connectivity_hosts: [" + "a, " * 5_000 + "]", ["4096"], id="endless list"),
    pytest.param(HEAD + "bot_id: 12", ["bot_id", "12"], id="number for a bot_id"),
    pytest.param(HEAD + "state_dir: ''", ["state_dir"], id="no state_dir"),
    pytest.param(HEAD + 'state_dir: "a\\0b"', ["state_dir"], id="state_dir with a zero"),
    pytest.param(HEAD + "state_dir: ~/bots", ["state_dir", "'~/bots'", "in full"], id="state_dir at home"),
    pytest.param(HEAD + "state_dir: $HOME/bots", ["state_dir", "in full"], id="state_dir of a variable"),
    pytest.param(HEAD + "x: " + "y" * 70_000, ["64 KiB"], id="too large"),
]


@pytest.mark.spec("YAML is taken without aliases, duplicate keys, deep nesting or size", section="issue: Bad input")
@pytest.mark.parametrize(("text", "names"), TEXTS)
def test_config_text_that_is_no_configuration_is_refused(
    standing: Path, tmp_path: Path, text: str, names: list[str]
) -> None:
    path = tmp_path / "odd.yml"
    path.write_text(text)
    refused(standing, path, "odd.yml", *names)


@pytest.mark.parametrize("kind", ["missing", "folder", "bytes"])
def test_config_file_that_cannot_be_read_is_refused(standing: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bot.yml"
    if kind == "folder":
        path.mkdir()
    elif kind == "bytes":
        path.write_bytes(b"name: \xff\xfe")
    refused(standing, path, "bot.yml")


@pytest.mark.spec("secrets never stand in a configuration and are never printed", section="Files and interfaces")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"api_key": SECRET}, id="at the top"),
        pytest.param({"apiKey": SECRET}, id="camel"),
        pytest.param({"API-SECRET": SECRET}, id="capitals"),
        pytest.param({"password": {"deep": SECRET}}, id="section"),
        pytest.param({"fees": {"secret": SECRET}}, id="in fees"),
        pytest.param({"market": {"token": SECRET}}, id="in market"),
        pytest.param({"market": {"scripted_outages": [{"from_s": 1, "secret": SECRET}]}}, id="in a list"),
        pytest.param({"strategy_params": {"passphrase": SECRET}}, id="in parameters"),
        pytest.param({"strategy_params": {"indicators": {"rsi": {"private_key": SECRET}}}}, id="in a vote"),
        pytest.param({"keys": {"id": SECRET}}, id="under a name that says nothing"),
    ],
)
def test_config_with_a_secret_is_refused_without_printing_it(
    standing: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    result = refused(standing, bot_file(tmp_path, state_dir=str(standing / "state"), **changes))
    assert SECRET not in result.err


CANDLES = "timestamp,open,high,low,close,volume\n"
MARKETS: list[Any] = [
    pytest.param(None, ["ticks.csv", "not there"], id="missing"),
    pytest.param("", ["ticks.csv"], id="empty"),
    pytest.param("timestamp,price\n", ["no rows"], id="only a header"),
    pytest.param("time,cost\n1,2\n", ["columns", "timestamp,price"], id="other columns"),
    pytest.param("timestamp,price\n1700000000,abc\n", ["row 1", "abc"], id="not a number"),
    pytest.param("timestamp,price\n1700000000,50\n1700000000,51\n", ["row 2"], id="conflict"),
    pytest.param("timestamp,price\n1700000100,50\n1700000000,51\n", ["row 2"], id="disorder"),
    pytest.param("timestamp,price\nnever,50\n", ["row 1", "never"], id="no time"),
    pytest.param("timestamp,price\n1700000000,-50\n", ["row 1", "-50"], id="negative price"),
    pytest.param("timestamp,price\n1700000000,nan\n", ["row 1", "nan"], id="nan"),
    pytest.param(CANDLES + "1700000100,5,6,7,5,1\n1700000160,5,6,4,5,1\n", ["row 1", "low"], id="low above open"),
    pytest.param("\0\0\0", ["ticks.csv"], id="zeros"),
]


@pytest.mark.spec("a market file that cannot be used is refused with its row", section="Markets without a network")
@pytest.mark.parametrize(("text", "names"), MARKETS)
def test_market_file_that_cannot_be_used_is_refused(
    standing: Path, tmp_path: Path, text: str | None, names: list[str]
) -> None:
    market = tmp_path / "ticks.csv"
    if text is not None:
        market.write_text(text)
    changes = {"exchange": "recorded", "market": {"path": str(market)}, "bot_id": "other"}
    refused(standing, bot_file(tmp_path, **changes, state_dir=str(standing / "state")), *names)


def test_market_file_that_cannot_be_used_leaves_no_new_directory(tmp_path: Path) -> None:
    path = bot_file(tmp_path, exchange="recorded", market={"path": str(tmp_path / "none.csv")})
    assert krypto("run", "-c", path).code == 4
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("section", [{}, {"path": 5}, {"path": "prices.txt"}, {"path": ""}])
def test_recorded_market_without_a_usable_path_is_refused(
    standing: Path, tmp_path: Path, section: dict[str, Any]
) -> None:
    path = bot_file(tmp_path, exchange="recorded", market=section, state_dir=str(standing / "state"))
    refused(standing, path, "market", "path")


@pytest.mark.spec("a vote that needs volume is refused on a recording of prices", section="Markets without a network")
def test_mfi_on_a_recording_of_ticks_is_refused(standing: Path, tmp_path: Path) -> None:
    ticks = tmp_path / "ticks.csv"
    ticks.write_text("timestamp,price\n" + "".join(f"{1_700_000_000 + 60 * i},5000\n" for i in range(5)))
    changes = {
        "exchange": "recorded",
        "market": {"path": str(ticks)},
        "state_dir": str(standing / "state"),
        "strategy_params": {"indicators": {**EAGER["indicators"], "mfi": {"enabled": True}}},
    }
    refused(standing, bot_file(tmp_path, **changes), "mfi", "volume")


@pytest.mark.spec("two bots with one id are refused", section="issue: Bad input")
def test_configs_with_one_bot_id_are_refused(standing: Path, tmp_path: Path) -> None:
    before = bytes_below(standing / "state")
    paths = [bot_file(tmp_path, name, bot_id="same", state_dir=str(standing / "state")) for name in ("one", "two")]
    for verb in ("run", "validate-config"):
        result = krypto(verb, "-c", paths[0], "-c", paths[1])
        assert result.code == 4
        assert "'same'" in result.err
        assert len(result.err.splitlines()) == 1
    assert bytes_below(standing / "state") == before


def test_configs_that_derive_one_bot_id_are_refused(tmp_path: Path) -> None:
    paths = [bot_file(tmp_path, name, bot_id=None) for name in ("one", "two")]
    result = krypto("run", "-c", paths[0], "-c", paths[1])
    assert result.code == 4
    assert "simulated-btc-usd-dca-paper" in result.err


@pytest.mark.parametrize("verb", ["run", "validate-config"])
def test_configs_with_two_state_directories_are_refused(tmp_path: Path, verb: str) -> None:
    paths = [bot_file(tmp_path, name, state_dir=str(tmp_path / name)) for name in ("one", "two")]
    result = krypto(verb, "-c", paths[0], "-c", paths[1])
    assert result.code == 4
    assert "state_dir" in result.err
    assert len(result.err.splitlines()) == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == ["one.yml", "two.yml"]
