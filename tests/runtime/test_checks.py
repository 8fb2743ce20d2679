"""What the check-up judges, from values alone: levels, exit codes, and sentences with key and value."""

import os
import re
import stat
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from engine.core.config import BotConfig, Fees, Risk
from engine.core.events import Balance
from engine.core.market import MarketRules, Tick
from engine.core.state import BotState, Connectivity
from engine.core.units import floor_to
from engine.exchanges.port import AccountIdentity
from engine.exchanges.venue_names import TESTED_CCXT
from engine.exchanges.venues import venue_of
from engine.runtime.checks import Finding, exit_code, fault, note, ok, warning
from engine.runtime.checks_account import budget_findings, owner_findings, rights_findings
from engine.runtime.checks_directory import directory_findings
from engine.runtime.checks_market import _is_enough, market_findings
from engine.runtime.doctor import ccxt_finding, clock_finding, latency_finding
from engine.store.survey import Entry, Survey, filesystem_in, survey

ROOT = Path(__file__).resolve().parents[2]
D = Decimal
ME = 1000
RULES = MarketRules(
    symbol="BTC/USD",
    base="BTC",
    quote="USD",
    price_tick=D("0.01"),
    quantity_step=D("0.00001"),
    min_quantity=D("0.00001"),
    min_notional=D(10),
    maker_percent=D("0.1"),
    taker_percent=D("0.1"),
    cadence_ms=5000,
    max_quantity=D(9000),
    order_types=("limit", "market"),
)
TICK = Tick(0, D(50_000))
FRAMES = frozenset({"1m", "5m", "1h"})


def _config(**changes: Any) -> BotConfig:
    amount = changes.pop("amount_usd", 100)
    keys = {"bot_id": "bot", "exchange": "binanceus", "symbol": "BTC/USD", "strategy_params": {"amount_usd": amount}}
    return BotConfig(**{**keys, **changes})


def _survey(**changes: Any) -> Survey:
    found = Survey(
        path=Path("data"),
        place=Path("data"),
        directory=Entry("data", "directory", ME, 0o700),
        leads_to=None,
        entries=(Entry("events.db", "file", ME, 0o600), Entry("control.sock", "socket", ME, 0o600)),
        is_writable=True,
        free_bytes=10**11,
        filesystem="ext4",
        sync_fault=None,
        lock="left",
        holder="42",
    )
    return replace(found, **changes)


def _worst(findings: list[Finding]) -> tuple[str, str, int]:
    """Give check, level and exit code of the one finding that is not as it should be."""
    (bad,) = [each for each in findings if each.level != "ok"]
    assert bad.text
    assert bad.remedy or bad.level == "note"
    return bad.check, bad.level, bad.exit_code


# --- the directory


def test_directory_as_it_should_be_has_nothing_to_be_done() -> None:
    assert {each.level for each in directory_findings(_survey(), ME)} == {"ok"}


DIRECTORIES: list[Any] = [
    pytest.param({"directory": Entry("data", "directory", ME, 0o755)}, ("directory", "warning", 0), id="open"),
    pytest.param({"directory": Entry("data", "directory", 7, 0o700)}, ("directory", "fault", 4), id="somebody's"),
    pytest.param({"is_writable": False}, ("directory", "fault", 1), id="read-only"),
    pytest.param({"leads_to": Path("/mnt")}, ("directory", "note", 0), id="link"),
    pytest.param(
        {"directory": None, "is_writable": False, "entries": ()}, ("directory", "fault", 1), id="not to be made"
    ),
    pytest.param({"entries": (Entry("events.db", "link", ME, 0o777),)}, ("files", "fault", 4), id="linked log"),
    pytest.param({"entries": (Entry("events.db", "other", ME, 0o600),)}, ("files", "fault", 4), id="odd file"),
    pytest.param({"entries": (Entry("events.db", "file", ME, 0o640),)}, ("files", "warning", 0), id="readable log"),
    pytest.param({"entries": (Entry("events.db", "file", 0, 0o600),)}, ("files", "fault", 4), id="root's log"),
    pytest.param({"entries": (Entry("control.sock", "file", ME, 0o600),)}, ("files", "fault", 4), id="no socket"),
    pytest.param({"free_bytes": 10**6}, ("disk", "fault", 1), id="full disk"),
    pytest.param({"free_bytes": 5 * 10**8}, ("disk", "warning", 0), id="little space"),
    pytest.param({"filesystem": "nfs4"}, ("filesystem", "warning", 0), id="nfs"),
    pytest.param({"filesystem": "cifs"}, ("filesystem", "warning", 0), id="cifs"),
    pytest.param({"filesystem": "9p"}, ("filesystem", "warning", 0), id="9p"),
    pytest.param({"filesystem": "tmpfs"}, ("filesystem", "warning", 0), id="memory"),
    pytest.param({"filesystem": "overlay"}, ("filesystem", "warning", 0), id="container"),
    pytest.param({"filesystem": None}, ("filesystem", "note", 0), id="untold"),
    pytest.param({"sync_fault": "Invalid argument"}, ("fsync", "warning", 0), id="no fsync"),
    pytest.param({"lock": "held"}, ("lock", "note", 0), id="running"),
]


@pytest.mark.parametrize(("changes", "expected"), DIRECTORIES)
def test_directory_with_one_thing_wrong_is_told_so(changes: dict[str, Any], expected: tuple[str, str, int]) -> None:
    assert _worst(directory_findings(_survey(**changes), ME)) == expected


def test_directory_that_is_a_file_is_a_fault_and_nothing_else_is_said() -> None:
    found = directory_findings(_survey(directory=Entry("data", "file", ME, 0o600)), ME)
    assert [(each.check, each.exit_code) for each in found] == [("directory", 4)]


MOUNTS = """
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:30 / /mnt rw - nfs4 server:/x rw
31 30 0:31 / /mnt/my\\040disk rw shared:1 - xfs /dev/b rw
32 27 0:32 / /mntlike rw - tmpfs none rw
nonsense
"""


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/", "ext4"),
        ("/home", "ext4"),
        ("/mnt", "nfs4"),
        ("/mnt/a", "nfs4"),
        ("/mnt/my disk/a", "xfs"),
        ("/mntl", "ext4"),
    ],
)
def test_file_system_of_a_place_is_that_of_the_nearest_mount(place: str, kind: str) -> None:
    assert filesystem_in(MOUNTS, place) == kind


def test_survey_of_a_real_directory_sees_modes_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state"
    assert survey(path).directory is None
    assert survey(path).place == tmp_path
    path.mkdir(mode=0o700)
    (path / "events.db").write_bytes(b"")
    (path / "events.db").chmod(0o644)
    (path / "engine.lock").symlink_to("elsewhere")
    before = path.stat()
    found = survey(path)
    assert path.stat() == before
    assert {(each.name, each.kind) for each in found.entries} == {("events.db", "file"), ("engine.lock", "link")}
    assert stat.S_IMODE(0o100644) in {each.mode for each in found.entries}
    assert found.directory is not None
    assert (found.directory.owner, found.directory.mode) == (os.geteuid(), 0o700)
    assert found.lock == "none"


# --- the program, the exchange


@pytest.mark.spec("the version of ccxt that was tested is the one that is installed", section="Order protocol")
def test_tested_ccxt_is_the_locked_one() -> None:
    locked = re.findall(r"^ccxt==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert locked == [TESTED_CCXT]


def test_ccxt_of_another_version_is_a_warning_and_none_a_fault() -> None:
    assert ccxt_finding(TESTED_CCXT).level == "ok"
    assert ccxt_finding("4.5.91").level == "warning"
    assert ccxt_finding(None).exit_code == 1


@pytest.mark.parametrize(
    ("ahead_ms", "level"),
    [(0, "ok"), (-500, "ok"), (501, "warning"), (-1000, "warning"), (1001, "fault"), (-9999, "fault")],
)
def test_clock_is_judged_by_the_limit_of_the_engine(ahead_ms: int, level: str) -> None:
    found = clock_finding("kraken", ahead_ms)
    assert found.level == level
    assert ("behind" if ahead_ms > 0 else "kraken") in found.text


def test_slow_answer_is_noted() -> None:
    assert latency_finding("kraken", 1000).level == "ok"
    assert latency_finding("kraken", 1001).level == "note"


# --- the market


def _market(config: BotConfig, rules: MarketRules = RULES, tick: Tick | None = TICK) -> list[Finding]:
    return market_findings(config, venue_of(config.exchange), rules, tick, FRAMES)


def test_market_that_fits_has_nothing_to_be_done() -> None:
    assert {each.level for each in _market(_config())} == {"ok"}
    assert len(_market(_config(), tick=None)) == len(_market(_config())) - 1


MARKETS: list[Any] = [
    pytest.param({"amount_usd": 5}, {}, ("amount", "fault", 4), id="under the minimum"),
    pytest.param({"amount_usd": 10}, {}, ("amount", "fault", 4), id="under it by the fee in base"),
    pytest.param(
        {"amount_usd": 11, "risk": Risk(stop_loss_percent=D(10))},
        {},
        ("amount", "fault", 4),
        id="under it at the stop loss",
    ),
    pytest.param({"amount_usd": 100}, {"min_quantity": D("0.01")}, ("amount", "fault", 4), id="too small a quantity"),
    pytest.param({"amount_usd": 100}, {"max_quantity": D("0.001")}, ("amount", "fault", 4), id="too large a quantity"),
    pytest.param({"amount_usd": 100}, {"max_notional": D(50)}, ("amount", "fault", 4), id="too much money"),
    pytest.param(
        {"sell_order_type": "trailing_market"}, {"order_types": ("limit",)}, ("orders", "fault", 4), id="kind"
    ),
    pytest.param({"timeframe": "3m"}, {}, ("orders", "fault", 4), id="candles"),
    pytest.param({}, {"taker_percent": D("0.6")}, ("fees", "warning", 0), id="fees"),
    pytest.param({"exchange": "coinbase", "buy_order_type": "market"}, {}, ("orders", "note", 0), id="market buys"),
    pytest.param({"exchange": "bitstamp"}, {}, ("orders", "note", 0), id="paper only"),
]


@pytest.mark.parametrize(("changes", "rules", "expected"), MARKETS)
def test_market_with_one_thing_wrong_is_told_so(
    changes: dict[str, Any], rules: dict[str, Any], expected: tuple[str, str, int]
) -> None:
    assert _worst(_market(_config(**changes), replace(RULES, **rules))) == expected


@pytest.mark.parametrize("price", ["0.00001234", "0.5", "99.99", "50000", "1234567.89"])
@pytest.mark.parametrize("step", ["0.00001", "0.001", "1"])
@pytest.mark.parametrize("fee", ["0", "0.1", "5"])
@pytest.mark.parametrize("stop", [None, D(1), D(50)])
def test_amount_that_is_proposed_is_enough(price: str, step: str, fee: str, stop: Decimal | None) -> None:
    rules = replace(RULES, price_tick=D("0.00000001"), quantity_step=D(step), min_quantity=D(step), max_quantity=None)
    config = _config(amount_usd="0.0000001", fees=Fees(D(fee), D(fee)), risk=Risk(stop_loss_percent=stop))
    (found,) = [each for each in _market(config, rules, Tick(0, D(price))) if each.check == "amount"]
    assert found.level == "fault"
    proposed = D(found.remedy.split()[3])
    assert _is_enough(config, rules, D(price), floor_to(proposed / D(price), rules.quantity_step))


# --- the account


def _identity(**changes: Any) -> AccountIdentity:
    return AccountIdentity(
        **{"fingerprint": "f", "basis": "account", "may_trade": True, "may_withdraw": False, **changes}
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"may_withdraw": True}, ("may withdraw", "fault", 4)),
        ({"may_withdraw": None}, ("may withdraw", "note", 0)),
        ({"may_trade": False}, ("may trade", "fault", 4)),
        ({"may_trade": None}, ("may trade", "note", 0)),
    ],
)
def test_rights_of_a_key_are_to_trade_and_not_to_withdraw(
    changes: dict[str, Any], expected: tuple[str, str, int]
) -> None:
    assert {each.level for each in rights_findings("main", _identity())} == {"ok"}
    assert _worst(rights_findings("main", _identity(**changes))) == expected


def _state(**changes: Any) -> BotState:
    return BotState(**{"bot_id": "bot", "log_id": "x", "config": _config(), "connectivity": Connectivity(0), **changes})


def test_account_of_the_log_must_be_that_of_the_key() -> None:
    assert owner_findings("main", {}) == []
    assert owner_findings("main", {"bot": True})[0].level == "ok"
    assert _worst(owner_findings("main", {"bot": False, "other": True})) == ("account", "fault", 4)


def test_budgets_of_all_bots_together_must_be_there_quote_by_quote() -> None:
    bots = [_config(bot_id=name, budget=D(600)) for name in ("one", "two")]
    other = _config(bot_id="three", symbol="BTC/EUR", budget=D(10))
    money = {"USD": Balance(D(1000), D(200)), "EUR": Balance(D(10))}
    assert {each.level for each in budget_findings("main", [*bots, other], {}, money)} == {"ok"}
    assert _worst(budget_findings("main", bots, {}, {"USD": Balance(D(1199))})) == ("budget", "fault", 4)
    spent = {"one": _state(bot_id="one", cash_flow=D(-300))}
    assert budget_findings("main", bots, spent, {"USD": Balance(D(900))})[0].level == "ok"


# --- the exit code


@pytest.mark.spec("the check-up ends with the code of its worst fault", section="Files and interfaces")
def test_exit_code_is_that_of_the_worst_fault() -> None:
    quiet = [ok("a", "b"), note("a", "b"), warning("a", "b", "c")]
    assert exit_code(quiet) == 0
    assert exit_code([*quiet, fault("a", "b", code=5)]) == 5
    assert exit_code([fault("a", "b", code=5), fault("a", "b")]) == 1
    assert exit_code([fault("a", "b", code=code) for code in (1, 5, 4)]) == 4
    assert exit_code([fault("a", "b", code=code) for code in (4, 6, 1)]) == 6
