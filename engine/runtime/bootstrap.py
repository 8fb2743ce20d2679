"""The composition root: configurations to worlds, on an open log.

The one place, with `engine.runtime.connections`, that names concrete classes. Takes up each bot from the log or creates
it, refuses what may not change, and gives every market its world.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec

from engine.core.config import BotConfig, changed_keys, config_digest
from engine.core.config_rules import forbidden_change
from engine.core.errors import ConfigError, OperatorNeededError
from engine.core.events import ConfigChanged, RecoveryStarted
from engine.core.feed_view import FeedView
from engine.core.identity import bot_stream
from engine.core.market import TIMEFRAMES_MS
from engine.core.state import BotState
from engine.exchanges.live import AccountGateway
from engine.exchanges.paper import PaperGateway
from engine.exchanges.port import Gateway
from engine.feeds.market import WaitingMarket
from engine.feeds.probe import reaches_internet
from engine.indicators.spec import IndicatorSpec, parse_spec
from engine.runtime.account_desk import AccountDesk
from engine.runtime.bot import Bot
from engine.runtime.clock import EngineClock, MarketClock
from engine.runtime.connections import Connections, Exchanges, Wiring
from engine.runtime.feed import Feed
from engine.runtime.feed_stream import FeedStream
from engine.runtime.journal import Journal, Listener
from engine.runtime.live_duties import Probe
from engine.runtime.live_feed import LiveFeed
from engine.runtime.live_world import LiveWorld
from engine.runtime.markets import build_market, feed_of, is_real, paper_settings
from engine.runtime.projection_writer import ProjectionWriter, Say
from engine.runtime.replica import bot_ids, restore_bot, restore_view
from engine.runtime.sessions import detach_the_dead
from engine.runtime.waiting_world import WaitingWorld
from engine.runtime.world import Clock, World
from engine.store.port import Head, Store
from engine.strategies.catalogue import strategy_for

GatewayFor = Callable[[BotConfig, FeedStream], Gateway]


def paper_gateway(config: BotConfig, feed: FeedStream) -> Gateway:
    """Give a bot its paper account."""
    return PaperGateway(paper_settings(config), lambda: feed.view)


class Surroundings(msgspec.Struct, frozen=True):
    """What is passed in: where files go, who is told, how ids are drawn, which gateway a bot gets, what is reached how.

    `say` tells a line about the program: market time, bot id, text, and whether it is routine. `connect` gives the way
    to real exchanges by the engine's clock, and `probe` the way to look for the internet; a simulated world brings its
    own.
    """

    directory: Path
    listeners: tuple[Listener, ...]
    say: Callable[[int, str, str, bool], None]
    draw_log_id: Callable[[], str]
    gateway_for: GatewayFor = paper_gateway
    wiring: Wiring = Wiring()
    connect: Callable[[Wiring, Callable[[], int]], Exchanges] = Connections
    probe: Probe = reaches_internet


def check_configs(configs: Sequence[BotConfig]) -> dict[str, WaitingMarket]:
    """Check configurations against each other and their markets; give each market that waits by its feed's name.

    Raises:
        ConfigError: two bots share an id, or a bot needs what its market does not have.
    """
    ids = Counter(config.bot_id for config in configs)
    for bot_id, count in ids.items():
        if count > 1:
            raise ConfigError(f"bot_id {bot_id!r} is used by {count} configurations: give each bot an id of its own")
    markets: dict[str, WaitingMarket] = {}
    for config in configs:
        feed = feed_of(config)
        if is_real(config.exchange):
            strategy_specs(config)
            continue
        if feed not in markets:
            markets[feed] = build_market(config)
        _check_market(config, markets[feed])
    return markets


def _check_market(config: BotConfig, market: WaitingMarket) -> None:
    for spec in strategy_specs(config):
        if spec.needs_volume and not market.has_volume:
            raise ConfigError(
                f"{config.bot_id}: the vote over {spec.text} needs volumes, and this market has prices only: switch it "
                "off or record candles"
            )
    amount, least = Decimal(str(config.strategy_params.get("amount_usd", 0))), market.rules.min_notional
    if 0 < amount < least:
        raise ConfigError(
            f"{config.bot_id}: strategy_params.amount_usd is {amount}, and this market takes no order under {least}"
        )
    market.candles(TIMEFRAMES_MS[config.timeframe], market.start_ms, market.start_ms)


def strategy_specs(config: BotConfig) -> list[IndicatorSpec]:
    """Give the indicators that a bot's strategy reads.

    Raises:
        ConfigError: one cannot be computed so.
    """
    try:
        return [parse_spec(spec) for spec in strategy_for(config).indicators()]
    except ConfigError as error:
        raise ConfigError(f"{config.bot_id}: strategy_params.indicators: {error}") from error


async def open_worlds(
    store: Store,
    configs: Sequence[BotConfig],
    markets: Mapping[str, WaitingMarket],
    around: Surroundings,
    connections: Exchanges,
    clock: EngineClock,
) -> list[World]:
    """Take up or create every bot and seat it in the world of its market; `markets` is what `check_configs` gave.

    `connections` and `clock` are those of real exchanges.

    Raises:
        ConfigError: a configuration is refused after what the log holds. CredentialsError: a live bot has no keys.
        OperatorNeededError: a recovery of its log was not confirmed, or may have lost a bot that would be begun anew.
    """
    known = {bot_id: restore_bot(store, bot_id) for bot_id in bot_ids(store)}
    for config in configs:
        held = known.get(config.bot_id)
        if held is not None and (refusal := forbidden_change(held[0], config)) is not None:
            raise ConfigError(f"{config.bot_id}: {refusal}")
        if held is not None and held[0].recovery is not None:
            raise OperatorNeededError(
                f"{config.bot_id}: its log was recovered ({held[0].recovery.reason}), and no operator has confirmed "
                f"that it may go on: krypto-engine recover --state-dir {around.directory}"
            )
    _require_none_forgotten(store, known, configs, around.directory)
    desks = {config.bot_id: connections.desk(config) for config in configs if not config.paper_trading}
    await detach_the_dead(store, known)
    clock.not_before(max((head.at_ms for _, head in known.values()), default=0))
    worlds: list[World] = []
    for name in dict.fromkeys(map(feed_of, configs)):
        members = [config for config in configs if feed_of(config) == name]
        plan = _Plan(store, restore_view(store, name), members, known, around)
        if name in markets:
            worlds.append(await _waiting_world(plan, markets[name]))
        else:
            worlds.append(await _live_world(plan, connections, desks, clock))
    return worlds


def _require_none_forgotten(
    store: Store, known: Collection[str], configs: Sequence[BotConfig], directory: Path
) -> None:
    """Refuse to begin a live bot in a log that lost its end: the bot may have been there, with lots and open orders."""
    new = [config.bot_id for config in configs if config.bot_id not in known and not config.paper_trading]
    if new and any(
        isinstance(each.event, RecoveryStarted)
        and (each.event.witness_position is None or each.event.witness_position > each.event.kept_position)
        for bot_id in known
        for each in store.read(bot_stream(bot_id))
    ):
        raise OperatorNeededError(
            f"{new[0]}: the log in {directory} lost events before it was recovered, and this bot may be among them: if "
            "it never traded, give it a state directory of its own; else sell by hand what it had bought and begin a "
            "new bot under another bot_id in another state directory (docs/operations.md, Recovery)"
        )


class _Plan(NamedTuple):
    """What a world is made of: the log, its market so far, the bots' configurations, and what the log knows of them."""

    store: Store
    view: FeedView
    members: Sequence[BotConfig]
    known: Mapping[str, tuple[BotState, Head]]
    around: Surroundings

    def last_ms(self) -> int:
        """Give the last recorded time of the market and its bots."""
        heads = [self.known[config.bot_id][1].at_ms for config in self.members if config.bot_id in self.known]
        return max([self.view.at_ms, *heads])

    def outlets(self, clock: Clock) -> tuple[Journal, Say, ProjectionWriter]:
        """Make the way to the log, the way to tell, and the writer of state files, on a clock."""
        journal = Journal(self.store, self.around.listeners)

        def say(bot_id: str, text: str, routine: bool) -> None:  # noqa: FBT001 - the shape of Say
            at_ms = clock.now_ms
            journal.afterwards(lambda: self.around.say(at_ms, bot_id, text, routine))

        saved = (config for config in self.members if config.auto_save)
        intervals_ms = {bot_stream(config.bot_id): config.save_interval * 1000 for config in saved}
        writer = ProjectionWriter(self.around.directory, say, intervals_ms, clock.now_ms)
        journal.listeners.insert(0, writer.listen)  # what is owed to the disk comes before what is told
        return journal, say, writer

    async def bots(self, now_ms: int, journal: Journal, feed: FeedStream) -> AsyncIterator[tuple[BotConfig, Bot]]:
        """Take up or create every bot."""
        for config in self.members:
            bot = await _take_up(config, self.known.get(config.bot_id), now_ms, journal, self.around)
            if bot.state.config != config:
                await _change_config(bot, config, now_ms, journal, feed)
            yield config, bot


async def _waiting_world(plan: _Plan, market: WaitingMarket) -> World:
    clock = MarketClock(max(market.start_ms, plan.last_ms()))
    if plan.view.price is None and market.end_ms is not None and clock.now_ms > market.end_ms:
        name = plan.members[0].bot_id
        raise ConfigError(f"{name}: this market ends before the last event of its log: use another bot_id")
    calls: Counter[str] = Counter(load_markets=1)
    journal, say, writer = plan.outlets(clock)
    feed = Feed(plan.view, market, calls, lambda bot, text: say(bot.state.bot_id, text, True))  # noqa: FBT003
    world = WaitingWorld(feed, clock, journal, writer, calls)
    async for config, bot in plan.bots(clock.now_ms, journal, feed):
        world.seat(bot, plan.around.gateway_for(config, feed))
    return world


async def _live_world(
    plan: _Plan, connections: Exchanges, desks: Mapping[str, AccountDesk], clock: EngineClock
) -> World:
    clock.not_before(plan.last_ms())
    data = connections.data(list(plan.members))
    journal, say, writer = plan.outlets(clock)
    feed = LiveFeed(plan.view, data, plan.members[0].symbol)
    world = LiveWorld(feed, clock, journal, writer, data.calls, say=say, probe=plan.around.probe)
    async for config, bot in plan.bots(clock.now_ms, journal, feed):
        desk = desks.get(config.bot_id)
        gateway = plan.around.gateway_for(config, feed) if desk is None else AccountGateway(desk.account, config.symbol)
        world.seat(bot, gateway, desk)
    return world


async def _take_up(
    config: BotConfig, held: tuple[BotState, Head] | None, now_ms: int, journal: Journal, around: Surroundings
) -> Bot:
    if held is not None:
        return Bot(*held)
    bot, batch = Bot.create(config, around.draw_log_id(), config_digest(config), now_ms)
    await journal.commit([(bot, batch)])
    return bot


async def _change_config(bot: Bot, config: BotConfig, now_ms: int, journal: Journal, feed: FeedStream) -> None:
    event = ConfigChanged(config, config_digest(config), changed_keys(bot.state.config, config))
    await journal.commit([(bot, bot.observe([event], now_ms, feed.view))])
