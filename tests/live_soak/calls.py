"""What bots cost an exchange in calls an hour, by kind, from the exchange's own ledger.

Owns the scenes and the table. One scene is one exchange and one engine, each in a process of its own; what the start
costs is counted apart from the hour that follows. A window of 5 s is 83 ms at speed 60: a request that a busy machine
sends too late for it is refused and repeated, and counts once, without the look at the clock in between. What will rest
is placed before, by an engine at a speed at which it trades on a busy machine too.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.exchange_server.process import ServerProcess, server_process
from tests.exchange_server.script import AccountScript, MarketScript, Script, Waves
from tests.live.harness import config_text
from tests.live_soak.engine_process import Order
from tests.live_soak.plan import MINUTE_MS, START
from tests.live_soak.running import EngineProcess, engine_process

ORDERS_SPEED: Final = 10.0
"""Over a second between the clocks nothing is bought: at speed 60 an answer is so late by 17 ms."""

START_S: Final = 120.0
_TOO_LATE: Final = -1021
LATE: Final = "after its window"
"""Requests that the exchange refused for coming late: at such a speed the machine's fault, so counted apart."""

NEVER: Final[dict[str, Any]] = {
    "rsi": {"threshold": 0},
    "ema": {"enabled": False},
    "rising_price": {"enabled": False},
}
"""Votes that are looked at in every cycle and never speak for a purchase."""

NAMES: Final = {
    "GET /api/v3/time": "time (the check of the connection)",
    "GET /api/v3/klines": "candles",
    "GET /api/v3/ticker/24hr": "price by request (the stream's judge)",
    "GET /api/v3/openOrders": "open orders",
    "GET /api/v3/order": "one order",
    "GET /api/v3/myTrades": "trades of the account",
    "GET /api/v3/account": "balances",
    "GET /api/v3/exchangeInfo": "market rules",
    "POST /api/v3/order": "new order",
    "DELETE /api/v3/order": "cancellation",
    "WS /ws SUBSCRIBE": "price stream opened",
    "WS /ws-api/v3 userDataStream.subscribe.signature": "account stream opened",
}


class Scene(msgspec.Struct, frozen=True):
    """So many bots on one symbol of one account; `resting` gives each a sell that waits, else they only look."""

    bots: int
    resting: bool
    speed: float = 60.0
    minutes: int = 60

    @property
    def name(self) -> str:
        """Name it in a column head."""
        return f"{self.bots} {'bot' if self.bots == 1 else 'bots'}, {'resting' if self.resting else 'idle'}"


class Counted(msgspec.Struct, frozen=True):
    """What a scene cost: at the start, and in the hour after it, with the engine's processor time in that hour."""

    scene: Scene
    at_start: dict[str, int]
    an_hour: dict[str, float]
    cpu_s: float


def scenes(speed: float = 60.0) -> list[Scene]:
    """Give the four scenes: one bot and ten, idle and with resting orders."""
    return [Scene(bots, resting, speed) for resting in (False, True) for bots in (1, 10)]


def count(scene: Scene, folder: Path) -> Counted:
    """Run a scene and count."""
    folder.mkdir()
    with server_process(_script(scene), folder) as server:
        started_ms = None
        if scene.resting:
            with _started(scene, server, ORDERS_SPEED, folder):
                started_ms = _now_ms(server)
        server.control("clock", {"speed": scene.speed})
        with _started(scene, server, scene.speed, folder) as engine:
            assert engine.last is not None, "it has told that it started"
            begun_ms, begun_cpu_s = _now_ms(server), engine.last.cpu_s
            while (end_ms := _now_ms(server)) < begun_ms + scene.minutes * MINUTE_MS:
                assert engine.process.poll() is None, (folder / "complaints.txt").read_text()
                time.sleep(0.1)
            cpu_s, requests = engine.last.cpu_s - begun_cpu_s, server.ledger()["requests"]
    hours = (end_ms - begun_ms) / 3_600_000
    asked = _asked(each for each in requests if begun_ms <= each["came_ms"] < end_ms)
    an_hour = {kind: round(number / hours, 1) for kind, number in asked.items() if number}
    complaints = (folder / "complaints.txt").read_text()
    assert not complaints, complaints
    at_start = _asked(each for each in requests if each["came_ms"] < (started_ms or begun_ms))
    return Counted(scene, dict(at_start), an_hour, round(cpu_s / hours, 2))


@contextmanager
def _started(scene: Scene, server: ServerProcess, speed: float, folder: Path) -> Iterator[EngineProcess]:
    """Have an engine whose bots have come to rest, at a speed."""
    texts = tuple(_bot(scene, number, server.port) for number in range(scene.bots))
    order = Order(str(folder / "state"), server.port, speed, texts, log=str(folder / "said.txt"), sample_s=0.1)
    with engine_process(order, folder / "complaints.txt") as engine:
        end_s = time.monotonic() + START_S
        while engine.last is None or not _has_started(engine.last.statuses, engine.last.ready, scene):
            assert engine.process.poll() is None, (folder / "complaints.txt").read_text()
            assert time.monotonic() < end_s, engine.last
            time.sleep(0.05)
        yield engine


def count_all(chosen: Iterable[Scene], folder: Path, at_once: int = 2) -> list[Counted]:
    """Run scenes, so many at once."""
    with ThreadPoolExecutor(at_once) as pool:
        jobs = [pool.submit(count, scene, folder / f"scene-{number}") for number, scene in enumerate(chosen)]
        return [job.result() for job in jobs]


def table(counted: list[Counted]) -> Iterator[str]:
    """Write the table, in Markdown."""
    yield from _rows("calls in an hour", [(each.scene.name, each.an_hour) for each in counted], counted)
    yield ""
    yield from _rows("calls at the start", [(each.scene.name, each.at_start) for each in counted], [])


def _rows(title: str, columns: list[tuple[str, Mapping[str, float]]], counted: list[Counted]) -> Iterator[str]:
    yield f"| {title} | " + " | ".join(name for name, _ in columns) + " |"
    yield "|---|" + "---:|" * len(columns)
    kinds = sorted({kind for _, numbers in columns for kind in numbers}, key=lambda kind: NAMES.get(kind, kind))
    for kind in kinds:
        cells = (f"{numbers.get(kind, 0):g}" for _, numbers in columns)
        yield f"| {NAMES.get(kind, kind)} | " + " | ".join(cells) + " |"
    yield "| together | " + " | ".join(f"{sum(numbers.values()):g}" for _, numbers in columns) + " |"
    if counted:
        yield "| processor of the engine, s | " + " | ".join(f"{each.cpu_s:g}" for each in counted) + " |"


def _now_ms(server: ServerProcess) -> int:
    return int(server.control("state")["true_ms"])


def _asked(requests: Iterable[Mapping[str, Any]]) -> Counter[str]:
    kinds: Counter[str] = Counter()
    for each in requests:
        if each["code"] == _TOO_LATE:
            kinds[LATE] += 1
            kinds["GET /api/v3/time"] -= 1  # each costs a look at the clock
        else:
            kinds[f"{each['method']} {each['path']}"] += 1
    return kinds


def _has_started(statuses: dict[str, int], ready: bool, scene: Scene) -> bool:
    return ready and (not scene.resting or statuses == {"open": scene.bots})


def _script(scene: Scene) -> Script:
    return Script(
        speed=ORDERS_SPEED,
        pump_ms=max(5, int(1_000 / scene.speed)),
        markets=(MarketScript("BTC", "USD", Waves(Decimal(50_000), swing_percent=1.0, period_ms=1_200_000)),),
        accounts=(AccountScript(balances=START),),
    )


def _bot(scene: Scene, number: int, port: int) -> str:
    """Write a bot with the pace that is usual: a look every minute, candles of five minutes, a check every two."""
    return config_text(
        port,
        bot_id=f"counted-{number}",
        check_interval=60 if not scene.resting else 1,
        timeframe="5m",
        profit_target=10,
        sell_order_type="limit",
        **({} if scene.resting else {"strategy_params": {"indicators": NEVER}}),
    )
