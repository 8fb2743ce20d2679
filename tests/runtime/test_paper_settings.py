"""What the paper account may be told in the `market` section, and what is refused with the key, value and range."""

import pytest

from engine.core.errors import ConfigError
from engine.runtime.config_file import parse_config

CONFIG = "exchange: simulated\nsymbol: BTC/USD\nmarket:\n  fill_fraction: {}\n"


@pytest.mark.parametrize("fraction", ["0", "-0.5", "1.0001", "5"])
@pytest.mark.spec(
    "an amount out of its range is refused with key, value and what is allowed", section="issue: Bad input"
)
def test_fill_fraction_out_of_range_is_refused_by_name(fraction: str) -> None:
    with pytest.raises(ConfigError, match=rf"market\.fill_fraction is {fraction}, and must be above 0 and at most 1"):
        parse_config(CONFIG.format(fraction), "test")


@pytest.mark.parametrize("fraction", ["0.00001", "0.5", "1"])
def test_fill_fraction_within_range_is_taken(fraction: str) -> None:
    assert parse_config(CONFIG.format(fraction), "test").config.market["fill_fraction"]
