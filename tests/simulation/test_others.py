"""Another engine on the same account: its orders look like an engine's, and are nobody's business here."""

from pathlib import Path

from engine.core.events import OrdersSurveyed, PurchaseRecorded
from engine.core.identity import parse_client_order_id
from engine.testing.simulation.exchange.monitor import Limits, Monitor
from engine.testing.simulation.exchange.orders import Placed
from tests.simulation.lives import Lives, story

AWAY = 2
"""The choice of a distance from the market at which an order to buy rests."""

VISIT_S = 200
"""Within so long others come by."""


def of_another_log(lives: Lives, log_id: str | None = None) -> list[Placed]:
    """Give the orders there that bear the id of a log, and of another than this one."""
    logs = [(parse_client_order_id(each.wish.client_order_id), each) for each in lives.placed()]
    return [placed for parsed, placed in logs if parsed is not None and parsed[0] != log_id]


def rests(lives: Lives) -> None:
    """Have another engine place an order at its next visit, away from the market."""
    lives.fate.bring("foreign_bot")
    lives.fate.bring("foreign_order/away", AWAY)


def test_order_of_another_log_is_listed_as_foreign_and_left_alone(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        rests(lives)
        async with lives.life() as run:
            await run.until(lambda: of_another_log(lives, run.state().log_id), VISIT_S)
            (theirs,) = of_another_log(lives, run.state().log_id)
            assert theirs.is_open
            await run.until(lambda: run.events(OrdersSurveyed))
            assert run.events(OrdersSurveyed) == [OrdersSurveyed((), (theirs.exchange_order_id,))]
            assert run.state().halted is None
            assert len(run.events(PurchaseRecorded)) == 1, "it goes about its own business"
            assert theirs.is_open
            assert lives.asked("cancel")[theirs.wish.client_order_id] == 0

    story(tmp_path, tell)


def test_monitor_does_not_judge_orders_of_another_log(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        asked: list[str] = []

        def limits_of(log_id: str) -> Limits | None:
            asked.append(log_id)
            return None

        monitor = Monitor(lives.exchange, limits_of=limits_of, is_durable=lambda _: False, may_send=lambda _: False)
        rests(lives)
        await lives.machine.sleep(VISIT_S)
        lives.exchange.advance()
        assert len(of_another_log(lives)) == 1
        assert monitor.violations == asked == []

    story(tmp_path, tell)
