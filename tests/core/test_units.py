"""Exact arithmetic: what may enter, how amounts are rounded and in whose favour, and times as people write them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.instants import iso_utc, parse_utc
from engine.core.units import ceil_to, change_percent, floor_to, is_sound

SPEC = pytest.mark.spec
D = Decimal
AMOUNTS: Final = st.decimals(0, 10**9, places=8)
STEPS: Final = st.sampled_from([D("0.00000001"), D("0.00001"), D("0.01"), D("0.5"), D(1), D(5), D("0.003")])


@SPEC("amounts are finite and bounded on entry", section="Words, used everywhere in exactly this sense")
@pytest.mark.parametrize(
    ("text", "sound"),
    [
        ("0", True),
        ("-1.5", True),
        ("1e15", True),
        ("-1e15", True),
        ("1000000000000000.01", False),
        ("1e-18", True),
        ("1e-19", False),
        ("NaN", False),
        ("sNaN", False),
        ("Infinity", False),
        ("-Infinity", False),
        ("1e999999999", False),
    ],
)
def test_number_may_enter_if_finite_bounded_and_not_too_fine(text: str, sound: bool) -> None:
    assert is_sound(D(text)) is sound


@SPEC("quantities and buy prices are rounded down, sell prices and reserves up", section="Money")
@given(AMOUNTS, STEPS)
def test_rounding_gives_the_nearest_multiple_on_its_side(value: D, step: D) -> None:
    low, high = floor_to(value, step), ceil_to(value, step)
    assert low % step == high % step == 0
    assert low <= value <= high
    assert value - low < step
    assert high - value < step
    assert (low == high) is (value % step == 0)


@given(AMOUNTS, STEPS)
def test_rounding_twice_changes_nothing_more(value: D, step: D) -> None:
    assert floor_to(floor_to(value, step), step) == floor_to(value, step)
    assert ceil_to(ceil_to(value, step), step) == ceil_to(value, step)
    assert ceil_to(floor_to(value, step), step) == floor_to(value, step)


@pytest.mark.parametrize(
    ("value", "base", "percent"),
    [
        ("50550", "50800", "-0.492125"),
        ("50000", "50000", "0"),
        ("100", "50", "100"),
        ("2", "3", "-33.333333"),
        ("4", "3", "33.333333"),
    ],
)
def test_change_is_told_to_six_decimals_towards_zero(value: str, base: str, percent: str) -> None:
    assert change_percent(D(value), D(base)) == D(percent)


# --- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_762_165_800_000, "2025-11-03T10:30:00Z"),
        (1_762_165_800_007, "2025-11-03T10:30:00.007Z"),
    ],
)
def test_time_is_written_in_utc_with_milliseconds_only_where_there_are_any(at_ms: int, text: str) -> None:
    assert iso_utc(at_ms) == text
    assert parse_utc(text) == at_ms


@given(st.integers(0, 4_102_444_800_000))
def test_time_written_is_read_back_to_the_millisecond(at_ms: int) -> None:
    assert parse_utc(iso_utc(at_ms)) == at_ms


@SPEC("a time without a zone is UTC", section="Markets without a network")
@pytest.mark.parametrize(
    "text", ["2025-11-03T10:30:00", "2025-11-03 10:30", "2025-11-03T11:30:00+01:00", "20251103T103000Z"]
)
def test_time_as_people_write_it_is_read(text: str) -> None:
    assert parse_utc(text) == int(datetime(2025, 11, 3, 10, 30, tzinfo=UTC).timestamp()) * 1000


@pytest.mark.parametrize("text", ["", "yesterday", "2025-13-01", "2025-11-03T25:00"])
def test_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_utc(text)
