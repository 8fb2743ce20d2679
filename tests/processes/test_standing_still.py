"""SIGSTOP for longer than an order may take, with one about to leave, leaving or under way: nothing late is ever taken.

A machine put to sleep does the same. The process stands still as a whole, by the kernel's own means, at an instant that
is chosen by the system call it is about to make.
"""

import os
import signal
import time
from pathlib import Path
from typing import Final

import pytest

from tests.exchange_server.faults import Fault
from tests.kill.forks import Forks
from tests.processes.seccomp import SENDS, SYNCS, Call, is_possible
from tests.processes.story import CREATE, Story, newest_sale, story, until

WINDOW_S: Final = 5.0
"""So long after `order_sent` does the exchange still take an order."""

LIVED: Final = 2
LEAST_REQUEST: Final = 200
TOO_LATE: Final = -1021


class Freezing:
    """Stops the program once, for longer than the window, when its newest order is logged as sent and has not left."""

    def __init__(self, told: Story, name: str) -> None:
        self._told = told
        self._call = name
        self.process_id = 0  # armed once it is known
        self.order = ""
        self.is_over = False

    def __call__(self, call: Call) -> int:
        if self.process_id and not self.order and self._is_it(call):
            name = newest_sale(self._told.log(), "sent")
            if name and not self._told.ledger().creates()[name]:
                self.order = name
                freeze(self.process_id, WINDOW_S + 1)
                self.is_over = True
        return 0

    def _is_it(self, call: Call) -> bool:
        """Tell whether this is the call to stop in: any sync, or a request that leaves, no mere wake-up of a thread."""
        if self._call == "sync":
            return call.name in SYNCS
        return call.name in SENDS and call.thread == self.process_id and call.arguments[2] > LEAST_REQUEST


def freeze(process_id: int, seconds: float) -> None:
    """Have a process stand still, and go on."""
    os.kill(process_id, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(process_id, signal.SIGCONT)


@pytest.mark.spec(
    "A program that stood still for longer than an order may take does not place it late", section="Order protocol"
)
@pytest.mark.parametrize("call", ["sync", "sendto"])
def test_program_that_stood_still_before_an_order_left_does_not_place_it(
    live_forks: Forks, tmp_path: Path, call: str
) -> None:
    with story(tmp_path) as told:
        freezing = Freezing(told, call)
        with told.watch((*SYNCS, *SENDS), freezing) as program:
            until(lambda: len(told.log().intents) > LIVED)
            freezing.process_id = program.process.pid
            until(lambda: freezing.is_over)
            until(lambda: told.log().intents[freezing.order].rejections)
            until(told.next_accepted())
            program.process.kill()
        asked = [each["code"] for each in told.ledger().requests if freezing.order in str(each["parameters"])]
        (rejection,) = told.log().intents[freezing.order].rejections
        assert (asked, rejection.partition(":")[0]) in (([], "stale"), ([TOO_LATE], str(TOO_LATE)))
        if is_possible():  # else the instant is only nearly the one that was meant
            assert bool(asked) == (call == "sendto")
        assert freezing.order not in told.ledger().orders_by_client_id()
        told.die_at_syncs(4)
        told.goes_on()
        told.finish(live_forks)


LATE_REQUEST: Final = Fault("late", CREATE, delay_ms=int(WINDOW_S * 1000) + 500)
LATE_ANSWER: Final = Fault("late", CREATE, answer_delay_ms=2_000)


@pytest.mark.parametrize(
    ("fault", "is_placed"), [(LATE_REQUEST, False), (LATE_ANSWER, True)], ids=["asked", "answered"]
)
def test_program_that_stood_still_while_an_order_was_under_way_finds_out_what_became_of_it(
    live_forks: Forks, tmp_path: Path, fault: Fault, is_placed: bool
) -> None:
    with story(tmp_path) as told:
        with told.run() as program:
            until(lambda: len(told.log().intents) > LIVED)
            order = told.strike(fault)
            freeze(program.process.pid, WINDOW_S + 1)
            until(told.next_accepted())
            program.process.kill()
        assert told.ledger().creates()[order] == 1
        assert (order in told.ledger().orders_by_client_id()) == is_placed
        assert bool(told.log().intents[order].exchange_ids) == is_placed
        told.die_at_syncs(4)
        told.goes_on()
        told.finish(live_forks)
