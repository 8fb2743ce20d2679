"""Reads configuration files: YAML text to a checked `BotConfig`, or one clear sentence.

The one place where text from outside becomes configuration. Numbers are exact (never through a float), unknown keys
are refused with the nearest known one, and a value is never printed where it might be a secret.
"""

import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

import msgspec

from engine.core.config import BotConfig, Fees, Risk
from engine.core.config_rules import RANGES, STRATEGY_RANGES, Range, problems
from engine.core.errors import ConfigError
from engine.core.identity import derived_bot_id
from engine.core.units import MAX_AMOUNT, MAX_DECIMALS, is_sound
from engine.exchanges.addresses import local_origin
from engine.exchanges.venues import live_venue_of, venue_of
from engine.runtime.conversion import explain
from engine.runtime.exact_yaml import parse_yaml
from engine.runtime.markets import SETTINGS, LiveSettings, is_real, market_keys, market_settings, paper_settings
from engine.strategies.catalogue import PARAMS, STRATEGIES, strategy_for

MAX_BYTES: Final = 64 * 1024
MAX_RECORDED: Final = 32 * 1024
"""What a configuration may take in the log, in bytes."""

STATE_DIR: Final = "data"
SECRET_WORDS: Final = ("secret", "apikey", "api_key", "password", "passphrase", "private_key", "token")
_HALF_CHARACTER: Final = re.compile("[\ud800-\udfff]")
OWN_KEYS: Final = (*BotConfig.__struct_fields__, "state_dir")


class LoadedConfig(msgspec.Struct, frozen=True):
    """A checked configuration, the directory it names, and the file it came from."""

    config: BotConfig
    state_dir: Path
    source: str


def load_config(path: Path) -> LoadedConfig:
    """Read and check one configuration file.

    Raises:
        ConfigError: the file cannot be read or used; names key, value and remedy.
    """
    try:
        return parse_config(_read(path), str(path))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"the file cannot be read: {os.strerror(error.errno or 0)}") from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"the file is larger than {MAX_BYTES // 1024} KiB, which no configuration is")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ConfigError("the file is not UTF-8 text") from error


def one_directory(loaded: Sequence[LoadedConfig]) -> Path:
    """Give the state directory that all configurations share.

    Raises:
        ConfigError: they name several.
    """
    directories = list(dict.fromkeys(each.state_dir for each in loaded))
    if len(directories) > 1:
        listed = ", ".join(str(each) for each in directories)
        raise ConfigError(f"state_dir differs between the configurations ({listed}): one engine has one directory")
    return directories[0]


def parse_config(text: str, source: str) -> LoadedConfig:
    """Check configuration text.

    Raises:
        ConfigError: names key, value and remedy.
    """
    raw = parse_yaml(text)
    if not isinstance(raw, dict):
        raise ConfigError("the file must hold keys and values, such as 'symbol: BTC/USD'")
    _refuse_unknown(raw, OWN_KEYS, "")
    _refuse_unsound(raw, "")
    for key in ("exchange", "symbol"):
        if key not in raw:
            raise ConfigError(f"{key} is missing: add it, for instance {key}: {_EXAMPLES[key]}")
    state_dir = raw.pop("state_dir", STATE_DIR)
    if not isinstance(state_dir, str) or not state_dir or "\0" in state_dir:
        raise ConfigError(f"state_dir is {state_dir!r}: name a folder, for instance state_dir: data")
    if state_dir[0] in "~$":
        raise ConfigError(f"state_dir is {state_dir!r}, and nothing stands for another folder here: write it in full")
    return LoadedConfig(_checked(raw), Path(state_dir), source)


_EXAMPLES: Final = {"exchange": "simulated", "symbol": "BTC/USD"}


def _checked(raw: dict[str, Any]) -> BotConfig:
    raw["exchange"] = _canonical_exchange(raw["exchange"], live=raw.get("paper_trading") is False)
    hints = get_type_hints(BotConfig)
    if "fees" in raw:
        _refuse_unknown_within(raw["fees"], Fees, "fees.")
    values = {key: _converted(value, hints[key], key) for key, value in raw.items() if key != "risk"}
    if "risk" in raw:
        values["risk"] = _risk(raw["risk"])
    _refuse_unsound(values, "")
    _refuse_out_of_range(values, RANGES, "")
    strategy = values.get("strategy", "dca")
    if strategy not in STRATEGIES:
        raise ConfigError(
            f"strategy is {strategy!r}: use one of {', '.join(STRATEGIES)}{_nearest(strategy, STRATEGIES)}"
        )
    params = raw.get("strategy_params") or {}
    _refuse_unknown_within(params, PARAMS[strategy], "strategy_params.")
    bound = _converted(params, PARAMS[strategy], "strategy_params")
    _refuse_unsound(bound, "strategy_params")
    _refuse_out_of_range(bound, STRATEGY_RANGES, "strategy_params.")
    values["strategy_params"] = msgspec.to_builtins(bound)
    market = raw.get("market") or {}
    if not isinstance(market, dict):
        raise ConfigError(f"market is {market!r}: it holds keys and values")
    _refuse_unknown(market, market_keys(raw["exchange"]), "market.")
    values["market"] = msgspec.to_builtins(market)
    values.setdefault(
        "bot_id",
        derived_bot_id(values["exchange"], values["symbol"], strategy, paper=values.get("paper_trading", True)),
    )
    config = BotConfig(**values)
    for problem in (*problems(config), *_live_problems(config, raw)):
        raise ConfigError(problem)
    _refuse_unsound(market_settings(config), "market")
    _refuse_unsound(paper_settings(config), "market")
    strategy_for(config)
    if len(msgspec.json.encode(config)) > MAX_RECORDED:
        raise ConfigError(f"the configuration is longer than {MAX_RECORDED // 1024} KiB: shorten its longest texts")
    return config


def _canonical_exchange(exchange: object, *, live: bool) -> str:
    """Give the id of an exchange under which it is recorded; names that users know are taken."""
    if isinstance(exchange, str) and exchange in SETTINGS:
        return exchange
    if not isinstance(exchange, str):
        raise ConfigError(f"exchange is {exchange!r}: name an exchange, 'simulated' or 'recorded'")
    near = _nearest(exchange, SETTINGS)
    if near:
        raise ConfigError(f"exchange is {exchange!r}{near}")
    try:
        venue = venue_of(exchange)
    except ConfigError as error:
        raise ConfigError(f"{error}; 'simulated' and 'recorded' need no network") from error
    return live_venue_of(exchange).id if live else venue.id


def _live_problems(config: BotConfig, raw: Mapping[str, Any]) -> Iterable[str]:
    """Name what a real exchange cannot do, or what must be said for it."""
    settings = market_settings(config)
    if isinstance(settings, LiveSettings) and settings.endpoint:
        local_origin(settings.endpoint)
    if not config.live or not is_real(config.exchange):
        return
    if "budget" not in raw:
        yield "budget is missing: live trading needs it, for instance budget: 500, the most that is ever tied up"
    if config.buy_order_type in {"market", "trailing_market"} and not venue_of(config.exchange).market_buy_by_base:
        yield (
            f"buy_order_type is {config.buy_order_type!r}: {config.exchange} cannot buy a quantity at market, use "
            "'limit' or 'trailing_limit'"
        )


def _converted(value: Any, kind: Any, key: str) -> Any:
    if isinstance(value, Decimal) and kind is int and value == value.to_integral_value():
        value = int(value)
    if isinstance(value, bool) and kind in _WORDS:
        raise ConfigError(f"{key} is {str(value).lower()}: a {_WORDS[kind]} is expected")
    try:
        return msgspec.convert(value, kind, strict=kind in {int, bool, str})
    except msgspec.ValidationError as error:
        raise ConfigError(explain(error, value, key, kind)) from error


_WORDS: Final[dict[Any, str]] = {int: "whole number", Decimal: "number", str: "text"}


def _refuse_unknown(section: Mapping[Any, Any], known: Iterable[str], prefix: str) -> None:
    for key in section:
        if key in known:
            continue
        if any(word in str(key).lower().replace("-", "_") for word in SECRET_WORDS):
            raise ConfigError(f"{prefix}{key} looks like a secret: secrets never stand in a configuration, remove it")
        raise ConfigError(f"{prefix}{key} is no key that exists{_nearest(str(key), known) or ': remove it'}")


def _refuse_unknown_within(section: Any, kind: type, prefix: str) -> None:
    """Refuse unknown keys in a section and in the sections inside it."""
    if not isinstance(section, dict):
        raise ConfigError(f"{prefix.rstrip('.')} is {section!r}: it holds keys and values")
    hints = get_type_hints(kind)
    _refuse_unknown(section, hints, prefix)
    for key, value in section.items():
        if isinstance(hints[key], type) and issubclass(hints[key], msgspec.Struct):
            _refuse_unknown_within(value, hints[key], f"{prefix}{key}.")


def _risk(section: Any) -> Risk:
    """Read the limits; a section that limits nothing and a limit without a number are not what their writer meant."""
    _refuse_unknown_within(section, Risk, "risk.")
    if not section:
        raise ConfigError("risk is empty: set a limit such as stop_loss_percent, or leave the section out")
    hints, limits = get_type_hints(Risk), {}
    for key, value in section.items():
        if value is None:
            raise ConfigError(f"risk.{key} has no value: give it one, or leave the key out")
        inner = get_args(hints[key])
        limits[key] = _converted(value, inner[0] if type(None) in inner else hints[key], f"risk.{key}")
    return Risk(**limits)


def _refuse_unsound(value: Any, path: str) -> None:
    """Refuse numbers that are not finite, too large, or finer than 18 decimals, and broken texts, wherever they are."""
    if isinstance(value, msgspec.Struct):
        _refuse_unsound(msgspec.structs.asdict(value), path)
    elif isinstance(value, dict):
        for key, inner in value.items():
            _refuse_unsound(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            _refuse_unsound(inner, f"{path}[{index}]")
    elif isinstance(value, str) and _HALF_CHARACTER.search(value):
        raise ConfigError(f"{path} is {value!r}: it holds half a character, which cannot be written anywhere")
    elif isinstance(value, int | Decimal) and not is_sound(Decimal(value)):
        limits = f"at most {MAX_AMOUNT:f}, with at most {MAX_DECIMALS} decimals"
        raise ConfigError(f"{path} is {value}: a number here is finite, {limits}")


def _refuse_out_of_range(values: Mapping[str, Any], ranges: Mapping[str, Range], prefix: str) -> None:
    for path, allowed in ranges.items():
        value: Any = values
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else getattr(value, part, None)
        if isinstance(value, int | Decimal) and not isinstance(value, bool) and Decimal(value) not in allowed:
            raise ConfigError(f"{prefix}{path} is {value}: it must be {allowed}")


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f": did you mean {near[0]}?" if near else ""
