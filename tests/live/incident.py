"""What an incident is: a story, the wrong protocol that it tells of, and the complaint that this leads to."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

from tests.live.harness import BOT, Run
from tests.live.scene import Scene
from tests.live.wrong import Wrong


class Incident(NamedTuple):
    """`story` gives complaints, none if the engine survives; under `wrong` one of them must match `complaint`."""

    story: Callable[[Path], Coroutine[Any, Any, list[str]]]
    wrong: Wrong
    complaint: str


async def bought(stage: Scene, run: Run, bot_id: str = BOT) -> None:
    """Wait until a bot has bought, and its sell rests at the exchange."""
    await stage.until(run, lambda: run.state(bot_id).lots and _rests(run, bot_id))


def reach_target(stage: Scene, run: Run, bot_id: str = BOT) -> None:
    """Have the market rise over the target of the only lot."""
    (lot,) = run.state(bot_id).lots.values()
    assert lot.target is not None, lot
    stage.price(lot.target + 1)


def _rests(run: Run, bot_id: str) -> bool:
    orders = run.state(bot_id).orders.values()
    return bool(orders) and all(order.side == "sell" and order.status == "open" for order in orders)
