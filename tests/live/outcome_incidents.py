"""Incidents of other programs about orders of which nobody knew what had become of them, played against the engine.

Owns the triggers. A story makes happen what once went wrong elsewhere, lets time pass, and gives the complaints: where
log and exchange disagree, and orders that nobody meant. Source: docs/evidence.md, "Incidents of other programs".
"""

from pathlib import Path
from typing import Final

from engine.core.events import OrderFilled, OrderSent, PurchaseRecorded
from tests.exchange_server.faults import Fault
from tests.live import wrong
from tests.live.incident import Incident, bought, reach_target
from tests.live.scene import differences, impatient, more_than, scene

LIMIT_BUYS: Final = {"buy_order_type": "limit", "strategy_params": {"min_interval_hours": 0}, "buy_order_timeout": 30}


async def answer_to_a_buy_never_comes(path: Path) -> list[str]:
    """Have an order taken whose answer does not come in time."""
    async with scene(path) as stage:
        stage.silence_new_streams()
        async with stage.engine(wired=impatient()) as run:
            stage.faults(Fault("hang"))
            await stage.until(run, lambda: run.events(OrderSent))
            await stage.pass_time(30)
            await stage.pass_time(100, 2)
            return differences(stage, run.state()) + more_than(stage, "BUY", 1)


async def new_order_does_not_exist_yet(path: Path) -> list[str]:
    """Have an order taken, the connection break, and look-ups know of no such order for eight seconds."""
    async with scene(path) as stage, stage.engine() as run:
        stage.show_late(orders_s=8, trades_s=8)
        stage.faults(Fault("drop"))
        await stage.until(run, lambda: run.events(OrderSent))
        await stage.pass_time(90)
        return differences(stage, run.state()) + more_than(stage, "BUY", 1)


async def cancellations_do_not_arrive(path: Path) -> list[str]:
    """Lose three requests to cancel a resting buy, and then let the market come down to it."""
    async with scene(path) as stage, stage.engine(stage.config(**LIMIT_BUYS, max_open_lots=3)) as run:
        await stage.until(run, lambda: stage.placed("BUY"))
        stage.faults(Fault("drop", on="DELETE /api/v3/order", when="before", times=3))
        await stage.pass_time(33)
        stage.price("49000")
        await stage.pass_time(15)
        return differences(stage, run.state())


async def process_dies_before_the_answer(path: Path) -> list[str]:
    """Have an order taken whose answer does not come, and end the process before it can ask."""
    async with scene(path) as stage:
        async with stage.engine(wired=impatient(), crash=True) as run:
            stage.faults(Fault("hang"), Fault("hang", on="GET /api/v3/order", when="before", times=None))
            await stage.until(run, lambda: run.events(OrderSent))
            await run.until(lambda: stage.records)
        stage.heal()
        async with stage.engine() as run:
            await stage.pass_time(70)
            return differences(stage, run.state()) + more_than(stage, "BUY", 1)


async def acknowledged_order_is_not_found(path: Path) -> list[str]:
    """Acknowledge a buy and tell of its fill, while look-ups know of neither for ten seconds."""
    async with scene(path) as stage, stage.engine(stage.config(**LIMIT_BUYS)) as run:
        await stage.until(run, lambda: run.state().orders and not run.events(OrderFilled))
        await stage.pass_time(2)
        stage.show_late(orders_s=10, trades_s=10)
        (record,) = stage.placed("BUY")
        stage.fill(record, record.now.quantity)
        await stage.pass_time(30)
        return differences(stage, run.state()) + more_than(stage, "BUY", 1)


async def cancellation_comes_after_the_fill(path: Path) -> list[str]:
    """Fill a buy while the account's stream is silent, just before it is cancelled for its age."""
    async with scene(path) as stage, stage.engine(stage.config(**LIMIT_BUYS)) as run:
        await stage.until(run, lambda: stage.placed("BUY"))
        await stage.streams("silence")
        await stage.pass_time(25)
        (record,) = stage.placed("BUY")
        stage.fill(record, record.now.quantity)
        await stage.pass_time(30)
        return differences(stage, run.state()) + more_than(stage, "BUY", 1)


async def trades_show_after_the_cancellation(path: Path) -> list[str]:
    """Fill a part of a buy before it is cancelled, and list the trade only later."""
    async with scene(path) as stage, stage.engine(stage.config(**LIMIT_BUYS)) as run:
        await stage.until(run, lambda: stage.placed("BUY"))
        await stage.streams("silence")
        await stage.pass_time(25)
        stage.show_late(trades_s=15)
        (record,) = stage.placed("BUY")
        stage.fill(record, "0.001")
        await stage.pass_time(45)
        return differences(stage, run.state()) + more_than(stage, "BUY", 1)


async def order_is_not_found_at_the_start(path: Path) -> list[str]:
    """Restart while look-ups do not know a resting sell, and show it again later."""
    async with scene(path) as stage:
        async with stage.engine() as run:
            await bought(stage, run)
        stage.show_late(orders_s=stage.time.monotonic_s() + 40)
        async with stage.engine() as run:
            await stage.pass_time(20)
            stage.show_late()
            await stage.pass_time(90, 2)
            reach_target(stage, run)
            await stage.pass_time(5)
            return differences(stage, run.state()) + more_than(stage, "SELL", 1)


async def names_of_hosts_fail_during_an_order(path: Path) -> list[str]:
    """Have an order taken whose answer is lost, and then let nothing through for two minutes."""
    async with scene(path) as stage:
        stage.silence_new_streams()
        async with stage.engine() as run:
            dead = Fault("drop", on="*", when="before", times=None)
            stage.faults(Fault("drop"))
            await stage.until(run, lambda: run.events(OrderSent), step_s=0.25)
            await run.until(lambda: stage.records)
            stage.faults(dead)
            await stage.pass_time(150, 2)
            stage.heal()
            await stage.pass_time(150, 2)
            return differences(stage, run.state()) + more_than(stage, "BUY", 1)


async def answer_is_a_web_page(path: Path) -> list[str]:
    """Have an order taken, and a proxy answer in the exchange's place."""
    async with scene(path) as stage, stage.engine() as run:
        stage.faults(Fault("html"))
        await stage.until(run, lambda: run.events(OrderSent))
        await stage.pass_time(70)
        booked = [] if run.events(PurchaseRecorded) else ["nothing was bought"]
        return differences(stage, run.state()) + more_than(stage, "BUY", 1) + booked


INCIDENTS: Final = {
    "hummingbot-493": Incident(answer_to_a_buy_never_comes, wrong.timeout_is_failure, "2 orders to buy"),
    "hummingbot-601": Incident(new_order_does_not_exist_yet, wrong.absence_is_proof_at_once, "2 orders to buy"),
    "hummingbot-3374": Incident(
        cancellations_do_not_arrive, wrong.cancelled_because_asked, r"at the exchange and canceled in the log|booked 0"
    ),
    "hummingbot-8457": Incident(names_of_hosts_fail_during_an_order, wrong.failures_are_dropped, "not in the log"),
    "gateway-240": Incident(process_dies_before_the_answer, wrong.unanswered_orders_are_forgotten, "not in the log"),
    "catalyst-317": Incident(answer_is_a_web_page, wrong.sent_again_with_a_new_id, "2 orders to buy"),
    "freqtrade-4403": Incident(acknowledged_order_is_not_found, wrong.absence_ends_an_order, "orders to buy|booked 0"),
    "freqtrade-3647": Incident(cancellation_comes_after_the_fill, wrong.cancelled_because_asked, "orders to buy"),
    "freqtrade-6907": Incident(
        trades_show_after_the_cancellation, wrong.cancelled_orders_are_deleted, "not in the log"
    ),
    "freqtrade-2054": Incident(order_is_not_found_at_the_start, wrong.absence_ends_an_order, "2 orders to sell"),
}
