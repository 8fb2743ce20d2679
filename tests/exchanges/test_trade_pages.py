"""Lists of trades that are longer than a page, at every exchange: none is lost, none comes twice, none is cut silently.

Method: real ccxt classes whose requests are answered by a list of trades paged as the exchange's documents say. All
trades of a page and its neighbours happen in the same millisecond.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from engine.core.errors import UnreachableError
from engine.exchanges.port import OrderReport
from engine.exchanges.trade_pages import MOST_PAGES, all_trades
from engine.exchanges.venue import Pages
from engine.exchanges.venues import VENUES
from tests.exchanges.answered import AT_MS, answered
from tests.exchanges.gateway_harness import order_of
from tests.exchanges.wire import SYMBOL, Request

COUNT = 437
OTHERS = 60
Fields = Mapping[str, str]
Told = tuple[Mapping[str, Any], int]
"""An answer, and how many rows a page of it may have at most."""


def newest_first(fields: Fields, size: int, last: str = "") -> list[int]:
    """Give a page of numbers of trades, the newest first, that are under the last one told."""
    top = int(fields[last]) if last in fields else COUNT + 1
    return [number for number in range(COUNT, 0, -1) if number < top][:size]


def kraken(fields: Fields) -> Told:
    """Fifty a page, of all markets."""
    assert fields["start"], "a list of all the past would be long"
    rows = {
        f"T{number}": {
            "ordertxid": "7",
            "pair": "XBTUSDT" if number <= COUNT else "ETHEUR",
            "time": f"{AT_MS // 1000}.0",
            "type": "buy",
            "price": "100",
            "cost": "100",
            "fee": "0.1",
            "vol": "1",
        }
        for number in range(COUNT + OTHERS, 0, -1)
    }
    ofs = int(fields.get("ofs", 0))
    return {"error": [], "result": {"count": len(rows), "trades": dict(list(rows.items())[ofs : ofs + 50])}}, 50


def coinbase(fields: Fields) -> Told:
    """Go on by a cursor that stands beside the list."""
    page = newest_first({"cursor": fields.get("cursor", str(COUNT + 1))}, int(fields["limit"]), "cursor")
    rows = [
        {
            "entry_id": f"e{number}",
            "trade_id": f"{number}",
            "order_id": "7",
            "product_id": "BTC-USDT",
            "trade_time": "2030-03-17T17:46:40.000Z",
            "price": "100",
            "size": "1",
            "commission": "0.1",
            "side": "BUY",
            "liquidity_indicator": "TAKER",
            "size_in_quote": False,
        }
        for number in page
    ]
    return {"fills": rows, "cursor": str(page[-1]) if page and page[-1] > 1 else ""}, 100


def kucoin(fields: Fields) -> Told:
    """Go on before an id that is not the trade's."""
    assert int(fields["limit"]) <= 100
    rows = [
        {
            "id": number,
            "symbol": "BTC-USDT",
            "tradeId": 9_000 - number,
            "orderId": "7",
            "side": "buy",
            "price": "100",
            "size": "1",
            "fee": "0.1",
            "feeCurrency": "USDT",
            "createdAt": AT_MS,
        }
        for number in newest_first(fields, int(fields.get("limit", 20)), "lastId")
    ]
    return {"code": "200000", "data": {"items": rows}}, 100


def okx(fields: Fields) -> Told:
    """Give a hundred, whatever was asked for."""
    rows = [
        {
            "instType": "SPOT",
            "instId": "BTC-USDT",
            "tradeId": str(9_000 - number),
            "billId": str(number),
            "ordId": "7",
            "fillPx": "100",
            "fillSz": "1",
            "side": "buy",
            "fee": "-0.001",
            "feeCcy": "BTC",
            "ts": str(AT_MS),
        }
        for number in newest_first(fields, 100, "after")
    ]
    return {"code": "0", "data": rows}, 100


def bybit(fields: Fields) -> Told:
    """Go on by a cursor that needs no encoding any more."""
    assert int(fields["limit"]) <= 100
    cursor = {"cursor": fields["cursor"].partition(":")[0]} if "cursor" in fields else {}
    page = newest_first(cursor, int(fields["limit"]), "cursor")
    rows = [
        {
            "symbol": "BTCUSDT",
            "execId": f"x{number}",
            "orderId": "7",
            "side": "Buy",
            "execPrice": "100",
            "execQty": "1",
            "execFee": "0.1",
            "feeCurrency": "USDT",
            "execTime": str(AT_MS),
            "execType": "Trade",
        }
        for number in page
    ]
    onward = f"{page[-1]}%3A{AT_MS}" if page else ""
    return {"retCode": 0, "result": {"list": rows, "nextPageCursor": onward}}, 100


def gate(fields: Fields) -> Told:
    """Give pages by number, of a hundred here."""
    assert int(fields["limit"]) <= 1_000
    page = int(fields.get("page", 1))
    rows = [
        {
            "id": str(number),
            "create_time_ms": f"{AT_MS}.456",
            "order_id": "7",
            "currency_pair": "BTC_USDT",
            "side": "buy",
            "role": "taker",
            "amount": "1",
            "price": "100",
            "fee": "0.1",
            "fee_currency": "USDT",
        }
        for number in range(COUNT, 0, -1)
    ]
    return rows[(page - 1) * 100 : page * 100], 100  # type: ignore[return-value]


def bitget(fields: Fields) -> Told:
    """Go on before a trade's id."""
    assert int(fields["limit"]) <= 100
    detail = {"feeCoin": "BTC", "totalFee": "-0.001"}
    rows = [
        {
            "symbol": "BTCUSDT",
            "tradeId": str(number),
            "orderId": "7",
            "side": "buy",
            "priceAvg": "100",
            "size": "1",
            "amount": "100",
            "feeDetail": detail,
            "cTime": str(AT_MS),
        }
        for number in newest_first(fields, int(fields["limit"]), "idLessThan")
    ]
    return {"code": "00000", "data": rows}, 100


def binance(fields: Fields) -> Told:
    """Give a thousand at most, from an id on or since a time."""
    size = min(int(fields["limit"]), 200)
    assert not ("fromId" in fields and "startTime" in fields)
    rows = [
        {
            "symbol": "BTCUSDT",
            "id": number,
            "orderId": 7,
            "price": "100",
            "qty": "1",
            "quoteQty": "100",
            "commission": "0.1",
            "commissionAsset": "USDT",
            "time": AT_MS,
            "isBuyer": True,
            "isMaker": False,
        }
        for number in range(int(fields.get("fromId", 1)), COUNT + 1)
    ]
    return rows[:size], 200  # type: ignore[return-value]


PAGERS: dict[str, Callable[[Fields], Told]] = {
    "kraken": kraken,
    "coinbase": coinbase,
    "kucoin": kucoin,
    "okx": okx,
    "bybit": bybit,
    "gate": gate,
    "bitget": bitget,
    "binance": binance,
}


@pytest.mark.parametrize("name", PAGERS)
def test_trades_of_many_pages_are_all_listed_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row = VENUES[name]
    if name == "binance":
        assert row.pages is not None
        small = Pages("next id", "fromId", 200, order="orderId", is_exact=True)
        monkeypatch.setitem(VENUES, name, msgspec.structs.replace(row, pages=small))

    async def scenario() -> None:
        requests: list[Request] = []

        def answer(request: Request) -> Any:
            requests.append(request)
            return PAGERS[name](request.fields)[0]

        async with answered(name, answer) as account:
            trades = await account.trades(SYMBOL, AT_MS - 1_000)
            fills = await account.fills(SYMBOL, trades[:2])
        assert len(trades) == len({trade.trade_id for trade in trades}) == COUNT
        assert {trade.exchange_order_id for trade in trades} == {"7"}
        assert len(requests) <= -(-(COUNT + OTHERS) // PAGERS[name](requests[0].fields)[1]) + 1
        assert [fill.trade_id for fill in fills] == [trade.trade_id for trade in trades[:2]]

    asyncio.run(scenario())


def test_order_that_filled_in_more_trades_than_a_page_adds_up() -> None:
    order = {
        "instId": "BTC-USDT",
        "instType": "SPOT",
        "ordId": "7",
        "clOrdId": "kmany",
        "state": "filled",
        "sz": str(COUNT),
        "accFillSz": str(COUNT),
        "side": "buy",
        "ordType": "limit",
        "px": "100",
        "cTime": str(AT_MS),
        "uTime": str(AT_MS),
        "avgPx": "100",
    }

    def answer(request: Request) -> Any:
        if "fills" not in request.address:
            return {"code": "0", "data": [order]}
        assert request.fields["ordId"] == "7"
        return okx(request.fields)[0]

    async def scenario() -> None:
        async with answered("okx", answer) as account:
            report = await account.query(SYMBOL, order_of("kmany", quantity=str(COUNT), limit="100"))
        assert isinstance(report, OrderReport), report
        assert sum(fill.quantity for fill in report.fills) == report.filled == COUNT

    asyncio.run(scenario())


def asked(rows: Callable[[int], Sequence[Mapping[str, Any]]]) -> Any:
    """Answer the nth question with these rows."""
    count = 0

    async def ask(*_: Any) -> Sequence[Mapping[str, Any]]:
        nonlocal count
        count += 1
        return rows(count)

    return ask


def test_list_without_an_end_is_never_given_for_the_whole() -> None:
    ask = asked(lambda number: [{"id": str(number)}])
    with pytest.raises(UnreachableError, match=f"more than {MOST_PAGES} pages"):
        asyncio.run(all_trades(ask, Pages("page", "page"), SYMBOL, 0, None))


def test_exchange_that_gives_the_same_page_again_has_no_more() -> None:
    ask = asked(lambda _: [{"id": "1"}, {"id": "2"}])
    assert len(asyncio.run(all_trades(ask, Pages("page", "page"), SYMBOL, 0, None))) == 2


def test_page_that_names_nothing_to_go_on_by_is_no_answer() -> None:
    ask = asked(lambda _: [{"id": "1", "info": {}}])
    with pytest.raises(UnreachableError, match="no numbers"):
        asyncio.run(all_trades(ask, Pages("older id", "after", key="billId"), SYMBOL, 0, None))
