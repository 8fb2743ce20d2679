"""An impatient operator: the signal to end comes twice while an order is under way, and the end is still orderly."""

import signal
import time
from pathlib import Path

import pytest

from tests.exchange_server.faults import Fault
from tests.kill.forks import Forks
from tests.processes.story import CREATE, story, until

LIVED = 2
ANSWER_MS = 2_500


@pytest.mark.spec("signals that come twice with an order under way still end in order", section="issue: Stopping")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"])
def test_program_told_twice_to_end_with_an_order_under_way_ends_in_order(
    live_forks: Forks, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with story(tmp_path) as told:
        with told.run() as program:
            until(lambda: len(told.log().intents) > LIVED)
            order = told.strike(Fault("late", CREATE, answer_delay_ms=ANSWER_MS))
            program.process.send_signal(number)
            time.sleep(0.1)
            found, _ = program.stop_with(number)
            end = program.end()
        assert (found, end.err) == (code, ""), end
        last = told.log().rows[-1]
        assert (last.tag, last.says["reason"]) == ("session_stopped", number.name)
        assert told.ledger().creates()[order] == 1
        told.goes_on()
        assert told.log().intents[order].exchange_ids
        told.finish(live_forks)
