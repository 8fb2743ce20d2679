"""Strategy `dca`: each vote at, over and under its threshold, how many must agree, and what keeps it from voting."""

from decimal import Decimal
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.errors import ConfigError
from engine.core.events import IndicatorsObserved, PriceObserved
from engine.core.strategy import Buy, Hold
from engine.indicators.spec import parse_spec
from engine.strategies.catalogue import PARAMS, STRATEGIES, strategy_for
from engine.strategies.dca import Dca, DcaParams, Indicators
from tests.kernel import START_MS, Kernel, bought, config_of

SPEC = pytest.mark.spec
NAMES: Final = Indicators.__struct_fields__
PRICE: Final = PriceObserved(Decimal(50_000))
STATE: Final = Kernel().state


def only(*names: str, **numbers: Any) -> Dca:
    """Give a strategy with these votes alone; `numbers` go to the first of them."""
    votes: dict[str, Any] = {name: {"enabled": name in names} for name in NAMES}
    if names:
        votes[names[0]] |= numbers
    return Dca.from_params({"indicators": votes})


def on(spec: str, values: tuple[float, ...], closes: tuple[float, ...] = (100.0, 100.0, 100.0)) -> IndicatorsObserved:
    """Give indicators with one specification."""
    return IndicatorsObserved("5m", 0, {"close": closes, spec: values})


# --- one vote at a time ----------------------------------------------------------------------------------------------

VOTES: Final[list[Any]] = [
    pytest.param("rsi", {"check_rising": False}, "rsi:14", (50.0, 40.0, 30.0), True, id="rsi-at-30"),
    pytest.param("rsi", {"check_rising": False}, "rsi:14", (1.0, 2.0, 30.000001), False, id="rsi-over-30"),
    pytest.param("rsi", {}, "rsi:14", (27.0, 28.0, 29.0), True, id="rsi-low-and-rising"),
    pytest.param("rsi", {}, "rsi:14", (28.0, 28.0, 29.0), False, id="rsi-low-but-flat-before"),
    pytest.param("rsi", {}, "rsi:14", (27.0, 29.0, 29.0), False, id="rsi-low-but-flat-now"),
    pytest.param("rsi", {}, "rsi:14", (28.0, 29.0), False, id="rsi-too-few-values-to-rise"),
    pytest.param("rsi", {}, "rsi:14", (31.0, 32.0, 33.0), False, id="rsi-rising-but-high"),
    pytest.param("rsi", {"threshold": 45, "period": 7}, "rsi:7", (43.0, 44.0, 45.0), True, id="rsi-other-numbers"),
    pytest.param("stoch_rsi", {}, "stoch_rsi:14:5:3", (20.0,), True, id="stochastic-rsi-at-20"),
    pytest.param("stoch_rsi", {}, "stoch_rsi:14:5:3", (20.1,), False, id="stochastic-rsi-over-20"),
    pytest.param("stoch_rsi", {"threshold": 33, "fast_k": 7}, "stoch_rsi:14:7:3", (33.0,), True, id="stochastic-other"),
    pytest.param("ema", {}, "ema:25", (100.01,), True, id="close-under-the-average"),
    pytest.param("ema", {}, "ema:25", (100.0,), False, id="close-at-the-average"),
    pytest.param("ema", {}, "ema:25", (99.99,), False, id="close-over-the-average"),
    pytest.param("ema", {"period": 50}, "ema:50", (100.01,), True, id="average-of-fifty"),
    pytest.param("macd", {}, "macd:12:26:9", (-2.0, -1.9), True, id="histogram-rising"),
    pytest.param("macd", {}, "macd:12:26:9", (-1.9, -1.9), False, id="histogram-flat"),
    pytest.param("macd", {}, "macd:12:26:9", (2.0, 1.9), False, id="histogram-falling"),
    pytest.param("macd", {}, "macd:12:26:9", (1.9,), False, id="histogram-of-one-value"),
    pytest.param("mfi", {}, "mfi:14", (20.0,), True, id="money-flow-at-20"),
    pytest.param("mfi", {}, "mfi:14", (20.1,), False, id="money-flow-over-20"),
    pytest.param("price_drop", {}, "drop:12", (2.0,), True, id="drop-of-two-percent"),
    pytest.param("price_drop", {}, "drop:12", (1.99,), False, id="drop-of-less"),
    pytest.param("price_drop", {"percent": 5, "candles": 24}, "drop:24", (5.0,), True, id="drop-other-numbers"),
]


@SPEC("each vote says yes at its threshold and no beyond it", section="Strategy dca")
@pytest.mark.parametrize(("name", "numbers", "spec", "values", "yes"), VOTES)
def test_vote_at_its_threshold(name: str, numbers: Any, spec: str, values: tuple[float, ...], yes: bool) -> None:
    strategy = only(name, **numbers)
    assert strategy.indicators() == tuple(sorted({"close", spec}))
    assert parse_spec(spec).text == spec
    assert isinstance(strategy.vote(STATE, PRICE, on(spec, values)), Buy) is yes


@SPEC("price rising means that the last three closes rise", section="Strategy dca")
@pytest.mark.parametrize(
    ("closes", "yes"),
    [((1.0, 2.0, 3.0), True), ((1.0, 1.0, 3.0), False), ((3.0, 2.0, 1.0), False), ((2.0, 3.0), False)],
)
def test_vote_for_a_rising_price_reads_the_closes(closes: tuple[float, ...], yes: bool) -> None:
    strategy = only("rising_price")
    assert strategy.indicators() == ("close",)
    indicators = IndicatorsObserved("5m", 0, {"close": closes})
    assert isinstance(strategy.vote(STATE, PRICE, indicators), Buy) is yes


@pytest.mark.parametrize("name", NAMES)
def test_vote_without_its_value_is_a_no(name: str) -> None:
    held = only(name).vote(STATE, PRICE, IndicatorsObserved("5m", 0, {}))
    assert isinstance(held, Hold)
    assert (held.rule, held.numbers["yes"], held.numbers["needed"]) == ("votes", "", "1")


# --- agreement -------------------------------------------------------------------------------------------------------


@SPEC("by default RSI, EMA and rising price vote, the others do not", section="Strategy dca")
def test_votes_by_default_are_three() -> None:
    assert Dca(DcaParams()).indicators() == ("close", "ema:25", "rsi:14")


@SPEC("it buys when at least one and at least half of the enabled votes say yes", section="Strategy dca")
@pytest.mark.parametrize(("enabled", "needed"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (6, 3)], ids=str)
def test_purchase_needs_at_least_half_of_the_enabled_votes(enabled: int, needed: int) -> None:
    names = ["rsi", "stoch_rsi", "ema", "macd", "mfi", "price_drop"][:enabled]
    strategy = only(*names)
    yes: dict[str, tuple[float, ...]] = {
        "rsi:14": (1.0, 2.0, 3.0),
        "stoch_rsi:14:5:3": (0.0,),
        "ema:25": (200.0,),
        "macd:12:26:9": (1.0, 2.0),
        "mfi:14": (0.0,),
        "drop:12": (50.0,),
    }
    specs = list(yes)[:enabled]
    for count in range(enabled + 1):
        values = {"close": (100.0,), **{spec: yes[spec] for spec in specs[:count]}}
        intent = strategy.vote(STATE, PRICE, IndicatorsObserved("5m", 0, values))
        assert isinstance(intent, Buy) is (count >= needed), (enabled, count)


@SPEC("no enabled vote is a configuration error", section="Strategy dca")
def test_strategy_without_a_vote_is_refused_naming_the_key() -> None:
    with pytest.raises(ConfigError, match=r"strategy_params\.indicators enables no vote.*enable at least one"):
        only()


def test_purchase_says_which_votes_spoke_for_it() -> None:
    values = {"close": (1.0, 2.0, 3.0), "ema:25": (5.0,), "rsi:14": (70.0, 70.0, 70.0)}
    intent = Dca(DcaParams()).vote(STATE, PRICE, IndicatorsObserved("5m", 0, values))
    assert intent == Buy("2 of 3 votes for it (ema, rising_price)")


def test_hold_tells_the_votes_and_the_values_they_read() -> None:
    values = {"close": (3.0, 2.0, 1.0), "ema:25": (5.0,), "rsi:14": (70.0, 70.0, 70.12345)}
    held = Dca(DcaParams()).vote(STATE, PRICE, IndicatorsObserved("5m", 0, values))
    assert isinstance(held, Hold)
    assert held.text == "1 of 3 votes for it (ema), 2 needed"
    assert held.numbers == {"yes": "ema", "needed": "2", "rsi:14": "70.1235", "ema:25": "5.0000", "close": "1.0000"}


@given(st.dictionaries(st.sampled_from(NAMES), st.booleans(), min_size=len(NAMES)), st.data())
def test_purchase_on_any_values_never_lacks_half_of_the_votes(enabled: dict[str, bool], data: st.DataObject) -> None:
    if not any(enabled.values()):
        return
    strategy = Dca.from_params({"indicators": {name: {"enabled": on} for name, on in enabled.items()}})
    floats = st.tuples(*[st.floats(0, 100)] * 3)
    values = {spec: data.draw(floats) for spec in strategy.indicators()}
    intent = strategy.vote(STATE, PRICE, IndicatorsObserved("5m", 0, values))
    if isinstance(intent, Buy):
        yes = intent.reason.partition("(")[2].rstrip(")").split(", ")
        assert len(yes) * 2 >= sum(enabled.values())
        assert all(enabled[name] for name in yes)


# --- the screen ------------------------------------------------------------------------------------------------------


@SPEC("max_price and min_price bound the prices it buys at, both included", section="Strategy dca")
@pytest.mark.parametrize(
    ("price", "rule"),
    [("50000.00", None), ("50000.01", "max_price"), ("40000.00", None), ("39999.99", "min_price")],
)
def test_price_outside_the_band_is_ruled_out_before_any_vote(price: str, rule: str | None) -> None:
    strategy = Dca.from_params({"max_price": 50_000, "min_price": 40_000})
    held = strategy.screen(STATE, PriceObserved(Decimal(price)), START_MS)
    assert (None if held is None else held.rule) == rule


@SPEC("min_interval_hours must pass between two purchases", section="Strategy dca")
@pytest.mark.parametrize(
    ("hours", "after_ms", "held"),
    [
        pytest.param("0", 0, False, id="none-asked-for"),
        pytest.param("2", 7_199_999, True, id="a-millisecond-short"),
        pytest.param("2", 7_200_000, False, id="to-the-millisecond"),
        pytest.param("0.5", 1_799_999, True, id="half-an-hour"),
    ],
)
def test_purchase_soon_after_another_waits_for_the_interval(hours: str, after_ms: int, held: bool) -> None:
    strategy = Dca.from_params({"min_interval_hours": hours})
    kernel = bought(50_000)
    last_ms = kernel.state.stats.last_purchase_ms
    assert last_ms is not None
    hold = strategy.screen(kernel.state, PRICE, last_ms + after_ms)
    assert (hold is not None and hold.rule == "min_interval") is held


def test_first_purchase_waits_for_no_interval() -> None:
    assert Dca.from_params({"min_interval_hours": 24}).screen(STATE, PRICE, START_MS) is None


# --- parameters ------------------------------------------------------------------------------------------------------


@SPEC("it spends strategy_params.amount_usd, 100 by default", section="Strategy dca")
@pytest.mark.parametrize(("params", "amount"), [({}, "100"), ({"amount_usd": "12.5"}, "12.5")])
def test_amount_is_the_configured_one(params: Any, amount: str) -> None:
    assert Dca.from_params(params).amount(STATE) == Decimal(amount)


@pytest.mark.parametrize("params", [{"amount": 1}, {"indicators": {"rsi": {"treshold": 1}}}, {"indicators": {"x": {}}}])
def test_parameter_nobody_knows_is_refused(params: Any) -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        Dca.from_params(params)


def test_catalogue_binds_each_strategy_it_names_to_its_parameters() -> None:
    assert set(STRATEGIES) == set(PARAMS) == {"dca"}
    strategy = strategy_for(config_of(strategy_params={"amount_usd": "7"}))
    assert (strategy.name, strategy.amount(STATE)) == ("dca", Decimal(7))


def test_votes_recorded_in_the_log_bind_to_the_same_parameters_again() -> None:
    params = DcaParams(amount_usd=Decimal("12.34"), max_price=Decimal("1e5"))
    recorded = msgspec.json.decode(msgspec.json.encode(msgspec.to_builtins(params)))
    assert Dca.from_params(recorded).params == params
