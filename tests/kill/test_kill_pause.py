"""A pause that was answered survives SIGKILL, and so does its end."""

import time
from pathlib import Path

import pytest

from engine.core.errors import NotRunningError
from engine.core.events import OrderRequested, OrderSent
from engine.core.identity import bot_stream
from engine.core.state import BotState
from engine.runtime.control import Request as Ask
from engine.runtime.control import send_command
from engine.runtime.redecide import redecide
from engine.runtime.replica import restore_bot
from engine.store.reader import LogReader
from engine.store.verification import verify
from tests.kill.chain import await_socket, socket_of
from tests.kill.evidence import log_end
from tests.kill.forks import Forks
from tests.kill.reference import Reference

SPEED = 2_500
"""A recorded hour in a second and a half: time enough to ask for something in the middle."""


def state_of(directory: Path, bot_id: str) -> BotState:
    with LogReader.open(directory) as reader:
        return restore_bot(reader, bot_id)[0]


def ask(directory: Path, command: str) -> None:
    """Give a command; the socket may just have been made, and not listen yet."""
    for attempt in range(100):
        try:
            assert send_command(directory, Ask(command, "gamma")).bots == ("gamma",)
        except NotRunningError:
            assert attempt < 99
            time.sleep(0.01)
        else:
            return


def ask_and_kill(forks: Forks, reference: Reference, directory: Path, command: str, *, trading: bool) -> None:
    """Start the bots, ask for something once they trade (or at once), and kill them as soon as that is answered."""
    request, socket = reference.request(directory, speed=SPEED), socket_of(directory)
    child = forks.start(request)
    await_socket(directory, socket)
    while trading and not (log_end(directory).position and state_of(directory, "gamma").stats.purchase_count):
        time.sleep(0.005)
    ask(directory, command)
    assert forks.kill(child, request), "the recording ended before the kill"


@pytest.mark.spec("A bot that was paused is still paused after its process was killed", section="issue: What shows it")
def test_bot_paused_and_killed_stays_paused_until_resumed(forks: Forks, reference: Reference, tmp_path: Path) -> None:
    directory = tmp_path / "data"

    ask_and_kill(forks, reference, directory, "pause", trading=True)
    paused = state_of(directory, "gamma")
    assert paused.paused

    ask_and_kill(forks, reference, directory, "reset-trailing", trading=False)
    still = state_of(directory, "gamma")
    assert still.paused
    assert still.order_number == paused.order_number

    ask_and_kill(forks, reference, directory, "resume", trading=False)
    assert not state_of(directory, "gamma").paused

    assert not forks.run(reference.request(directory))
    assert state_of(directory, "gamma").order_number > paused.order_number


def test_bot_paused_and_killed_sends_nothing_to_the_end(forks: Forks, reference: Reference, tmp_path: Path) -> None:
    directory = tmp_path / "data"
    ask_and_kill(forks, reference, directory, "pause", trading=True)
    end = log_end(directory)

    assert not forks.run(reference.request(directory))

    assert state_of(directory, "gamma").paused
    with LogReader.open(directory) as reader:
        later = [each.event for each in reader.read(bot_stream("gamma"), after_position=end.position)]
        assert not [event for event in later if isinstance(event, OrderRequested | OrderSent)]
        assert verify(reader).is_sound
        assert redecide(reader, "gamma").divergences == ()
