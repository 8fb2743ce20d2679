"""What trades cost, in whatever assets it was taken, and that no trade waits for ever for the value of its fee."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from engine.core.errors import RateLimitedError, UnreachableError, UnreadableTradeError
from engine.core.market import Tick
from engine.exchanges.fees import KEPT_MS, PATIENCE_MS, TRIES, Fees
from engine.exchanges.port import Fill
from engine.exchanges.readings import trade_of

D = Decimal
SYMBOL = "BTC/USD"
ROW = {"id": "1", "order": "7", "price": "50000", "amount": "1"}
PRICES = {"BTC/USD": "50000", "BNB/USD": "500", "USD/EUR": "0.8", "GT/USDT": "4", "USDT/USD": "0.5", "USD/JPY": "3"}


class Link:
    """What fees ask of a connection: its markets, their prices, and the time."""

    def __init__(self) -> None:
        """Have all prices."""
        self.prices = dict(PRICES)
        self.now_ms = 0
        self.asked: list[str] = []
        self.fault: Exception | None = None

    def clock_ms(self) -> int:
        """Give the time."""
        return self.now_ms

    def market(self, symbol: str) -> Mapping[str, Any] | None:
        """Give a market if there is one."""
        base, _, quote = symbol.partition("/")
        return {"base": base, "quote": quote, "spot": True} if symbol in self.prices else None

    async def ticker(self, symbol: str) -> Tick:
        """Give the price, or the fault."""
        self.asked.append(symbol)
        if self.fault is not None:
            raise self.fault
        return Tick(self.now_ms, D(self.prices[symbol]))


def fill_of(fees: Any, link: Link | None = None) -> Fill:
    """Read a trade with these fees, and value them."""
    told = {"fee": fees} if isinstance(fees, dict) else {"fee": {"cost": None, "currency": None}, "fees": fees}
    return asyncio.run(Fees(link or Link()).fill(SYMBOL, trade_of({**ROW, **told})))  # type: ignore[arg-type]


def cost(asset: str | None, amount: str) -> dict[str, Any]:
    """Give a row of a fee."""
    return {"currency": asset, "cost": amount}


@pytest.mark.parametrize(
    ("fees", "fee", "asset", "value"),
    [
        pytest.param(cost("USD", "5"), "5", "USD", "5", id="in-quote"),
        pytest.param(cost("BTC", "0.001"), "0.001", "BTC", "50", id="in-base"),
        pytest.param(cost("BNB", "0.1"), "0.1", "BNB", "50", id="in-a-third-asset"),
        pytest.param(cost("EUR", "4"), "4", "EUR", "5", id="by-a-market-the-other-way"),
        pytest.param(cost("GT", "0.1"), "0.1", "GT", "0.2", id="by-a-cross"),
        pytest.param(cost("USD", "-5"), "-5", "USD", "-5", id="a-rebate"),
        pytest.param([cost("USD", "0"), cost("GT", "0.1")], "0.1", "GT", "0.2", id="nothing-and-something"),
        pytest.param([cost("USD", "0"), cost("GT", "0")], "0", "USD", "0", id="nothing-in-two-assets"),
        pytest.param([cost(None, "0")], "0", "USD", "0", id="nothing-in-no-asset"),
        pytest.param([cost("BNB", "1"), cost("BNB", "2")], "3", "BNB", "1500", id="two-rows-of-one-asset"),
        pytest.param([cost("BNB", "0.1"), cost("BTC", "0.001")], "0.001", "BTC", "100", id="base-comes-first"),
        pytest.param([cost("BNB", "0.1"), cost("USD", "1")], "1", "USD", "51", id="then-quote"),
        pytest.param([cost("GT", "9"), cost("BNB", "0.1")], "0.1", "BNB", "68", id="then-what-is-worth-most"),
        pytest.param(cost("JPY", "0.00000001"), "1E-8", "JPY", "3.333333333E-9", id="no-more-decimals-than-allowed"),
    ],
)
def test_fee_is_booked_in_one_asset_and_valued_whole(fees: Any, fee: str, asset: str, value: str) -> None:
    found = fill_of(fees)
    assert (found.fee, found.fee_asset, found.fee_quote) == (D(fee), asset, D(value))
    assert found.is_valued


@pytest.mark.parametrize(
    "changes",
    [
        *({"id": None}, {"price": None}, {"price": "0"}, {"amount": None}, {"fee": None}, {"fee": {"currency": "BTC"}}),
        *({"fee": {"cost": None, "currency": None}, "fees": []}, {"fees": [{"cost": "1"}], "fee": None}),
    ],
)
def test_trade_without_its_numbers_makes_no_sense(changes: dict[str, Any]) -> None:
    row = {**ROW, "fee": {"currency": "USD", "cost": "5"}}
    assert trade_of(row).fees == {"USD": D(5)}
    with pytest.raises(UnreachableError):
        trade_of({**row, **changes})


def test_fee_in_an_asset_without_any_market_is_booked_at_once_and_marked() -> None:
    found = fill_of(cost("POINT", "3"))
    assert (found.fee, found.fee_asset, found.fee_quote, found.is_valued) == (D(3), "POINT", D(0), False)
    found = fill_of([cost("POINT", "3"), cost("BTC", "0.001")])
    assert (found.fee, found.fee_asset, found.fee_quote, found.is_valued) == (D("0.001"), "BTC", D(50), False)


def test_price_of_a_fee_that_does_not_come_is_waited_for_and_not_for_ever() -> None:
    async def scenario() -> None:
        link = Link()
        fees, trade = Fees(link), trade_of({**ROW, "fee": cost("BNB", "0.1")})  # type: ignore[arg-type]
        link.fault = UnreachableError("no price")
        for _ in range(TRIES):
            with pytest.raises(UnreachableError):
                await fees.fill(SYMBOL, trade)
        link.now_ms = PATIENCE_MS
        link.fault = RateLimitedError("silence", 1)
        with pytest.raises(RateLimitedError):
            await fees.fill(SYMBOL, trade)
        link.fault = UnreachableError("no price")
        assert not (await fees.fill(SYMBOL, trade)).is_valued
        link.fault = None
        assert (await fees.fill(SYMBOL, trade)).fee_quote == 50

    asyncio.run(scenario())


def test_price_that_was_known_serves_when_no_newer_one_comes() -> None:
    async def scenario() -> None:
        link = Link()
        fees, trade = Fees(link), trade_of({**ROW, "fee": cost("BNB", "0.1")})  # type: ignore[arg-type]
        for _ in range(2):
            assert (await fees.fill(SYMBOL, trade)).fee_quote == 50
        assert link.asked == ["BNB/USD"]
        link.fault = UnreachableError("no price")
        for number in range(TRIES):
            link.now_ms = KEPT_MS + number
            with pytest.raises(UnreachableError):
                await fees.fill(SYMBOL, trade)
        link.now_ms += PATIENCE_MS
        found = await fees.fill(SYMBOL, trade)
        assert (found.fee_quote, found.is_valued) == (D(50), True)

    asyncio.run(scenario())


def test_fee_of_more_base_than_was_traded_makes_no_sense() -> None:
    assert fill_of(cost("BTC", "1")).fee == 1
    for fee in ("1.01", "-1.01"):
        with pytest.raises(UnreadableTradeError, match=rf"a fee of {fee} BTC for a trade of 1 BTC"):
            fill_of(cost("BTC", fee))
