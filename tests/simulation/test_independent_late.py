"""Trades that come when nobody counts on them any more: what the second checker makes of the log, the file and the end.

The logs are of lives at the simulated exchange, which serve as the control: untouched, they break no rule.
"""

import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest

from engine.core.events import BotEvent, DiscrepancyFound, OrderCanceled, PurchaseRecorded, SaleRecorded
from engine.store.codec import encode
from engine.store.port import Entry
from engine.testing.independent import check
from engine.testing.independent.ledger import Ledger
from engine.testing.independent.orders import Orders
from engine.testing.independent.rows import Row
from engine.testing.simulation.running import run_world
from tests.kernel import LOG_ID, Kernel, events_of, trade
from tests.simulation.conftest import Lived
from tests.simulation.forgery import HARMLESS, alter, change_state, place_of
from tests.simulation.lives import Lives, story
from tests.simulation.test_independent import Change, in_state, rules_of, state_of

ENDED: Final = {"stopped": True}
WAIT_S: Final = 1_500


def late_and_untold(lives: Lives) -> None:
    """Have the next order that is taken off trade in that moment: its end counts it not, and it is shown much later."""
    lives.fate.bring("late_fill")
    lives.fate.bring("late_fill/sort", 1)
    lives.fate.bring("late_fill/wait", 4)


async def buys_again_by_a_late_trade(lives: Lives) -> None:
    """Buy a part, sell it; buy another lot; then learn of a late trade of the first purchase."""
    bot = {"buy_order_type": "limit", "buy_order_timeout": 60, "strategy_params": {"max_price": 50_000}}
    async with lives.life({**bot, "max_open_lots": 3}) as run:
        await run.until(lambda: lives.placed("buy"))
        (first,) = lives.placed("buy")
        lives.fate.bring("partial")
        lives.fate.bring("partial/rest", 4)
        late_and_untold(lives)
        lives.price(49_900)
        await run.until(lambda: first.filled)
        lives.price(50_001)  # nothing else is bought
        await run.until(lambda: run.events(PurchaseRecorded))
        lives.price(50_400)
        await run.until(lambda: run.events(SaleRecorded))
        lives.price(50_000)
        await run.until(lambda: len(lives.placed("buy")) > 1)
        lives.price(49_900)
        await run.until(lambda: len(run.events(PurchaseRecorded)) > 1)
        lives.price(50_001)
        await run.until(lambda: len(run.events(PurchaseRecorded)) > 2, WAIT_S)
        assert [each.lot for each in run.events(PurchaseRecorded)] == [1, 3, 1]
        await run.pass_time(5)
        await run.stop()


async def sells_what_it_had_sold(lives: Lives) -> None:
    """Sell all at once, and learn much later that the sell which was taken off for that had traded, too."""
    async with lives.life() as run:
        await run.until(lambda: any(each.side == "sell" and each.status == "open" for each in run.orders()))
        late_and_untold(lives)
        await run.command("flatten")
        await run.until(lambda: run.events(DiscrepancyFound), WAIT_S)
        assert len(run.events(OrderCanceled)) == 1
        assert len(run.events(SaleRecorded)) == 2
        await run.pass_time(5)
        await run.stop()


async def sells_more_than_is_left(lives: Lives) -> None:
    """Sell a half, and learn, while the rest waits, that an earlier sell had traded nearly all."""
    trailing = {"sell_order_type": "trailing_limit", "trailing_sell_floor": "none", "sell_order_timeout": 30}
    async with lives.life({**trailing, "trailing_sell_percent": 0.05}) as run:
        await run.until(lambda: run.state().lots)
        late_and_untold(lives)
        lives.fate.bring("late_fill/part", 2)
        lives.price(50_400)
        await run.pass_time(20)
        lives.price(50_300)
        await run.until(lambda: lives.placed("sell"))
        lives.price(50_200)
        await run.until(lambda: run.events(OrderCanceled))
        lives.fate.bring("partial")
        lives.fate.bring("partial/rest", 4)
        lives.price(50_500)
        await run.pass_time(20)
        lives.price(50_400)
        await run.until(lambda: len(lives.placed("sell")) > 1)
        lives.price(50_500)
        await run.until(lambda: lives.placed("sell")[1].filled)
        lives.price(50_200)
        await run.until(lambda: run.events(SaleRecorded))
        await run.until(lambda: len(run.events(SaleRecorded)) > 1, WAIT_S)
        await run.pass_time(60)
        await run.stop()


def lived(folder: Path, tell: Callable[[Lives], Awaitable[None]]) -> Lived:
    """Live through a story, and give what it left."""
    left: list[Lived] = []

    async def whole(lives: Lives) -> None:
        await tell(lives)
        left.append(Lived(lives.directory, lives.exchange.history))

    story(folder, whole)
    return left[0]


@pytest.fixture(scope="module")
def bought(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """Give what a bot left whose closed lot came back; to be looked at only."""
    return lived(tmp_path_factory.mktemp("bought"), buys_again_by_a_late_trade)


@pytest.fixture(scope="module")
def sold(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """Give what a bot left that sold more than it had; to be looked at only."""
    return lived(tmp_path_factory.mktemp("sold"), sells_what_it_had_sold)


@pytest.fixture(scope="module")
def oversold(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """Give what a bot left that recorded the sale of more than its lot still had; to be looked at only."""
    return lived(tmp_path_factory.mktemp("oversold"), sells_more_than_is_left)


def forged(run: Lived, folder: Path) -> Lived:
    """Copy what a run left, to be changed."""
    shutil.copytree(run.directory, folder / "copy")
    return Lived(folder / "copy", json.loads(json.dumps(run.history)))


def test_logs_with_late_trades_break_no_rule(bought: Lived, sold: Lived, oversold: Lived) -> None:
    for run in (bought, sold, oversold):
        assert check(run.directory, run.history, ENDED) == []
        assert len([each for each in run.history or [] if each.get("untold")]) == 1


def test_order_whose_end_counts_less_than_the_exchange_told_is_found(bought: Lived, tmp_path: Path) -> None:
    run = forged(bought, tmp_path)
    (late,) = [each for each in run.history or [] if each.get("untold")]
    late["untold"] = False

    found = check(run.directory, run.history, ENDED)

    assert rules_of(found) == {"order"}
    assert len(found) == 1
    assert "ended with 0.00100 in the log, and with 0.00150 at the exchange" in found[0]
    assert check(run.directory, run.history, {"quiet": False}) == []


def lots_in_order_of_number(directory: Path) -> None:
    """Have the lot that came back stand in the state file where its number would, before one bought earlier."""
    change_state(state_of(directory), lambda says: says["strategy_state"]["pending_sell_orders"].reverse())


FORGED: Final[dict[str, tuple[str, Change]]] = {
    "sale of the closed lot": ("statistics", in_state("stats", "winning_trades", value=0)),
    "what the lot holds": ("statistics", in_state("strategy_state", "purchases", "2", "buy_amount", value=0.0015)),
    "when it was bought": ("statistics", in_state("strategy_state", "purchases", "2", "buy_timestamp", value=77)),
    "place of the lot": ("position", lots_in_order_of_number),
}


@pytest.mark.parametrize("name", FORGED)
def test_state_file_that_mixes_up_a_lot_that_came_back_with_the_one_that_was_closed_is_found(
    bought: Lived, tmp_path: Path, name: str
) -> None:
    rule, change = FORGED[name]
    run = forged(bought, tmp_path)
    change(run.directory)

    assert rules_of(check(run.directory, run.history, ENDED)) == {rule}


@pytest.mark.parametrize("position", [0.0005, -0.002], ids=["more than was left", "less than all trades leave"])
def test_position_beyond_what_was_sold_of_nothing_is_found(
    sold: Lived, oversold: Lived, tmp_path: Path, position: float
) -> None:
    for number, each in enumerate((sold, oversold)):
        run = forged(each, tmp_path / str(number))
        in_state("stats", "current_position", value=position)(run.directory)

        assert rules_of(check(run.directory, run.history, ENDED)) == {"position"}


def test_trade_that_no_lot_had_and_nothing_tells_of_is_found(sold: Lived, tmp_path: Path) -> None:
    run = forged(sold, tmp_path)
    alter(run.directory, place_of(run.directory, "discrepancy_found"), lambda _: HARMLESS)

    assert rules_of(check(run.directory, run.history, ENDED)) == {"position"}


def test_sale_beyond_its_lot_costs_what_another_sell_of_it_has_left_there(tmp_path: Path) -> None:
    """Hold what seed 3916 showed: three sells of a lot had late trades, and one of them was open and half traded."""
    assert run_world(3916, tmp_path).violations == ()


def test_both_reckonings_agree_which_purchase_was_the_last_after_a_late_trade_of_an_earlier_one() -> None:
    kernel = Kernel(sell_order_type="limit")
    kernel.prices(50_000, 48_000)
    kernel.votes(yes=False)
    kernel.wait(60)
    kernel.observe(trade(kernel.state.lots[1].buy_order_id, "late", 50_000, "0.0001", fee=0))
    ledger = ledger_of(kernel)
    stats = kernel.state.stats
    assert (ledger.last_price, ledger.last_ms) == (stats.last_purchase_price, stats.last_purchase_ms)
    assert ledger.last_price == 48_000


def ledger_of(kernel: Kernel) -> Ledger:
    """Give what the second checker makes of the orders, fills and records of a bot."""
    moments = [(event, moment.observation.at_ms) for moment in kernel.history for event in events_of(moment)]
    rows = [row_of(place, event, at_ms) for place, (event, at_ms) in enumerate(moments, 1)]
    orders = Orders("made", LOG_ID, is_live=False)
    ledger = Ledger(orders, "BTC")
    for row in rows:
        taking = orders if row.tag.startswith("order_") else ledger
        taking.take(row)
        if row.tag == "order_filled":
            ledger.fill(orders.by_name.get(row.says["client_order_id"]))
    assert ledger.wrong == []
    return ledger


def row_of(place: int, event: BotEvent, at_ms: int) -> Row:
    """Give an event as a row of a log."""
    body = encode(Entry(event, at_ms))
    tag = str(event.__struct_config__.tag)
    return Row(place, "bot:made", place, tag, body, b"", at_ms, None, json.loads(body)["e"])
