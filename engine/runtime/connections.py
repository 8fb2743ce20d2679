"""Connections to real exchanges: one per exchange, server and key in a process, shared by all bots that use it.

Owns which bot shares which connection, where its keys come from, and that all are closed. Names the concrete classes;
everybody else knows the ports.
"""

from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

import msgspec

from engine.core.config import BotConfig
from engine.exchanges.ccxt_account import CcxtAccount
from engine.exchanges.ccxt_gateway import CcxtConnection
from engine.exchanges.credentials import Credentials
from engine.exchanges.port import AccountIdentity, LiveMarketData, Silence
from engine.exchanges.venues import live_venue_of, venue_of
from engine.runtime.account_desk import AccountDesk
from engine.runtime.clock import SystemTime
from engine.runtime.credentials import load_credentials
from engine.runtime.markets import LiveSettings, market_settings

if TYPE_CHECKING:
    import aiohttp


class Wiring(msgspec.Struct, frozen=True):
    """How connections are made: by which HTTP session, with whose keys, at what pace; tests bring their own."""

    session: "Callable[[], aiohttp.ClientSession] | None" = None
    credentials: Callable[[str], Credentials] = lambda account: load_credentials(account)[0]
    is_paced: bool = True
    timeout_ms: int = 10_000


class Exchanges(Protocol):
    """How the engine reaches real exchanges: an asynchronous context that lets go of them all in the end."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def data(self, configs: list[BotConfig]) -> LiveMarketData:
        """Give what shows a market to these bots."""
        ...

    def desk(self, config: BotConfig) -> AccountDesk:
        """Give the desk of a bot's account."""
        ...


class Connections:
    """All connections of one process. Use it as an asynchronous context, inside the loop."""

    def __init__(self, wiring: Wiring, clock_ms: Callable[[], int]) -> None:
        """Take how connections are made, and the engine's clock."""
        self._wiring: Final = wiring
        self._clock_ms: Final = clock_ms
        self._open: Final[dict[tuple[str, str, str], CcxtConnection]] = {}
        self._silences: Final[dict[tuple[str, str], Silence]] = {}
        self._desks: Final[dict[tuple[str, str, str], AccountDesk]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._open.values():
            await connection.close()

    def data(self, configs: list[BotConfig]) -> CcxtConnection:
        """Give the connection that shows a market to these bots: that of a key they use anyway, else one without."""
        live = [config for config in configs if not config.paper_trading]
        return self._connection(live[0] if live else configs[0])

    def desk(self, config: BotConfig) -> AccountDesk:
        """Give the desk of a bot's account.

        Raises:
            CredentialsError: there are no keys for it.
        """
        assert not config.paper_trading, config
        key = _key(config)
        if key not in self._desks:
            self._desks[key] = AccountDesk(account_of(config), CcxtAccount(self._connection(config)), self._clock_ms)
        return self._desks[key]

    def calls(self) -> Counter[str]:
        """Count what was asked over all connections, by kind."""
        return sum((connection.calls for connection in self._open.values()), Counter())

    def _connection(self, config: BotConfig) -> CcxtConnection:
        key = _key(config)
        if key not in self._open:
            live = not config.paper_trading
            self._open[key] = CcxtConnection(
                live_venue_of(config.exchange) if live else venue_of(config.exchange),
                clock_ms=self._clock_ms,
                credentials=self._wiring.credentials(account_of(config)) if live else None,
                calls=Counter(),
                endpoint=endpoint_of(config),
                session_factory=self._wiring.session,
                timeout_ms=self._wiring.timeout_ms,
                is_paced=self._wiring.is_paced,
                silence=self._silences.setdefault(key[:2], Silence()),
            )
        return self._open[key]


def account_of(config: BotConfig) -> str:
    """Name the keys that a bot trades with: its `account`, or else its exchange."""
    return config.account or config.exchange


def stake_of(config: BotConfig) -> str:
    """Say what a bot trades with: no money on paper or at a server of this machine, else real money."""
    if config.paper_trading:
        return "on paper"
    endpoint = endpoint_of(config)
    return f"live, at {endpoint}, without real money" if endpoint else "live, with real money"


def endpoint_of(config: BotConfig) -> str | None:
    """Give the server on this machine that plays the exchange, if the configuration names one."""
    settings = market_settings(config)
    return settings.endpoint or None if isinstance(settings, LiveSettings) else None


def _key(config: BotConfig) -> tuple[str, str, str]:
    return config.exchange, endpoint_of(config) or "", "" if config.paper_trading else account_of(config)


async def identify(
    exchange: str, credentials: Credentials, *, endpoint: str | None = None, wiring: Wiring | None = None
) -> AccountIdentity:
    """Ask an exchange whose key this is and what it may do, over a connection of its own.

    Raises:
        ConfigError: no orders can be placed there. CredentialsError: the keys are refused. UnreachableError: no answer.
    """
    wired, time = wiring or Wiring(), SystemTime()
    connection = CcxtConnection(
        live_venue_of(exchange),
        clock_ms=time.wall_ms,
        credentials=credentials,
        endpoint=endpoint,
        session_factory=wired.session,
        timeout_ms=wired.timeout_ms,
        is_paced=wired.is_paced,
    )
    try:
        await connection.time_ms()
        return await CcxtAccount(connection).identify()
    finally:
        await connection.close()
