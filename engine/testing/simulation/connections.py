"""How the engine of a simulated world reaches its exchange: one client for each life.

Owns the desk of the one account there is. Stands in the place of `engine.runtime.connections.Connections`.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from engine.core.config import BotConfig
from engine.exchanges.credentials import Credentials
from engine.runtime.account_desk import AccountDesk
from engine.runtime.connections import account_of
from engine.testing.simulation.exchange.client import ExchangeClient
from engine.testing.simulation.exchange.exchange import SimulatedExchange
from engine.testing.simulation.life import Life


class SimulatedConnections:
    """The way of one life to the exchange."""

    def __init__(
        self,
        exchange: SimulatedExchange,
        life: Life,
        clock_ms: Callable[[], int],
        credentials: Credentials,
        make: type[ExchangeClient] = ExchangeClient,
    ) -> None:
        """Take both ends, the engine's clock, the keys of the account, and what makes the client of them."""
        self.client: Final = make(exchange, life, clock_ms, credentials)
        self._clock_ms: Final = clock_ms
        self._desk: AccountDesk | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.close()

    def data(self, configs: list[BotConfig]) -> ExchangeClient:
        """Give what shows a market to these bots."""
        del configs
        return self.client

    def desk(self, config: BotConfig) -> AccountDesk:
        """Give the desk of the account, which all bots share."""
        if self._desk is None:
            self._desk = AccountDesk(account_of(config), self.client, self._clock_ms)
        return self._desk
