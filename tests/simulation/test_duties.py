"""What a live world does besides trading, in virtual time: getting ready, candles, checks of the connection.

Nothing may leave before the account was looked at, and nothing is asked while the last check failed.
"""

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from engine.core.errors import ConfigError, CredentialsError
from engine.core.events import BalancesObserved, ConnectivityChecked, PurchaseRecorded, RateLimited, SaleRecorded
from engine.exchanges.port import OpenOrder
from engine.testing.simulation.exchange.client import ExchangeClient
from tests.simulation.lives import Lives, Run, story
from tests.simulation.test_reconciling import LOOK_S, NO_BUYS, TARGET, holds_a_sell

SELDOM: Final = {"connectivity_check_interval": 3_600}
AT_MARKET: Final = {"sell_order_type": "market"}
BETA: Final = {**NO_BUYS, "bot_id": "beta"}
PAPER: Final = {"paper_trading": True, "live": False}


def looks(run: Run) -> int:
    """Count the looks at everything that a bot was told of."""
    return sum("Reconciled with the exchange" in line for line in run.lines)


def slow_trades(lives: Lives, times: int) -> None:
    """Have a list of the trades take eight seconds, so many times."""
    lives.fate.bring("trades/slow", *[1] * times)
    lives.fate.bring("trades/slow/wait", *[2] * times)


def failures(run: Run, bot_id: str = "alpha") -> list[ConnectivityChecked]:
    return [each for each in run.events(ConnectivityChecked, bot_id) if not each.reachable]


# --- getting ready


def test_machine_that_slept_checks_all_and_looks_at_all_before_an_order_leaves(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life({**AT_MARKET, **SELDOM}, {**BETA, **SELDOM}) as run:
            await run.until(lambda: run.events(PurchaseRecorded) and looks(run) == 2)
            assert [len(run.events(ConnectivityChecked, bot_id)) for bot_id in ("alpha", "beta")] == [1, 1]
            left: list[int] = []
            run.at("exchange/create/before", lambda: left.append(looks(run)))
            slow_trades(lives, 1)
            lives.machine.fall_asleep(5)
            lives.price(TARGET)
            await run.until(run.orders, 7)
            assert looks(run) == 2, "its order is decided before the look is over"
            await run.until(lambda: run.events(SaleRecorded), 60)
            assert any("jumped by +5.0 s" in line for line in run.lines)
            assert [len(run.events(ConnectivityChecked, bot_id)) for bot_id in ("alpha", "beta")] == [2, 2]
            assert left == [4]

    story(tmp_path, tell)


async def holds_a_lot_to_sell(lives: Lives) -> None:
    """Have a life that is killed with a lot in its books, which has come to be worth selling some minutes later."""
    async with lives.life(AT_MARKET) as run:
        await run.until(lambda: run.events(PurchaseRecorded))
    lives.price(TARGET)
    await asyncio.sleep(600)


def test_look_in_which_the_machine_slept_makes_nothing_ready(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        await holds_a_lot_to_sell(lives)
        slow_trades(lives, 3)
        async with lives.life(AT_MARKET) as run:
            left: list[int] = []
            run.at("exchange/trades/before", lambda: lives.machine.fall_asleep(5))
            run.at("exchange/create/before", lambda: left.append(looks(run)))
            await run.until(lambda: looks(run) == 1)
            assert not run.session.is_begun
            await run.until(lambda: run.events(SaleRecorded), 60)
            assert left == [2]

    story(tmp_path, tell)


def test_look_in_which_a_check_failed_makes_nothing_ready_and_waits_for_the_next_check(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        await holds_a_lot_to_sell(lives)
        lives.fate.bring("time/server_error")
        slow_trades(lives, 2)
        async with lives.life(AT_MARKET) as run:
            left: list[int] = []
            run.at("exchange/create/before", lambda: left.append(looks(run)))
            await run.until(lambda: looks(run) == 1)
            assert len(failures(run)) == 1
            run.asks.clear()
            await run.pass_time(15)
            assert not run.asks, "nothing is asked before the next check"
            await run.until(lambda: run.events(SaleRecorded), 60)
            assert run.asks[0][0] == "time"
            assert left == [2]

    story(tmp_path, tell)


def test_key_refused_at_first_ends_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExchangeClient, "open_orders", _refused)

    async def tell(lives: Lives) -> None:
        async with lives.life() as run:
            assert await run.session.until_over(60)
            assert isinstance(run.session.fault, CredentialsError)

    story(tmp_path, tell)


async def _refused(*_: object) -> tuple[OpenOrder, ...]:
    raise CredentialsError("the key is refused.")


def test_key_refused_later_is_told_once_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = ExchangeClient.open_orders
    told = "the key is refused. Trying again"

    async def tell(lives: Lives) -> None:
        async with lives.life() as run:
            await holds_a_sell(run)
            monkeypatch.setattr(ExchangeClient, "open_orders", _refused)
            await run.pass_time(600)
            assert run.lines.count(told) == 1
            monkeypatch.setattr(ExchangeClient, "open_orders", taken)
            run.asks.clear()
            await run.until(lambda: run.asked_ms("open_orders"), 90)
            monkeypatch.setattr(ExchangeClient, "open_orders", _refused)
            await run.until(lambda: run.lines.count(told) == 2)

    story(tmp_path, tell)


def test_budget_is_held_against_the_account_at_the_first_look_of_a_life_alone(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life(NO_BUYS) as run:
            await run.until(lambda: looks(run) == 1)
            lives.exchange.wallet.add("USD", -lives.exchange.wallet.total["USD"] + 1)
            lives.machine.fall_asleep(5)
            await run.until(lambda: looks(run) == 2)
            await run.until(lambda: run.events(BalancesObserved)[-1].balances["USD"].total == 1, 60)
        async with lives.life(NO_BUYS) as run:
            assert await run.session.until_over(60)
            assert isinstance(run.session.fault, ConfigError)
            assert "budget" in str(run.session.fault)

    story(tmp_path, tell)


def test_bot_on_paper_beside_a_real_one_is_told_nothing_of_the_account(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life(NO_BUYS, {**BETA, **PAPER}) as run:
            await run.until(lambda: run.session.is_begun)
            await run.pass_time(30)
            assert looks(run) == 1
            assert run.state("beta").account is None
            assert run.state("beta").balances["USD"] != run.state().balances["USD"]

    story(tmp_path, tell)


def test_bots_on_paper_trade_at_real_prices_and_ask_nothing_about_an_account(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life(PAPER) as run:
            await run.until(lambda: run.events(PurchaseRecorded))
            await run.pass_time(LOOK_S)
            assert {verb for verb, _ in run.asks} == {"time", "markets", "ticker", "candles"}

    story(tmp_path, tell)


# --- candles


@pytest.mark.parametrize(("late", "fetches"), [(0, 1), (2, 2), (4, 4), (5, 4)])
def test_candle_that_is_late_is_asked_for_thrice_more(tmp_path: Path, late: int, fetches: int) -> None:
    """The first fetch asks twice for a candle that is late."""

    async def tell(lives: Lives) -> None:
        lives.fate.bring("candle_late", *[1] * late, 0)
        async with lives.life() as run:
            await run.pass_time(40)
            assert run.lines.count("OHLCV data cached") == fetches
            asked_ms = run.asked_ms("candles")[-fetches:]
            assert all(2_000 <= later - earlier < 2_300 for earlier, later in pairwise(asked_ms))
            assert bool(run.events(PurchaseRecorded)) == (late < 5)
            await run.pass_time(300)
            lives.price(50_050)
            await run.until(lambda: run.events(PurchaseRecorded), 120)
            assert run.lines.count("OHLCV data cached") == fetches + (late == 5)

    story(tmp_path, tell)


# --- the account's stream


@pytest.mark.parametrize("is_relied_on", [True, False])
def test_break_of_a_stream_relied_on_has_orders_looked_at(tmp_path: Path, *, is_relied_on: bool) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life() as run:
            await holds_a_sell(run)
        async with lives.life(NO_BUYS) as run:
            await run.until(lambda: run.session.is_begun)
            await run.pass_time(90 if is_relied_on else 20)
            run.asks.clear()
            break_stream(lives)
            await run.pass_time(10)
            assert len(run.asked_ms("listen")) == 1, "it is opened again"
            assert len(run.asked_ms("open_orders")) == is_relied_on

    story(tmp_path, tell)


def break_stream(lives: Lives) -> None:
    lives.fate.bring("hint/broken")
    lives.exchange.later(lives.exchange.at_ms + 1, lambda: None)


def test_stream_of_the_account_that_is_refused_for_now_is_opened_again_after_the_silence(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life(NO_BUYS) as run:
            await run.until(lambda: run.session.is_begun)
            run.asks.clear()
            lives.fate.bring("listen/rate_limit")
            lives.fate.bring("listen/rate_limit/silence", 1)
            break_stream(lives)
            await run.pass_time(60)
            first_ms, second_ms = run.asked_ms("listen")
            assert run.events(RateLimited)[0].until_ms <= second_ms < first_ms + 10_200

    story(tmp_path, tell)


# --- the connection


def test_failed_check_is_followed_by_checks_alone_and_the_first_good_one_by_a_look(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life() as run:
            await holds_a_sell(run)
            lives.exchange.is_cut = True
            await run.until(lambda: failures(run))
            run.asks.clear()
            await run.until(lambda: len(failures(run)) == 4)
            assert [verb for verb, _ in run.asks] == ["time"] * 3
            assert [each.failure for each in failures(run)] == [1, 2, 3, 4]
            lives.exchange.is_cut = False
            lives.price(TARGET)
            await run.until(lambda: looks(run) == 2)
            assert run.events(SaleRecorded)
            assert run.asks[3][0] == "time"

    story(tmp_path, tell)


def test_connection_in_doubt_is_checked_before_its_time_and_once_at_a_time(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life({**NO_BUYS, **SELDOM}, {**BETA, **SELDOM}) as run:
            await run.until(lambda: run.session.is_begun)
            run.asks.clear()
            lives.fate.bring("price/trouble", *[1] * 5)
            lives.fate.bring("price/trouble/what", *[4] * 5)  # it breaks
            lives.fate.bring("ticker/not_sent", *[1] * 3)
            lives.fate.bring("time/request_lost")
            await run.until(lambda: failures(run), 120)
            await run.pass_time(2)
            (asked_ms,) = run.asked_ms("time")
            assert any(asked_ms < each for each in run.asked_ms("ticker")), "there was reason to check meanwhile"
            assert [len(failures(run, bot_id)) for bot_id in ("alpha", "beta")] == [1, 1]

    story(tmp_path, tell)


@pytest.mark.parametrize(("has_internet", "diagnosis"), [(True, "exchange down"), (False, "no internet")])
def test_failed_check_asks_the_internet_once(tmp_path: Path, *, has_internet: bool, diagnosis: str) -> None:
    hosts = {"a": ["one:53", "two:53"], "b": ["two:53", "three:53"], "c": []}

    async def tell(lives: Lives) -> None:
        lives.has_internet = has_internet
        bots = [{**NO_BUYS, "bot_id": name, "connectivity_hosts": hosts[name]} for name in hosts]
        async with lives.life(*bots) as run:
            await run.until(lambda: run.session.is_begun)
            assert not lives.probed
            lives.fate.bring("time/not_sent")
            await run.until(lambda: failures(run, "c"), 90)
            assert lives.probed == [("one:53", "two:53", "three:53")]
            assert [failures(run, name)[0].diagnosis for name in hosts] == [diagnosis, diagnosis, None]
        async with lives.life(bots[2]) as run:
            lives.exchange.is_cut = True
            await run.until(lambda: failures(run, "c"))
            assert len(lives.probed) == 1, "who names no host has none asked"

    story(tmp_path, tell)


def test_check_that_may_not_be_made_for_the_silence_that_is_wanted_is_no_failure(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life(NO_BUYS) as run:
            await run.until(lambda: run.session.is_begun)
            lives.fate.bring("time/rate_limit")
            await run.until(lambda: len(run.events(ConnectivityChecked)) == 2)
            checked = run.events(ConnectivityChecked)[1]
            assert (checked.reachable, checked.error) == (True, "not asked: the exchange wants silence")
            await run.pass_time(30)
            assert run.session.is_begun
            assert looks(run) == 1

    story(tmp_path, tell)


@pytest.mark.parametrize(("beta_s", "checks"), [(65, 4), (150, 2)])
def test_check_serves_each_bot_that_would_soon_want_its_own(tmp_path: Path, beta_s: int, checks: int) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life(NO_BUYS, {**BETA, "connectivity_check_interval": beta_s}) as run:
            await run.until(lambda: run.session.is_begun)
            run.asks.clear()
            await run.pass_time(200)
            assert len(run.events(ConnectivityChecked)) == 4
            assert len(run.events(ConnectivityChecked, "beta")) == checks
            assert len(run.asked_ms("time")) == (3 if beta_s == 65 else 4)

    story(tmp_path, tell)


def test_failed_check_is_for_every_healthy_bot_and_one_that_waits_already_waits_to_its_end(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        lives.exchange.is_cut = True
        async with lives.life(NO_BUYS) as run:
            await run.until(lambda: len(failures(run)) == 4)
            until_ms = run.state().connectivity.next_check_ms
        lives.exchange.is_cut = False
        async with lives.life(NO_BUYS, {**BETA, **SELDOM}) as run:
            await run.until(lambda: run.events(ConnectivityChecked, "beta"))
            await run.pass_time((until_ms - lives.machine.true_ms) / 1_000 - 5)
            assert not run.events(ConnectivityChecked)
            assert not run.asked_ms("trades"), "nothing is asked while a bot waits"
            lives.exchange.is_cut = True
            await run.until(lambda: failures(run), 10)
            assert [failures(run, bot_id)[0].failure for bot_id in ("alpha", "beta")] == [5, 1]

    story(tmp_path, tell)


def test_price_stream_that_speaks_is_judged_by_one_request_in_five_minutes(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life(NO_BUYS) as run:
            await run.pass_time(600)
            before = run.count("fetch_ticker")
            await run.pass_time(3_600)
            assert run.count("fetch_ticker") - before in {11, 12}

    story(tmp_path, tell)
