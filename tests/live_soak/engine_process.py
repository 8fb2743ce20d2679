"""The real engine in a process of its own, its time as fast as the exchange's.

It is run as `python -m tests.live_soak.engine_process`. A JSON line in says what to run. JSON lines out say how it
fares: what the process holds (memory, tasks, descriptors) and what it has done. SIGTERM ends it in order, as it ends
`krypto-engine run`. Whatever it has to complain about comes out of standard error, where nothing is expected.
"""

import asyncio
import cProfile
import json
import os
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any, Final

import msgspec

from engine.core.events import OrderFilled, OrderRequested, PriceObserved
from engine.runtime.bootstrap import Surroundings
from engine.runtime.config_file import parse_config
from engine.runtime.entropy import draw_log_id
from engine.runtime.journal import Published
from engine.runtime.supervisor import Engine, RunPlan, run_engine
from tests.live.harness import FastTime, wiring
from tests.live_soak.plan import REAL_TIMEOUT_MS

PAGE: Final = os.sysconf("SC_PAGE_SIZE")
SAMPLE_S: Final = 1.0


class Order(msgspec.Struct, frozen=True):
    """What to run: bots against the exchange on a port, at its speed, in a state directory."""

    directory: str
    port: int
    speed: float
    texts: tuple[str, ...]
    is_paced: bool = False
    profile: str = ""
    log: str = ""
    sample_s: float = SAMPLE_S


class Sample(msgspec.Struct, frozen=True):
    """How the process fares. `at_ms` is engine time since the start, `cpu_s` what was used of the processor."""

    at_ms: int
    rss: int
    tasks: int
    descriptors: int
    cpu_s: float
    prices: int
    orders: int
    fills: int
    events: int
    calls: dict[str, int]
    unsettled: int
    ready: bool
    statuses: dict[str, int]


class Watch:
    """What is seen of the run: counts, never the events themselves, which would grow."""

    def __init__(self, order: Order, real_time: FastTime) -> None:
        """Start with nothing."""
        self.engine: Engine | None = None
        self._order: Final = order
        self._time: Final = real_time
        self._seen: Final[Counter[type]] = Counter()
        self._log: Final = Path(order.log) if order.log else None

    def listen(self, published: Published) -> None:
        """Count an event."""
        self._seen[type(published.event)] += 1

    def say(self, at_ms: int, bot_id: str, text: str, routine: bool) -> None:
        """Note a line about the program."""
        if self._log is not None and not routine:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(f"{at_ms} [{bot_id}] {text}\n")

    async def sample(self) -> None:
        """Tell for ever how it fares."""
        while True:
            await asyncio.sleep(self._order.sample_s)
            if self.engine is not None:
                print(msgspec.json.encode(self._sample(self.engine)).decode(), flush=True)

    def _sample(self, engine: Engine) -> Sample:
        states = [bot.state for world in engine.worlds for bot in world.bots]
        orders = [order for state in states for order in state.orders.values()]
        calls: Counter[str] = Counter()
        for counted in {id(world.calls): world.calls for world in engine.worlds}.values():
            calls.update(counted)
        worlds: Any = engine.worlds
        return Sample(
            at_ms=int(self._time.monotonic_s() * 1000),
            rss=int(Path("/proc/self/statm").read_text().split()[1]) * PAGE,
            tasks=len(asyncio.all_tasks()),
            descriptors=len(list(Path("/proc/self/fd").iterdir())),
            cpu_s=time.process_time(),
            prices=self._seen[PriceObserved],
            orders=self._seen[OrderRequested],
            fills=self._seen[OrderFilled],
            events=self._seen.total(),
            calls=dict(calls),
            unsettled=sum(order.status != "open" or order.cancel_reason is not None for order in orders),
            ready=all(world._duties.is_ready for world in worlds),
            statuses=dict(Counter(order.status for order in orders)),
        )


def exchange_ms(port: int) -> int:
    """Ask the exchange for its true time."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/sim/state", timeout=10) as answer:
        return int(json.load(answer)["true_ms"])


async def run(order: Order) -> None:
    """Run the engine until it is told to stop."""
    import ccxt.pro  # type: ignore[import-untyped]  # noqa: F401 - its second and a half is a minute at full speed

    real_time = FastTime(order.speed, exchange_ms(order.port))
    watch = Watch(order, real_time)

    def announce(engine: Engine) -> None:
        watch.engine = engine

    sampling = asyncio.ensure_future(watch.sample())
    try:
        await run_engine(
            Path(order.directory),
            [parse_config(text, "soak").config for text in order.texts],
            RunPlan(),
            real_time=real_time,
            surroundings=lambda listeners: Surroundings(
                Path(order.directory),
                listeners,
                watch.say,
                draw_log_id,
                wiring=wiring(is_paced=order.is_paced, timeout_ms=REAL_TIMEOUT_MS),
            ),
            listeners=(watch.listen,),
            announce=announce,
        )
    finally:
        sampling.cancel()


def main() -> None:
    """Read what to run and run it."""
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    if not order.profile:
        asyncio.run(run(order))
        return
    profile = cProfile.Profile()
    profile.runcall(asyncio.run, run(order))
    profile.dump_stats(order.profile)


if __name__ == "__main__":
    main()
