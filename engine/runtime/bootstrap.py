"""The composition root: configurations to worlds, on an open log.

The one place that names concrete classes. Takes up each bot from the log or creates it, refuses what may not change,
and gives every market its world.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from engine.core.config import BotConfig, changed_keys, config_digest
from engine.core.config_rules import forbidden_change
from engine.core.errors import ConfigError
from engine.core.events import ConfigChanged, FeedDetached
from engine.core.identity import bot_stream
from engine.core.market import TIMEFRAMES_MS
from engine.core.state import BotState
from engine.exchanges.paper import PaperGateway
from engine.exchanges.port import Gateway
from engine.feeds.market import WaitingMarket
from engine.indicators.spec import IndicatorSpec, parse_spec
from engine.runtime.bot import Bot
from engine.runtime.clock import MarketClock
from engine.runtime.feed import Feed
from engine.runtime.journal import Journal, Listener
from engine.runtime.markets import build_market, feed_of, paper_settings
from engine.runtime.projection_writer import ProjectionWriter
from engine.runtime.replica import bot_ids, restore_bot, restore_view
from engine.runtime.waiting_world import WaitingWorld
from engine.runtime.world import World
from engine.store.port import Batch, Entry, Head, Store
from engine.strategies.catalogue import strategy_for

GatewayFor = Callable[[BotConfig, Feed], Gateway]


def paper_gateway(config: BotConfig, feed: Feed) -> Gateway:
    """Give a bot its paper account."""
    return PaperGateway(paper_settings(config), lambda: feed.view)


class Surroundings(msgspec.Struct, frozen=True):
    """What is passed in: where files go, who is told, how ids are drawn, which gateway a bot gets.

    `say` tells a line about the program: market time, bot id, text, and whether it is routine.
    """

    directory: Path
    listeners: tuple[Listener, ...]
    say: Callable[[int, str, str, bool], None]
    draw_log_id: Callable[[], str]
    gateway_for: GatewayFor = paper_gateway


def check_configs(configs: Sequence[BotConfig]) -> dict[str, WaitingMarket]:
    """Check configurations against each other and their markets; give each market by its feed's name.

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
        if feed not in markets:
            markets[feed] = build_market(config)
        _check_market(config, markets[feed])
    return markets


def _check_market(config: BotConfig, market: WaitingMarket) -> None:
    for spec in strategy_for(config).indicators():
        if _parsed(spec, config).needs_volume and not market.has_volume:
            raise ConfigError(
                f"{config.bot_id}: the vote over {spec} needs volumes, and this market has prices only: switch it off "
                "or record candles"
            )
    amount, least = Decimal(str(config.strategy_params.get("amount_usd", 0))), market.rules.min_notional
    if 0 < amount < least:
        raise ConfigError(
            f"{config.bot_id}: strategy_params.amount_usd is {amount}, and this market takes no order under {least}"
        )
    market.candles(TIMEFRAMES_MS[config.timeframe], market.start_ms, market.start_ms)


def _parsed(spec: str, config: BotConfig) -> IndicatorSpec:
    try:
        return parse_spec(spec)
    except ConfigError as error:
        raise ConfigError(f"{config.bot_id}: strategy_params.indicators: {error}") from error


async def open_worlds(
    store: Store, configs: Sequence[BotConfig], markets: Mapping[str, WaitingMarket], around: Surroundings
) -> list[World]:
    """Take up or create every bot and seat it in the world of its market; `markets` is what `check_configs` gave.

    Raises:
        ConfigError: a configuration is refused after what the log holds.
    """
    known = {bot_id: restore_bot(store, bot_id) for bot_id in bot_ids(store)}
    for config in configs:
        held = known.get(config.bot_id)
        if held is not None and (refusal := forbidden_change(held[0], config)) is not None:
            raise ConfigError(f"{config.bot_id}: {refusal}")
    await _detach_the_dead(store, known)
    worlds = []
    for name, market in markets.items():
        members = [config for config in configs if feed_of(config) == name]
        worlds.append(await _world(store, name, market, members, known, around))
    return worlds


async def _detach_the_dead(store: Store, known: dict[str, tuple[BotState, Head]]) -> None:
    """Record, for every bot that a dead process left listening, that it stopped listening.

    The state directory is ours alone, so nobody else listens; without this, replay would show a bot prices that came
    while it was not running.
    """
    for bot_id, (state, head) in known.items():
        if not state.attached or state.feed is None:
            continue
        view = restore_view(store, state.feed)
        event = FeedDetached(state.feed, view.sequence, view.price_ms)
        batch = Batch(bot_stream(bot_id), head.sequence, (Entry(event, head.at_ms),))
        await store.append([batch], urgent=True)
        known[bot_id] = restore_bot(store, bot_id)


async def _world(
    store: Store,
    name: str,
    market: WaitingMarket,
    members: Sequence[BotConfig],
    known: dict[str, tuple[BotState, Head]],
    around: Surroundings,
) -> World:
    view = restore_view(store, name)
    heads = [known[config.bot_id][1].at_ms for config in members if config.bot_id in known]
    clock = MarketClock(max([market.start_ms, view.at_ms, *heads]))
    if view.price is None and market.end_ms is not None and clock.now_ms > market.end_ms:
        raise ConfigError(f"{members[0].bot_id}: this market ends before the last event of its log: use another bot_id")
    calls: Counter[str] = Counter(load_markets=1)
    journal = Journal(store, around.listeners)

    def say(bot_id: str, text: str, routine: bool) -> None:  # noqa: FBT001 - the shape of Say
        at_ms = clock.now_ms
        journal.afterwards(lambda: around.say(at_ms, bot_id, text, routine))

    feed = Feed(view, market, calls, lambda bot, text: say(bot.state.bot_id, text, True))  # noqa: FBT003
    intervals_ms = {bot_stream(config.bot_id): config.save_interval * 1000 for config in members if config.auto_save}
    writer = ProjectionWriter(around.directory, say, intervals_ms, clock.now_ms)
    journal.listeners.insert(0, writer.listen)  # what is owed to the disk comes before what is told
    world = WaitingWorld(feed, clock, journal, writer, calls)
    for config in members:
        bot = await _take_up(config, known.get(config.bot_id), clock.now_ms, journal, around)
        if bot.state.config != config:
            await _change_config(bot, config, clock.now_ms, journal, feed)
        world.seat(bot, around.gateway_for(config, feed))
    return world


async def _take_up(
    config: BotConfig, held: tuple[BotState, Head] | None, now_ms: int, journal: Journal, around: Surroundings
) -> Bot:
    if held is not None:
        return Bot(*held)
    bot, batch = Bot.create(config, around.draw_log_id(), config_digest(config), now_ms)
    await journal.commit([(bot, batch)])
    return bot


async def _change_config(bot: Bot, config: BotConfig, now_ms: int, journal: Journal, feed: Feed) -> None:
    event = ConfigChanged(config, config_digest(config), changed_keys(bot.state.config, config))
    await journal.commit([(bot, bot.observe([event], now_ms, feed.view))])
