"""A bot without a world: the pure kernel and a paper account, driven one moment at a time.

Owns the driver that the tests of the kernel share, so that they read like accounting: prices go in, events come out.
Never asks for the time, a file or the network, and never decides anything itself.
"""

from collections.abc import Coroutine, Iterable, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec

from engine.core.config import BotConfig, config_digest
from engine.core.decider import Observation, decide, wants_indicators
from engine.core.effects import OrderEffect, due, outstanding
from engine.core.events import (
    BotCreated,
    BotEvent,
    CandlesClosed,
    CommandReceived,
    ConnectivityChecked,
    Event,
    FeedAttached,
    FeedDetached,
    FeedEvent,
    IndicatorsObserved,
    MarketRulesObserved,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderOutcomeUnknown,
    OrderRejected,
    OrderSent,
    PriceObserved,
    SessionStarted,
    SessionStopped,
    TimerFired,
)
from engine.core.feed_view import FeedView, apply_feed
from engine.core.identity import client_order_id
from engine.core.market import MarketRules
from engine.core.narration import narrate
from engine.core.projection import LogFile, StateFile, encode_state_file, project
from engine.core.reducers import apply
from engine.core.state import BotState, Lot, Order, Trail
from engine.exchanges.paper import PaperGateway, PaperSettings
from engine.exchanges.port import Accepted, Fill, OrderReport, Rejected
from engine.strategies.catalogue import strategy_for

E = TypeVar("E", bound=Event)
Number = Decimal | str | int

START_MS: Final = 1_730_635_800_000
FEED: Final = "feed:simulated:BTC/USD:test"
LOG_ID: Final = "0a1b2c3d4e"
ONE_VOTE: Final = {"rsi": {"enabled": False}, "rising_price": {"enabled": False}}
"""Leaves the vote over the EMA alone, which `Kernel.votes` then casts."""

ORDINARY: Final = PaperSettings()
RULES: Final = MarketRules(
    symbol="BTC/USD",
    base="BTC",
    quote="USD",
    price_tick=Decimal("0.01"),
    quantity_step=Decimal("0.00001"),
    min_quantity=Decimal("0.00001"),
    min_notional=Decimal(5),
    maker_percent=Decimal("0.1"),
    taker_percent=Decimal("0.1"),
    cadence_ms=60_000,
)


def config_of(**changes: Any) -> BotConfig:
    """Make a configuration that buys at market; keys as in the YAML file, numbers also as text."""
    params = {"indicators": ONE_VOTE, **changes.pop("strategy_params", {})}
    keys = {"bot_id": "abc123-def456", "exchange": "simulated", "symbol": "BTC/USD", "buy_order_type": "market"}
    return msgspec.convert({**keys, "strategy_params": params, **changes}, BotConfig, strict=False)


class Moment(msgspec.Struct, frozen=True):
    """What was seen, and what was decided from it."""

    observation: Observation
    decided: tuple[BotEvent, ...]


class Kernel:
    """One bot on the pure kernel. Time passes only by what is done to it."""

    def __init__(self, *, rules: MarketRules = RULES, paper: PaperSettings = ORDINARY, **changes: Any) -> None:
        """Create the bot from `config_of(**changes)`, on a market with these rules, its votes for buying."""
        self.config: Final = config_of(**changes)
        self.strategy: Final = strategy_for(self.config)
        self.now_ms = START_MS
        self.view = FeedView(FEED)
        self.history: list[Moment] = []
        self.fetches = True  # whether candles are fetched ahead of a price, as on a market that waits
        self.gateway: Final = PaperGateway(paper, lambda: self.view)
        created = BotCreated(LOG_ID, self.config, config_digest(self.config))
        self.state: BotState = apply(None, created, self.now_ms)
        self.history.append(Moment(Observation(created, self.now_ms, self.view), ()))
        self.feed(MarketRulesObserved(rules))
        self.observe(SessionStarted("0", "dca", 1), FeedAttached(FEED, self.view.sequence))
        self.votes(yes=True)

    # --- what happens to the bot ---------------------------------------------------------------------------------

    def feed(self, event: FeedEvent) -> None:
        """Let the market say something."""
        self.view = apply_feed(self.view, event, self.view.sequence + 1, self.now_ms)

    def votes(self, *, yes: bool) -> None:
        """Let the indicators speak for a purchase, or against it."""
        values: dict[str, tuple[float, ...]] = {"close": (1.0,), "ema:25": (2.0 if yes else 0.5,)}
        self.feed(IndicatorsObserved(self.config.timeframe, self.now_ms, values, 500, "digest"))

    def observe(self, *events: BotEvent) -> list[BotEvent]:
        """Record observations of the bot's own; give them with what was decided from each."""
        start = len(self.history)
        for event in events:
            self.state = apply(self.state, event, self.now_ms)
            self._decide(event)
        return self.told(start)

    def price(
        self,
        last: Number,
        *,
        bid: Number | None = None,
        ask: Number | None = None,
        after_s: int = 60,
        settled: bool = True,
    ) -> list[BotEvent]:
        """Show a price, `after_s` after the moment before; unless told otherwise, carry out what is owed then.

        Gives all events of that moment: deadlines first, then the price, then the answers of the paper exchange.
        """
        start = len(self.history)
        self.wait(after_s)
        gap_ms = None if self.view.price_ms is None else self.now_ms - self.view.price_ms
        price = PriceObserved(
            last=Decimal(last),
            bid=None if bid is None else Decimal(bid),
            ask=None if ask is None else Decimal(ask),
            gap_ms=gap_ms,
        )
        if self.fetches and wants_indicators(self.strategy, self.state, price, self.now_ms, self.view.rules):
            self.feed(CandlesClosed(self.config.timeframe))
        self.feed(price)
        self._decide(price)
        if settled:
            self.settle()
        return self.told(start)

    def prices(self, *lasts: Number) -> list[BotEvent]:
        """Show prices a minute apart; give all their events."""
        return [event for last in lasts for event in self.price(last)]

    def wait(self, seconds: int) -> list[BotEvent]:
        """Let time pass without a price; deadlines that come due are told."""
        start = len(self.history)
        self.now_ms += seconds * 1000
        due_ms = due(self.state)
        if due_ms is not None and due_ms <= self.now_ms:
            self.observe(TimerFired("order_timeout", due_ms))
            self.settle()
        return self.told(start)

    def command(self, name: str) -> list[BotEvent]:
        """Give the bot an operator's command and carry out what follows."""
        start = len(self.history)
        self.observe(CommandReceived(name, "operator", seen=self.view.price_sequence, seen_ms=self.view.price_ms))
        self.settle()
        return self.told(start)

    def check(self, *, reachable: bool, after_s: int = 0) -> list[BotEvent]:
        """Let a connectivity check end, and carry out what follows."""
        start = len(self.history)
        self.wait(after_s)
        failure = 0 if reachable else self.state.connectivity.failure_count + 1
        self.observe(ConnectivityChecked("exchange", reachable=reachable, failure=failure))
        self.settle()
        return self.told(start)

    def restart(self, *unseen: Number) -> None:
        """Lay the bot down and take it up again from its encoded state.

        No time passes but that of the `unseen` prices, a minute apart, which the feed saw for others meanwhile.
        """
        self.command("stop")
        self.observe(self._detached(), SessionStopped("stop", "", ""))
        for last in unseen:
            self.now_ms += 60_000
            self.feed(PriceObserved(Decimal(last), gap_ms=60_000))
        self._take_up()

    def crash(self) -> None:
        """Die without a word and be taken up as the next start does: laid down at the time of the last event."""
        died_ms = self.now_ms
        self.now_ms = next(each.observation.at_ms for each in reversed(self.history) if any(events_of(each)))
        self.observe(self._detached())
        self.now_ms = died_ms
        self._take_up()

    def _detached(self) -> FeedDetached:
        return FeedDetached(FEED, self.view.sequence, self.view.price_ms)

    def _take_up(self) -> None:
        self.state = msgspec.json.decode(msgspec.json.encode(self.state), type=BotState)
        self.observe(SessionStarted("0", "dca", 1), FeedAttached(FEED, self.view.sequence, self.view.price_ms))
        self.settle()

    # --- what the paper exchange answers -------------------------------------------------------------------------

    def settle(self) -> list[BotEvent]:
        """Carry out everything owed now against the paper account, until it is quiet."""
        start = len(self.history)
        for _ in range(1_000):
            ready = [effect for effect in outstanding(self.state) if effect.not_before_ms <= self.now_ms]
            if ready:
                self._carry_out(ready[0])
                continue
            reports = self.gateway.trades(self.state)
            if not reports:
                return self.told(start)
            for report in reports:
                self.observe(*answer(self.order(report.client_order_id), report))
        raise AssertionError("the bot never comes to rest")

    def _carry_out(self, effect: OrderEffect) -> None:
        order = self.state.orders[effect.client_order_id]
        if effect.action == "send":
            self.observe(OrderSent(order.client_order_id, self.now_ms, self.gateway.valid_ms))
            order = self.state.orders[effect.client_order_id]
        if effect.action == "cancel":
            self.observe(*answer(order, done(self.gateway.cancel(self.state, order))))
        elif order.status in {"sent", "unknown"}:
            outcome = done(self.gateway.create(self.state, order))
            self.observe(*answer(order, outcome))
        else:
            self.observe(*answer(order, done(self.gateway.query(self.state, order))))

    def _decide(self, event: Event) -> None:
        observation = Observation(event, self.now_ms, self.view)
        decided = decide(self.strategy, self.state, observation)
        for each in decided:
            self.state = apply(self.state, each, self.now_ms)
        self.history.append(Moment(observation, decided))

    # --- how it stands -------------------------------------------------------------------------------------------

    def told(self, start: int = 0) -> list[BotEvent]:
        """Give the bot's events since a point of its history; prices are the feed's."""
        return [event for moment in self.history[start:] for event in events_of(moment)]

    def lines(self) -> list[str]:
        """Give the story so far as log lines without their prefix."""
        return [text for event in self.told() if (text := narrate(event, self.config)) is not None]

    def order(self, which: str | int) -> Order:
        """Give an order by its number or client order id."""
        name = which if isinstance(which, str) else client_order_id(LOG_ID, which)
        order = self.state.order(name)
        assert order is not None, which
        return order

    @property
    def lot(self) -> Lot:
        """Give the only lot."""
        (lot,) = self.state.lots.values()
        return lot

    @property
    def trail(self) -> Trail:
        """Give the only trail."""
        (trail,) = self.state.trails.values()
        return trail

    def file(self) -> StateFile:
        """Give the state file as it would be written now."""
        last = None if self.view.price is None else self.view.price.last
        return project(self.state, last, LogFile(len(self.told()), "00" * 16), self.now_ms)

    def file_json(self) -> Any:
        """Give the state file as another program would read it."""
        return msgspec.json.decode(encode_state_file(self.file()))


def bought(price: Number = 50_000, *, rules: MarketRules = RULES, **changes: Any) -> Kernel:
    """Give a bot that has bought one lot at market at this price, and whose votes are against another."""
    kernel = Kernel(rules=rules, **changes)
    kernel.price(price)
    kernel.votes(yes=False)
    assert len(kernel.state.lots) == 1, kernel.lines()
    return kernel


def events_of(moment: Moment) -> Iterable[BotEvent]:
    """Give what the bot's stream holds of a moment: the observation, unless it is the feed's, and the decisions."""
    seen: Any = moment.observation.event
    return moment.decided if isinstance(seen, PriceObserved) else (seen, *moment.decided)


def answer(order: Order, report: object) -> list[BotEvent]:
    """Turn what a gateway answered into the observations that record it."""
    name = order.client_order_id
    match report:
        case Accepted():
            return [OrderAccepted(name, report.exchange_order_id), *filled(name, report.fills)]
        case Rejected():
            return [OrderRejected(name, report.proof, report.reason)]
        case OrderReport(status="canceled"):
            return [*filled(name, report.fills), OrderCanceled(name, report.filled)]
        case OrderReport(status="expired"):
            return [*filled(name, report.fills), OrderExpired(name, report.filled)]
        case OrderReport():
            return filled(name, report.fills)
        case _:
            return [OrderOutcomeUnknown(name, str(report))]


def filled(name: str, fills: Sequence[Fill]) -> list[BotEvent]:
    """Turn trades of an order into the observations that record them."""
    return [OrderFilled(name, *msgspec.structs.astuple(fill)[:-1]) for fill in fills]


def trade(
    name: str, trade_id: str, price: Number, quantity: Number, *, fee: Number = 0, asset: str = "USD", value: Number = 0
) -> OrderFilled:
    """Make a report of a trade; `value` is the fee's value in quote."""
    return OrderFilled(
        name, trade_id, Decimal(price), Decimal(quantity), Decimal(fee), asset, Decimal(value), liquidity="taker"
    )


def done(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Give what a coroutine returns that never has to wait."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("the paper account never waits")


def of(events: Iterable[BotEvent], kind: type[E]) -> list[E]:
    """Give the events of one kind."""
    return [event for event in events if isinstance(event, kind)]


def one(events: Iterable[BotEvent], kind: type[E]) -> E:
    """Give the only event of one kind."""
    found = of(events, kind)
    assert len(found) == 1, (kind.__name__, tags(events))
    return found[0]


def tags(events: Iterable[Event], *, only: str = "") -> list[str]:
    """Give the tags of events, or of those whose tag begins so."""
    names = [str(event.__struct_config__.tag) for event in events]
    return [name for name in names if name.startswith(only)]
