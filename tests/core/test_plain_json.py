"""How amounts are written where they leave the engine."""

from decimal import Decimal, getcontext, localcontext

import msgspec
import pytest

from engine.core.events import OrderFilled
from engine.core.units import plain_json

AMOUNTS = [
    ("0E-8", "0"),
    ("-0.00", "0"),
    ("1E-7", "0.0000001"),
    ("1.2300E-10", "0.000000000123"),
    ("50000.00", "50000"),
    ("1E+3", "1000"),
    ("-0.5", "-0.5"),
    ("123456789012345.123456789012345678", "123456789012345.123456789012345678"),
]


@pytest.mark.spec("amounts in the state file and in JSON are plain numbers", section="Files and interfaces")
@pytest.mark.parametrize(("amount", "written"), AMOUNTS)
def test_amount_is_written_without_an_exponent_and_with_every_digit(amount: str, written: str) -> None:
    assert plain_json({"amount": [Decimal(amount)]}).decode() == f'{{"amount":[{written}]}}'


def test_amount_is_written_the_same_in_any_decimal_context() -> None:
    with localcontext():
        getcontext().prec = 3
        assert plain_json(Decimal("1.2345678")) == b"1.2345678"


def test_struct_is_written_with_its_tag_and_plain_amounts() -> None:
    fill = OrderFilled(
        "kx0000", "t-1", Decimal("50000.00"), Decimal("1E-7"), Decimal("0E-8"), "USD", Decimal("0E-8"), "maker"
    )
    read = msgspec.json.decode(plain_json(fill))
    assert read["type"] == "order_filled"
    assert b"E-" not in plain_json(fill)
    assert read["quantity"] == 1e-7
