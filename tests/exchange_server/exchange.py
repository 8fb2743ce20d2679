"""The exchange as a whole: clock, markets, accounts, matching, limits, faults and ledger, and how time passes in it.

Owns the order of things: before anything is looked at or matched, everything that was due earlier has happened. Never
touches a socket. What the real exchange has and this one has not: stop, iceberg, pegged and listed orders, amendments,
self-trade prevention, margin, streams of depth, trading over the websocket API, and balances that show up late.
"""

from collections.abc import Callable
from decimal import Decimal

from tests.exchange_server.accounts import Account
from tests.exchange_server.clock import Clock
from tests.exchange_server.faults import FaultPlan
from tests.exchange_server.ledger import Event, Ledger, document
from tests.exchange_server.limits import RateLimits
from tests.exchange_server.market import Market
from tests.exchange_server.matching import Matching
from tests.exchange_server.orders import Order, OrderRecord, Trade
from tests.exchange_server.rows import Row, balance_update
from tests.exchange_server.script import Script, with_defaults

Listener = Callable[[Account, Row], None]


class Exchange:
    """A whole exchange in memory, made from a script."""

    def __init__(self, script: Script) -> None:
        """Open it."""
        self.script = script = with_defaults(script)
        assert 0 < script.step_ms <= 60_000, "every minute needs a price"
        self.clock = Clock(script.start_ms, script.speed, manual=script.manual_clock, skew_ms=script.skew_ms)
        start_ms = self.clock.start_ms
        self.markets = {rules.symbol: Market(rules, script.seed, start_ms) for rules in script.markets}
        self.accounts = {account.name: Account(account) for account in script.accounts}
        self.visibility = script.visibility
        self.limits = RateLimits(script.limits)
        self.faults = FaultPlan(script.seed, script.faults)
        self.ledger = Ledger()
        self.listeners: list[Listener] = []
        self.matching = Matching(self.markets, self.accounts, self._emit)
        self._stepped_ms = start_ms
        self.advance()

    @property
    def true_ms(self) -> int:
        """Give the true time that has been lived through."""
        return self.matching.true_ms

    @property
    def now_ms(self) -> int:
        """Give the same moment as the exchange claims it to be."""
        return self.matching.true_ms + self.matching.skew_ms

    def advance(self) -> None:
        """Let happen what was due until now."""
        now_ms = self.clock.market_ms()
        self.matching.skew_ms = self.clock.skew_ms
        while self._stepped_ms + self.script.step_ms <= now_ms:
            self._stepped_ms += self.script.step_ms
            self.matching.true_ms = self._stepped_ms
            for market in self.markets.values():
                market.step(self._stepped_ms)
                self.matching.step(market)
        self.matching.true_ms = now_ms

    def account_of_key(self, api_key: str) -> Account | None:
        """Find the account that a key belongs to."""
        return next((account for account in self.accounts.values() if account.script.api_key == api_key), None)

    def assets(self) -> list[str]:
        """Name everything that is traded here."""
        return sorted({asset for market in self.markets.values() for asset in (market.rules.base, market.rules.quote)})

    def seen(self, record: OrderRecord) -> Order | None:
        """Give the state of an order that queries show now, None if they do not show it yet."""
        return record.as_of(self.true_ms - self.visibility.orders_late_ms)

    def shows(self, trade: Trade) -> bool:
        """Tell whether queries show a trade already, and still."""
        age_ms = self.true_ms - trade.seen_ms
        return age_ms >= self.visibility.trades_late_ms and not self.is_forgotten(trade.seen_ms)

    def is_forgotten(self, at_ms: int) -> bool:
        """Tell whether something of that true time lies too far back for lists."""
        return 0 < self.visibility.history_ms < self.true_ms - at_ms

    def set_price(self, symbol: str, price: Decimal | None) -> None:
        """Move a market to a price and hold it there, or let it follow its script again; what rests there fills."""
        self.advance()
        market = self.markets[symbol]
        market.pinned = price
        market.step(self.true_ms)
        self.matching.step(market)

    def deposit(self, account: Account, asset: str, delta: Decimal) -> None:
        """Put an amount in, or take it out if it is negative, as a transfer does."""
        self.advance()
        account.add(asset, delta)
        account.updated_ms = self.now_ms
        self._emit(account, balance_update(asset, delta, self.now_ms))

    def dump(self) -> bytes:
        """Write everything that happened as JSON: requests, orders with all states, trades, balances, events, calls."""
        self.advance()
        return document(
            {
                "true_ms": self.true_ms,
                "now_ms": self.now_ms,
                "requests": list(self.ledger.requests),
                "orders": [record.states for record in self.matching.records.values()],
                "trades": self.matching.trades,
                "balances": {
                    name: {asset: (free, locked) for asset, free, locked in account.rows(account.assets())}
                    for name, account in self.accounts.items()
                },
                "events": list(self.ledger.events),
                "calls": self.ledger.calls,
                "faults_struck": self.faults.struck(),
            }
        )

    def _emit(self, account: Account, event: Row) -> None:
        self.ledger.events.append(Event(self.true_ms, account.name, event))
        for listener in self.listeners:
            listener(account, event)
