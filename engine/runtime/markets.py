"""Which markets there are, and how a config's `market` section becomes one.

The section holds the market's own keys and those of the paper account; bots whose market keys are equal share a feed.
"""

from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from engine.core.config import BotConfig
from engine.core.errors import ConfigError
from engine.core.identity import feed_stream
from engine.exchanges.paper import PaperSettings
from engine.feeds.market import WaitingMarket
from engine.feeds.recording import RecordedSettings
from engine.feeds.simulated import SimulatedMarket, SimulatedSettings
from engine.runtime.conversion import explain

SIMULATED: Final = "simulated"
RECORDED: Final = "recorded"


class LiveSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the `market` section of a real exchange may hold.

    `endpoint` is a server on this machine that plays the exchange, such as `http://127.0.0.1:8600`: to try things out.
    """

    endpoint: str = ""


Settings = SimulatedSettings | RecordedSettings | LiveSettings
SETTINGS: Final[dict[str, type[Settings]]] = {SIMULATED: SimulatedSettings, RECORDED: RecordedSettings}
"""The markets that need no network; every other exchange is a real one."""

T = TypeVar("T")


def market_keys(exchange: str) -> tuple[str, ...]:
    """Name the keys that the `market` section of an exchange may hold."""
    return (*_kind_of(exchange).__struct_fields__, *PaperSettings.__struct_fields__)


def is_real(exchange: str) -> bool:
    """Tell whether an exchange is a real one, which does not wait for the bot."""
    return exchange not in SETTINGS


def _kind_of(exchange: str) -> type[Settings]:
    return SETTINGS.get(exchange, LiveSettings)


def _part(kind: type[T], config: BotConfig) -> T:
    fields = getattr(kind, "__struct_fields__")  # noqa: B009 - a struct type's fields, whatever the type
    section = {key: value for key, value in config.market.items() if key in fields}
    try:
        return msgspec.convert(section, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(explain(error, section, "market")) from error


def paper_settings(config: BotConfig) -> PaperSettings:
    """Give how the paper account of this bot behaves.

    Raises:
        ConfigError: a key of `market` has a wrong type or is out of its range.
    """
    settings = _part(PaperSettings, config)
    if not 0 < settings.fill_fraction <= 1:
        raise ConfigError(f"market.fill_fraction is {settings.fill_fraction}, and must be above 0 and at most 1")
    return settings


def market_settings(config: BotConfig) -> Settings:
    """Give the settings of this bot's market.

    Raises:
        ConfigError: a key of `market` has a wrong type or is missing.
    """
    return _part(_kind_of(config.exchange), config)


def feed_of(config: BotConfig) -> str:
    """Name the feed stream of this bot, by the market settings that differ from their defaults.

    So a setting that a later version adds does not make every market another one.
    """
    settings = market_settings(config)
    given = {
        field.name: _plain(value)
        for field in msgspec.structs.fields(settings)
        if (value := getattr(settings, field.name)) != field.default
    }
    return feed_stream(config.exchange, config.symbol, given)


def _plain(value: object) -> object:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


def build_market(config: BotConfig) -> WaitingMarket:
    """Make the market that this bot trades on, one that waits.

    Raises:
        ConfigError: a setting is out of range, or the recording cannot be used.
    """
    settings = market_settings(config)
    assert not isinstance(settings, LiveSettings), config
    if isinstance(settings, SimulatedSettings):
        return SimulatedMarket(config.symbol, config.base, config.quote, settings)
    from engine.feeds.recorded import load_recording

    return load_recording(config.symbol, config.base, config.quote, settings)
