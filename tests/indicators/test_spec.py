"""Indicators have canonical texts, bounds, and windows with a name."""

from decimal import Decimal

import pytest

from engine.core.errors import ConfigError
from engine.core.market import Candle
from engine.indicators.spec import KINDS, MAX_CANDLES, IndicatorSpec, parse_spec, window_digest

GOOD = {
    "close": (IndicatorSpec("close"), 3),
    "rsi:14": (IndicatorSpec("rsi", (14,)), 17),
    "stoch_rsi:14:5:3": (IndicatorSpec("stoch_rsi", (14, 5, 3)), 23),
    "ema:25": (IndicatorSpec("ema", (25,)), 27),
    "macd:12:26:9": (IndicatorSpec("macd", (12, 26, 9)), 36),
    "mfi:14": (IndicatorSpec("mfi", (14,)), 17),
    "drop:12": (IndicatorSpec("drop", (12,)), 14),
}


@pytest.mark.parametrize(("text", "spec", "needed"), [(text, *rest) for text, rest in GOOD.items()], ids=GOOD)
def test_spec_from_its_text_gives_the_text_back(text: str, spec: IndicatorSpec, needed: int) -> None:
    assert parse_spec(text) == spec
    assert spec.text == text
    assert spec.candles_needed == needed
    assert spec.needs_volume == (spec.name == "mfi")


def test_specs_of_all_kinds_are_shown_here() -> None:
    assert {spec.name for spec, _ in GOOD.values()} == set(KINDS)


@pytest.mark.parametrize(
    "text", ["rsi:200", "ema:400", "macd:199:200:100", "stoch_rsi:200:100:50", "drop:497", "mfi:200"]
)
def test_specs_at_their_upper_bound_fit_into_a_full_window(text: str) -> None:
    assert parse_spec(text).candles_needed <= MAX_CANDLES


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "there are close, rsi"),
        ("bollinger:20", "there are close, rsi"),
        ("RSI:14", "there are close, rsi"),
        ("rsi", "rsi:PERIOD"),
        ("rsi:14:3", "rsi:PERIOD"),
        ("close:1", "form close"),
        ("macd:12:26", "macd:FAST:SLOW:SIGNAL"),
        ("rsi:1", "period is '1', and must be from 2 to 200"),
        ("rsi:201", "from 2 to 200"),
        ("rsi:-14", "from 2 to 200"),
        ("rsi:014", "from 2 to 200"),
        ("rsi:14.5", "from 2 to 200"),
        ("rsi:", "from 2 to 200"),
        ("rsi:" + "9" * 5000, "from 2 to 200"),
        ("macd:26:12:9", "smaller than slow"),
        ("stoch_rsi:14:1:3", "k_period"),
        ("drop:498", "from 2 to 497"),
    ],
    ids=lambda value: value[:20],
)
def test_spec_that_is_wrong_says_what_is_allowed(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as fault:
        parse_spec(text)
    assert told in str(fault.value)


def window(close: str = "101.5", *, filled: bool = False, volume: str = "2") -> tuple[Candle, ...]:
    first = Candle(0, Decimal(100), Decimal(102), Decimal(99), Decimal(101), Decimal(1))
    return first, Candle(60_000, Decimal(101), Decimal(102), Decimal(100), Decimal(close), Decimal(volume), filled)


def test_window_digest_is_known_and_depends_on_every_character() -> None:
    assert window_digest(window()) == "ce8ee9986bd11de8"
    others = [window("101.50"), window("101.6"), window(filled=True), window(volume="3"), window()[:1], window()[::-1]]
    assert len({window_digest(each) for each in [window(), *others]}) == 7
