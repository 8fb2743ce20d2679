"""The kernel computes the same, to the last digit, whatever decimal context the process around it has set.

Method: one life, lived and decided again under contexts that round otherwise and keep fewer digits.
"""

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, ROUND_UP, Context, Decimal, getcontext, setcontext

import pytest

from engine.core.exact import CONTEXT, exactly
from engine.runtime.schema import state_digest
from tests.kernel import Kernel, bought

ODD = [
    pytest.param(Context(prec=28, rounding=ROUND_HALF_UP), id="as-ccxt-leaves-it"),
    pytest.param(Context(prec=28, rounding=ROUND_UP), id="rounding-up"),
    pytest.param(Context(prec=6), id="six-digits"),
]


@pytest.fixture
def ambient(request: pytest.FixtureRequest) -> Iterator[Context]:
    before = getcontext()
    setcontext(request.param)
    yield request.param
    setcontext(before)


def lived() -> Kernel:
    kernel = bought("50000.37", sell_order_type="trailing_market", profit_target="0.7")
    for price in (
        "50500.13",
        "50811.71",
        "50733.01",
        "50400.03",
        "50555.55",
        "50421.07",
        "50700.01",
        "51200.99",
        "51000.07",
    ):
        kernel.price(price)
    return kernel


REFERENCE = lived()


@pytest.mark.spec(
    "the same log gives the same state on any machine, to the last digit", section="What was seen is logged too"
)
@pytest.mark.parametrize("ambient", ODD, indirect=True)
def test_life_under_another_decimal_context_is_the_same_to_the_last_digit(ambient: Context) -> None:
    kernel = lived()
    assert getcontext() is ambient, "the caller's context is left as it was"
    assert state_digest(kernel.state) == state_digest(REFERENCE.state)
    assert kernel.file() == REFERENCE.file()


def test_function_that_fails_leaves_the_context_as_it_was() -> None:
    before = getcontext()

    @exactly
    def divided() -> Decimal:
        assert getcontext() is CONTEXT
        return Decimal(1) / Decimal(0)

    with pytest.raises(ZeroDivisionError):
        divided()
    assert getcontext() is before
