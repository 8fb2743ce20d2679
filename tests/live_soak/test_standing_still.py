"""The engine's process is stopped (SIGSTOP) for longer than an order's window, again and again, and goes on."""

import signal
import time
from pathlib import Path

import pytest

from tests.exchange_server.process import ServerProcess
from tests.live_soak.checks import wrong
from tests.live_soak.plan import Soak
from tests.live_soak.running import EngineProcess, soak_run

SPEED = 20.0
STILL_MS = 30_000
WINDOW_MS = 5_000


class StandStill:
    """Stops the process for half a minute of market time, about every minute, at moments that wander."""

    def __init__(self) -> None:
        self.times = 0
        self._next_ms = 30_000

    def __call__(self, engine: EngineProcess, _server: ServerProcess, at_ms: int) -> None:
        if at_ms < self._next_ms:
            return
        engine.process.send_signal(signal.SIGSTOP)
        time.sleep(STILL_MS / 1_000 / SPEED)
        engine.process.send_signal(signal.SIGCONT)
        self.times += 1
        self._next_ms = at_ms + STILL_MS + 40_000 + self.times * 1_700 % 9_000


@pytest.mark.spec("an order that stood still beyond its window is never matched", section="Order protocol")
def test_process_that_was_stopped_sends_nothing_stale_and_is_in_step_again(tmp_path: Path) -> None:
    still = StandStill()
    soak = Soak(hours=0.2, speed=SPEED, bots=8, faults_percent=0)
    found = soak_run(soak, tmp_path, trouble=still)
    assert wrong(found) == []
    assert still.times >= 6
    placed = [request for request in found.ledger["requests"] if request["method"] == "POST"]
    assert len(placed) > 20
    for request in placed:
        late_ms = request["came_ms"] - int(request["parameters"]["timestamp"])
        assert late_ms <= WINDOW_MS or request["code"] == -1021, request
