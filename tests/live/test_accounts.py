"""Accounts and the way to them: keys, budgets, silence, clocks, outages; what a bot must not do, how it recovers."""

import asyncio
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from engine.core.errors import ConfigError, CredentialsError
from engine.core.events import (
    AccountObserved,
    ConnectivityChecked,
    ConnectivityRestored,
    DiscrepancyFound,
    EntrySkipped,
    OrderRequested,
    PurchaseRecorded,
    RateLimited,
    SaleRecorded,
)
from tests.exchange_server.accounts import Account
from tests.exchange_server.faults import Fault
from tests.exchange_server.script import AccountScript
from tests.live.incident import bought, reach_target
from tests.live.scene import Scene, differences, patient, scene


def dead() -> Fault:
    """Let nothing through."""
    return Fault("drop", on="*", when="before", times=None)


def test_key_of_another_account_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage:
            async with stage.engine() as run:
                await bought(stage, run)
            other = AccountScript("other", "otherkey", "othersecret", {"USD": Decimal(5_000), "BTC": Decimal(0)})
            add_account(stage, other)
            before = len(stage.records)
            with pytest.raises(ConfigError, match="belongs to another account"):
                async with stage.engine(wired=patient(api_key="otherkey", secret="othersecret")):
                    await stage.pass_time(10)
            assert len(stage.records) == before
            async with stage.engine() as run:
                await stage.pass_time(5)
                assert not differences(stage, run.state())
                assert not run.events(AccountObserved)

    asyncio.run(scenario())


@pytest.mark.parametrize("is_same", [True, False])
def test_new_key_of_an_account_without_an_id_goes_on_only_where_it_shows_the_orders_of_the_log(
    tmp_path: Path, *, is_same: bool
) -> None:
    async def scenario() -> None:
        async with scene(tmp_path, account={"tells_id": False}) as stage:
            async with stage.engine() as run:
                await bought(stage, run)
                old = run.state().account
            trader = stage.server.exchange.accounts["trader"]
            if is_same:
                trader.script = msgspec.structs.replace(trader.script, api_key="newkey", secret="newsecret")
            else:
                balances = {"USD": Decimal(5_000), "BTC": Decimal(0)}
                add_account(stage, AccountScript("other", "newkey", "newsecret", balances, tells_id=False))
            wired = patient(api_key="newkey", secret="newsecret")
            before = len(stage.records)
            if not is_same:
                with pytest.raises(ConfigError, match="shows none of its last orders"):
                    async with stage.engine(wired=wired):
                        await stage.pass_time(10)
                assert len(stage.records) == before
                return
            async with stage.engine(wired=wired) as run:
                await stage.pass_time(5)
                (observed,) = run.events(AccountObserved)
                assert observed.basis == "key"
                assert old != observed.fingerprint == run.state().account
                assert not differences(stage, run.state())
                reach_target(stage, run)
                await stage.until(run, lambda: run.events(SaleRecorded), within_s=200, step_s=2)

    asyncio.run(scenario())


def add_account(stage: Scene, script: AccountScript) -> None:
    """Open one more account at the exchange."""
    stage.server.exchange.accounts[script.name] = Account(script)


def test_budgets_over_the_money_of_the_account_are_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        account = {"balances": {"USD": Decimal(1_500), "BTC": Decimal(0)}}
        async with scene(tmp_path, account=account) as stage:
            texts = [stage.config(bot_id=name, budget=1_000) for name in ("one", "two")]
            with pytest.raises(ConfigError, match=r"one, two may spend \$2,000.00 in all.*has \$1,500.00"):
                async with stage.engine(*texts):
                    await stage.pass_time(10)
            assert not stage.records

    asyncio.run(scenario())


@pytest.mark.parametrize("right", ["withdraw", "no trade"])
def test_key_that_may_do_too_much_or_too_little_is_refused(tmp_path: Path, right: str) -> None:
    async def scenario() -> None:
        changes = {"may_withdraw": True} if right == "withdraw" else {"may_trade": False}
        async with scene(tmp_path, account=changes) as stage:
            text = stage.config(exchange="binance")
            with pytest.raises(CredentialsError, match=r"may withdraw|may not trade"):
                async with stage.engine(text):
                    await stage.pass_time(10)
            assert not stage.records

    asyncio.run(scenario())


def test_key_revoked_while_running_is_told_and_works_again_when_restored(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage, stage.engine() as run:
            await bought(stage, run)
            await stage.pass_time(2)
            account = stage.server.exchange.accounts["trader"]
            account.revoked = True
            await stage.streams("abort")
            await stage.pass_time(400, 4)
            assert any("refuses the API key" in text for text in run.said), run.said
            assert not run.events(RateLimited)
            assert run.outcome is None
            reach_target(stage, run)
            account.revoked = False
            await stage.until(run, lambda: run.events(SaleRecorded), within_s=200, step_s=2)
            assert not differences(stage, run.state())
            assert len([text for text in run.said if "refuses the API key" in text]) < 4, run.said

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [401, 403, 407, 500, 502, 503])
def test_any_answer_in_place_of_the_exchange_is_an_outage_and_no_end(tmp_path: Path, status: int) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage, stage.engine() as run:
            await bought(stage, run)
            await stage.pass_time(2)
            stage.faults(Fault("status", on="*", when="before", times=None, status=status))
            await stage.streams("abort", "*")
            await stage.pass_time(240, 4)
            assert run.outcome is None
            assert [each for each in run.events(ConnectivityChecked) if not each.reachable]
            stage.heal()
            await stage.until(run, lambda: run.events(ConnectivityRestored), within_s=320, step_s=4)
            reach_target(stage, run)
            await stage.until(run, lambda: run.events(SaleRecorded), within_s=200, step_s=2)
            assert not differences(stage, run.state())

    asyncio.run(scenario())


@pytest.mark.parametrize(("kind", "status"), [("rate_limit", 429), ("ban", 418)])
def test_silence_that_the_exchange_wants_is_kept_over_a_restart(tmp_path: Path, kind: str, status: int) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage:
            async with stage.engine() as run:
                await bought(stage, run)
                await stage.pass_time(2)
                stage.faults(Fault(kind, on="GET /api/v3/time", retry_after_s=300))  # type: ignore[arg-type]
                await stage.until(run, lambda: run.events(RateLimited), within_s=200, step_s=2)
                (limited,) = run.events(RateLimited)
            requests = stage.server.exchange.ledger.requests
            assert [each for each in requests if each.status == status]
            silent_from = len(requests)
            async with stage.engine() as run:
                while run.world.clock.now_ms < limited.until_ms - 2_000:
                    assert len(requests) == silent_from, requests[-1]
                    await stage.pass_time(2, 2)
                reach_target(stage, run)
                await stage.until(run, lambda: run.events(SaleRecorded), within_s=60)
                assert not differences(stage, run.state())

    asyncio.run(scenario())


def test_clock_that_is_wrong_buys_nothing_says_why_and_recovers(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path, skew_ms=4_000) as stage, stage.engine() as run:
            await stage.pass_time(30)
            assert not run.events(OrderRequested)
            (checked,) = run.events(ConnectivityChecked)
            assert abs((checked.clock_skew_ms or 0) - 4_000) < 1_500
            (skipped,) = run.events(EntrySkipped)
            assert skipped.rule == "clock"
            stage.server.exchange.clock.skew_ms = 0
            await stage.until(run, lambda: run.events(PurchaseRecorded), within_s=200, step_s=2)

    asyncio.run(scenario())


def test_exchange_that_cannot_be_reached_at_the_start_is_waited_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage:
            stage.faults(dead())
            async with stage.engine() as run:
                await stage.pass_time(100, 2)
                assert run.outcome is None
                assert not stage.records
                stage.heal()
                await stage.until(run, lambda: run.events(PurchaseRecorded), within_s=400, step_s=2)
                await stage.pass_time(5)
                assert not differences(stage, run.state())

    asyncio.run(scenario())


def test_account_that_does_not_answer_keeps_orders_back_and_old_ones_are_decided_afresh(tmp_path: Path) -> None:
    """A sale decided while the account could not be looked at is not sent at the price of a minute ago."""

    async def scenario() -> None:
        async with scene(tmp_path) as stage:
            text = stage.config(sell_order_type="market")
            async with stage.engine(text) as run:
                await stage.until(run, lambda: run.events(PurchaseRecorded))
                lot = run.state().lots[1]
            reach_target(stage, run)
            stage.faults(Fault("status", on="GET /api/v3/account", times=None, when="before", status=503))
            async with stage.engine(text) as run:
                await stage.until(run, lambda: run.events(OrderRequested))
                stage.price("49000")
                await stage.pass_time(30)
                assert not stage.placed("SELL")
                stage.heal()
                await stage.pass_time(60)
                assert not stage.placed("SELL"), "the market is under the target"
                stage.price((lot.target or Decimal(0)) + 1)
                await stage.until(run, lambda: run.events(SaleRecorded))
                assert not differences(stage, run.state())

    asyncio.run(scenario())


def test_base_that_somebody_withdraws_is_told_once_and_the_rest_is_sold(tmp_path: Path) -> None:
    async def scenario() -> None:
        account = {"balances": {"USD": Decimal(100_000), "BTC": Decimal(0)}}
        async with scene(tmp_path, account=account) as stage:
            text = stage.config(sell_order_type="market")
            async with stage.engine(text) as run:
                await stage.until(run, lambda: run.events(PurchaseRecorded))
                trader = stage.server.exchange.accounts["trader"]
                stage.server.exchange.deposit(trader, "BTC", Decimal("-0.0008"))
            async with stage.engine(text) as run:
                await stage.pass_time(1_500, 4)
                (found,) = run.events(DiscrepancyFound)
                assert found.subject == "the balance of BTC"
                assert not found.halts
                reach_target(stage, run)
                await stage.until(run, lambda: run.events(SaleRecorded))
                (sale,) = stage.placed("SELL")
                assert sale.now.quantity <= trader.script.balances["USD"]
                assert sale.now.status == "FILLED"
                assert not differences(stage, run.state())

    asyncio.run(scenario())
