"""The whole check-up: what could keep bots from running as they should, section by section, changing nothing.

Owns what is looked at, in which order, and that no check is the end of the others. Asks an exchange as little as it
can, and nothing at all for simulated and recorded markets. The judgement is in the modules named `checks_*`.
"""

import os
import platform
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace

from engine.core.config import BotConfig
from engine.core.config_rules import forbidden_change
from engine.core.decider.entries import MOST_SKEW_MS
from engine.core.errors import ConfigError, EngineError
from engine.core.market import Tick
from engine.core.state import BotState
from engine.exchanges.ccxt_gateway import CcxtConnection
from engine.exchanges.venue_names import TESTED_CCXT
from engine.exchanges.venues import venue_of
from engine.feeds.probe import reaches_internet
from engine.runtime.bootstrap import check_configs
from engine.runtime.checks import Finding, Section, exit_code, fault, fault_of, note, ok, unexpected, warning
from engine.runtime.checks_account import budget_findings, keys_finding, owner_findings, rights_findings
from engine.runtime.checks_directory import directory_findings, log_findings
from engine.runtime.checks_market import market_findings
from engine.runtime.clock import RealTime
from engine.runtime.config_file import STATE_DIR, LoadedConfig, load_config
from engine.runtime.connections import Connections, Wiring, account_of, endpoint_of, stake_of
from engine.runtime.credentials import Found, find_credentials
from engine.runtime.markets import is_real
from engine.store.survey import survey

SLOW_MS: Final = 1_000
MUCH_SKEW_MS: Final = MOST_SKEW_MS // 2

Tell = Callable[[Section], None]
K = TypeVar("K")


class Report(msgspec.Struct, frozen=True):
    """All that was found, and what the exchanges were asked for it, by kind of call."""

    sections: tuple[Section, ...]
    calls: dict[str, int]

    @property
    def findings(self) -> list[Finding]:
        """Give the findings of all sections."""
        return [finding for section in self.sections for finding in section.findings]

    @property
    def exit_code(self) -> int:
        """Give the exit code of the worst fault, 0 without one."""
        return exit_code(self.findings)


async def examine(
    paths: Sequence[Path], state_dir: Path | None, *, wiring: Wiring, real_time: RealTime, tell: Tell
) -> Report:
    """Check the machine, these configurations and all that they use; `tell` hears each section when it is done.

    Without `state_dir` it is the one of the configurations, or else the usual one.
    """
    doctor = _Doctor(state_dir, wiring, real_time, tell)
    doctor.program()
    loaded = doctor.load(paths)
    doctor.directories(loaded)
    doctor.configurations(loaded)
    await doctor.exchanges([each.config for each in loaded if is_real(each.config.exchange)])
    return Report(tuple(doctor.sections), dict(doctor.calls))


class _Doctor:
    """A check-up under way."""

    def __init__(self, state_dir: Path | None, wiring: Wiring, real_time: RealTime, tell: Tell) -> None:
        self.sections: Final[list[Section]] = []
        self.calls: Counter[str] = Counter()
        self._state_dir: Final = state_dir
        self._wiring: Final = wiring
        self._real_time: Final = real_time
        self._tell: Final = tell
        self._states: Final[dict[str, BotState]] = {}
        self._faulty: Final[dict[Path, Finding]] = {}

    def _done(self, title: str, findings: Sequence[Finding]) -> None:
        section = Section(title, tuple(findings))
        self.sections.append(section)
        self._tell(section)

    # --- without a network -------------------------------------------------------------------------------------------

    def program(self) -> None:
        """Check what the program stands on."""
        self._done("program", [ok("python", platform.python_version()), ccxt_finding(_installed("ccxt"))])

    def load(self, paths: Sequence[Path]) -> list[LoadedConfig]:
        """Read the configurations; a faulty one is told of and left out."""
        loaded = []
        for path in paths:
            try:
                loaded.append(load_config(path))
            except ConfigError as error:
                self._faulty[path] = fault_of("config", ConfigError(str(error).removeprefix(f"{path}: ")))
        return loaded

    def directories(self, loaded: Sequence[LoadedConfig]) -> None:
        """Check every state directory that is meant, and learn from its log how the bots stand."""
        named = [self._state_dir] if self._state_dir else [each.state_dir for each in loaded] or [Path(STATE_DIR)]
        for path in dict.fromkeys(named):
            findings: list[Finding] = []
            try:
                findings += directory_findings(survey(path), os.geteuid())
            except OSError as error:
                findings.append(fault("directory", f"{path} cannot be looked at ({error.strerror})", "choose another"))
            told, states = log_findings(path)
            self._states.update(states)
            self._done(f"state directory {path}", [*findings, *told])

    def configurations(self, loaded: Sequence[LoadedConfig]) -> None:
        """Check each configuration alone, against its log, and all of them against each other."""
        for path, finding in self._faulty.items():
            self._done(f"configuration {path}", [finding])
        for each in loaded:
            self._done(f"configuration {each.source}", self._configuration(each.config))
        directories = list(dict.fromkeys(str(each.state_dir) for each in loaded))
        together = []
        if len(directories) > 1:
            text = f"state_dir differs between the configurations ({', '.join(directories)})"
            together.append(fault("state_dir", text, "one engine has one directory: name the same, or run two", code=4))
        ids = Counter(each.config.bot_id for each in loaded)
        for bot_id, count in ids.items():
            if count > 1:
                text = f"bot_id {bot_id!r} is used by {count} configurations"
                together.append(fault("bot_id", text, "give each bot an id of its own", code=4))
        if together:
            self._done("all configurations", together)

    def _configuration(self, config: BotConfig) -> list[Finding]:
        what = f"{config.strategy} on {config.symbol} at {config.exchange}, {stake_of(config)}"
        findings = [ok("bot", f"{config.bot_id}: {what}")]
        try:
            check_configs([config])
        except EngineError as error:
            findings.append(fault_of("market", error))
        held = self._states.get(config.bot_id)
        refusal = None if held is None else forbidden_change(held, config)
        if refusal is not None:
            findings.append(fault("log", f"{config.bot_id}: {refusal}", code=4))
        elif held is not None:
            findings.append(ok("log", f"goes on where its log ends, with open lots: {len(held.lots)}"))
        return findings

    # --- with one ----------------------------------------------------------------------------------------------------

    async def exchanges(self, configs: Sequence[BotConfig]) -> None:
        """Check every exchange that these bots use, their markets, and every account."""
        if not configs:
            return
        keys, key_findings = _keys_of(configs)
        wiring = replace(self._wiring, credentials=lambda account: keys[account].credentials)
        async with Connections(wiring, self._real_time.wall_ms) as connections:
            for (exchange, endpoint), members in _grouped(configs, lambda each: (each.exchange, endpoint_of(each))):
                data = await self._exchange(exchange, endpoint, members, keys, connections)
                live = [each for each in members if not each.paper_trading]
                for account, owners in _grouped(live, account_of):
                    findings = [*key_findings[account], *_for_exchange(keys.get(account), exchange)]
                    if account in keys:
                        findings += await self._account(account, owners, connections, answers=data is not None)
                    self._done(f"account {account}" + ("" if account == exchange else f" of {exchange}"), findings)
            self.calls += connections.calls()

    async def _exchange(
        self,
        exchange: str,
        endpoint: str | None,
        configs: list[BotConfig],
        keys: Mapping[str, Found],
        connections: Connections,
    ) -> CcxtConnection | None:
        """Check the connection and the markets of these bots; give the connection if the exchange answers."""
        usable = [each for each in configs if each.paper_trading or account_of(each) in keys]
        keyless = [replace(each, paper_trading=True, live=False) for each in configs]
        data = connections.data(usable or keyless)
        findings: list[Finding] = []
        answers = await _checked("reachable", partial(self._connection, data), findings)
        findings += await _internet(configs, answers=answers)
        self._done(f"exchange {exchange}" + (f" at {endpoint}" if endpoint else ""), findings)
        if not answers:
            return None
        ticks: dict[str, Tick] = {}
        for config in configs:
            findings = []
            await _checked("symbol", partial(_market, data, config, ticks), findings)
            self._done(f"market of {config.bot_id}", findings)
        return data

    async def _connection(self, data: CcxtConnection) -> list[Finding]:
        began_s = self._real_time.monotonic_s()
        await data.time_ms()
        took_ms = int((self._real_time.monotonic_s() - began_s) * 1000)
        assert data.offset_ms is not None
        clock = clock_finding(data.venue.id, data.offset_ms) if data.tells_time else untold_time(data.venue.id)
        return [latency_finding(data.venue.id, took_ms), clock]

    async def _account(
        self, account: str, configs: Sequence[BotConfig], connections: Connections, *, answers: bool
    ) -> list[Finding]:
        if not answers:
            return [note("rights", "not asked for: the exchange cannot be reached", "try again later")]
        findings: list[Finding] = []
        theirs = (desk := connections.desk(configs[0])).account

        async def rights() -> list[Finding]:
            identity = await theirs.identify()
            bots = {config.bot_id for config in configs}
            known = {name: state for name, state in self._states.items() if name in bots and state.account}
            owned = {bot_id: await desk.owns(state, identity) for bot_id, state in known.items()}
            return [*rights_findings(account, identity), *owner_findings(account, owned)]

        async def money() -> list[Finding]:
            assets = {asset for config in configs for asset in (config.base, config.quote)}
            return budget_findings(account, configs, self._states, await theirs.balances(assets))

        if await _checked("rights", rights, findings):
            await _checked("budget", money, findings)
        return findings


# --- single checks ---------------------------------------------------------------------------------------------------


def ccxt_finding(installed: str | None) -> Finding:
    """Judge the version of the exchange library."""
    if installed is None:
        return fault("ccxt", "ccxt is not installed: no real exchange can be used", "install it with make setup")
    if installed == TESTED_CCXT:
        return ok("ccxt", f"{installed}, the tested version")
    text = f"{installed} is installed, and {TESTED_CCXT} is the tested version"
    return warning("ccxt", text, "install the tested one with make setup before trading with real money")


def clock_finding(exchange: str, ahead_ms: int) -> Finding:
    """Judge how far the exchange's clock is from this machine's."""
    by = f"{abs(ahead_ms)} ms {'behind' if ahead_ms > 0 else 'ahead of'} {exchange}"
    remedy = "have the clock kept by NTP, as with timedatectl set-ntp true"
    if abs(ahead_ms) > MOST_SKEW_MS:
        return fault("clock", f"this machine's clock is {by}: over {MOST_SKEW_MS} ms nothing is bought", remedy)
    if abs(ahead_ms) > MUCH_SKEW_MS:
        return warning("clock", f"this machine's clock is {by}: over {MOST_SKEW_MS} ms nothing is bought", remedy)
    return ok("clock", f"this machine's clock is {by}" if ahead_ms else f"this machine's clock is that of {exchange}")


def untold_time(exchange: str) -> Finding:
    """Note that an exchange does not say what time it is."""
    return note("clock", f"{exchange} does not tell its time: whether this machine's clock is right, nothing shows")


def latency_finding(exchange: str, took_ms: int) -> Finding:
    """Judge how long an answer took."""
    text = f"{exchange} answered in {took_ms} ms, with the first connection"
    return ok("reachable", text) if took_ms <= SLOW_MS else note("reachable", text, "orders will be as slow as that")


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _keys_of(configs: Sequence[BotConfig]) -> tuple[dict[str, Found], dict[str, list[Finding]]]:
    """Find the keys of every account that trades live, and say what was wrong with those that were not found."""
    found: dict[str, Found] = {}
    findings: dict[str, list[Finding]] = {}
    for config in configs:
        account = account_of(config)
        if config.paper_trading or account in findings:
            continue
        findings[account] = []
        try:
            found[account] = find_credentials(account)
        except EngineError as error:
            findings[account].append(fault_of("keys", error))
    return found, findings


def _for_exchange(found: Found | None, exchange: str) -> Iterator[Finding]:
    if found is not None:
        yield keys_finding(found, exchange)


async def _checked(check: str, work: Callable[[], Awaitable[list[Finding]]], findings: list[Finding]) -> bool:
    """Do one check and take its findings; a fault of it is one more, and the others go on. Tell whether it ended."""
    try:
        findings += await work()
    except EngineError as error:
        findings.append(fault_of(check, error))
    except Exception as error:  # noqa: BLE001 - a check that fails must not hide what the others find
        findings.append(unexpected(check, error))
    else:
        return True
    return False


async def _internet(configs: Sequence[BotConfig], *, answers: bool) -> list[Finding]:
    """Try the second probe: the hosts that tell a dead exchange from a dead line."""
    hosts = tuple(dict.fromkeys(host for config in configs for host in config.connectivity_hosts))
    if not hosts:
        return [note("internet", "connectivity_hosts is []: an outage is not told from a dead line")]
    listed = ", ".join(hosts)
    if await reaches_internet(hosts):
        return [ok("internet", f"connectivity_hosts: {listed} can be reached")]
    if answers:
        text = f"connectivity_hosts: {listed} cannot be reached, though the exchange can"
        return [warning("internet", text, "name a host that answers here, or outages are told as 'no internet'")]
    text = f"connectivity_hosts: {listed} cannot be reached either: this machine has no internet"
    return [note("internet", text, "see to the line first")]


async def _market(data: CcxtConnection, config: BotConfig, ticks: dict[str, Tick]) -> list[Finding]:
    """Hold a bot against its market; a price that was asked for already is in `ticks`."""
    rules = await data.rules(config.symbol)
    findings: list[Finding] = []

    async def price() -> list[Finding]:
        if config.symbol not in ticks:
            ticks[config.symbol] = await data.ticker(config.symbol)
        return []

    await _checked("price", price, findings)
    venue = venue_of(config.exchange)
    return [*market_findings(config, venue, rules, ticks.get(config.symbol), data.timeframes), *findings]


def _grouped(configs: Sequence[BotConfig], key: Callable[[BotConfig], K]) -> list[tuple[K, list[BotConfig]]]:
    """Sort configurations into groups, in the order in which they came."""
    groups: dict[K, list[BotConfig]] = {}
    for config in configs:
        groups.setdefault(key(config), []).append(config)
    return list(groups.items())
