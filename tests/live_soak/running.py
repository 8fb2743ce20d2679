"""A soak under way: the exchange in one process, the engine in another, and this one that watches and makes trouble.

Owns both processes and their orderly end. Never judges what was found; that is `tests.live_soak.checks`.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.exchange_server.process import ROOT, ServerProcess, server_process
from tests.live_soak.engine_process import Order, Sample
from tests.live_soak.plan import MINUTE_MS, Soak, bots_of, script_of, stream_fault

STREAM_FAULT_EVERY_MS: Final = 4 * MINUTE_MS
SETTLE_MS: Final = 10 * MINUTE_MS
END_S: Final = 30.0
TELL_EVERY: Final = 10
"""After so many samples comes a line of progress."""


class Found(msgspec.Struct, frozen=True):
    """What a soak left: the state directory, the exchange's ledger, the samples, and what the engine complained of."""

    soak: Soak
    directory: Path
    ledger: Any
    samples: list[Sample]
    complaints: str
    exit_code: int
    took_s: float


class EngineProcess:
    """The engine's process, seen from outside."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        """Take the process and read what it says."""
        self.process: Final = process
        self.samples: Final[list[Sample]] = []
        self._reader: Final = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def last(self) -> Sample | None:
        """Give the newest sample."""
        return self.samples[-1] if self.samples else None

    def stop(self) -> int:
        """End it in order, and give its exit code."""
        self.process.terminate()
        try:
            code = self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self._reader.join(END_S)
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.samples.append(msgspec.json.decode(line, type=Sample))


@contextmanager
def engine_process(order: Order, complaints: Path) -> Iterator[EngineProcess]:
    """Have an engine in a process of its own, which shows every warning."""
    command = [sys.executable, "-W", "always", "-m", "tests.live_soak.engine_process"]
    with (
        complaints.open("wb") as errors,
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        process.stdin.flush()
        running = EngineProcess(process)
        try:
            yield running
        finally:
            if process.poll() is None:
                running.stop()


Trouble = Callable[[EngineProcess, ServerProcess, int], None]
"""Makes trouble now and then: called again and again with the market time that the engine has lived."""


def soak_run(
    soak: Soak,
    folder: Path,
    tell: Callable[[Sample], None] = lambda _: None,
    trouble: Trouble | None = None,
    profile: str = "",
) -> Found:
    """Run a soak: trade under faults for so long, then without, until nothing is left to be settled, and stop."""
    complaints, directory = folder / "complaints.txt", folder / "state"
    start_s = time.monotonic()
    with server_process(script_of(soak), folder) as server:
        texts = tuple(bots_of(soak, server.port))
        order = Order(str(directory), server.port, soak.speed, texts, profile=profile, log=str(folder / "said.txt"))
        with engine_process(order, complaints) as engine:
            _disturb(soak, engine, server, tell, trouble or BreakStreams(soak))
            _settle(engine, server)
            exit_code = engine.stop()
            samples = list(engine.samples)
        ledger = server.ledger()
    took_s = round(time.monotonic() - start_s, 1)
    return Found(soak, directory, ledger, samples, complaints.read_text(), exit_code, took_s)


class BreakStreams:
    """Breaks all streams now and then, in one way after the other."""

    def __init__(self, soak: Soak) -> None:
        """Take the soak: one without faults has its streams left alone."""
        self._is_wanted: Final = soak.faults_percent > 0
        self._struck = 0

    def __call__(self, _engine: EngineProcess, server: ServerProcess, at_ms: int) -> None:
        """Strike if it is time."""
        if self._is_wanted and at_ms >= (self._struck + 1) * STREAM_FAULT_EVERY_MS:
            server.control("streams", stream_fault(self._struck))
            self._struck += 1


def _disturb(
    soak: Soak, engine: EngineProcess, server: ServerProcess, tell: Callable[[Sample], None], trouble: Trouble
) -> None:
    """Let it trade for so long, with trouble."""
    told = 0
    while engine.process.poll() is None:
        time.sleep(0.2)
        last = engine.last
        if last is None:
            continue
        if len(engine.samples) >= told + TELL_EVERY:
            told = len(engine.samples)
            tell(last)
        trouble(engine, server, last.at_ms)
        if last.at_ms >= soak.length_ms:
            break


def _settle(engine: EngineProcess, server: ServerProcess) -> None:
    """End all faults, hold all prices, and wait until nothing is under way, so that both sides tell the same."""
    server.control("faults", method="DELETE")
    for symbol, price in server.control("state")["prices"].items():
        server.control("price", {"symbol": symbol, "price": price})
    server.control("streams", msgspec.to_builtins(stream_fault(6)))
    begun = len(engine.samples)
    end_ms: int | None = None
    while engine.process.poll() is None:
        time.sleep(0.05)
        last = engine.last
        if last is None or len(engine.samples) < begun + 2:
            continue
        end_ms = end_ms or last.at_ms + SETTLE_MS
        if (last.ready and last.unsettled == 0 and last.at_ms > end_ms - SETTLE_MS / 2) or last.at_ms > end_ms:
            return


def growth(samples: Sequence[Sample]) -> float:
    """Give how many MiB per 10,000 prices the memory grew over the second half: the slope of a line through it."""
    half = samples[len(samples) // 2 :]
    prices = [each.prices / 10_000 for each in half]
    memory = [each.rss / 2**20 for each in half]
    mean_x, mean_y = sum(prices) / len(half), sum(memory) / len(half)
    spread = sum((x - mean_x) ** 2 for x in prices)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(prices, memory, strict=True)) / spread if spread else 0.0
