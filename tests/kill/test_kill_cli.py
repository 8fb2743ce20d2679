"""The command itself, killed as an operator's machine would kill it: no fork server, no wrapper, no chosen ids."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.core.projection import state_file_name
from engine.runtime.replica import restore_bot
from engine.store.reader import LogReader
from tests.kill.chain import Tally, await_socket, socket_of
from tests.kill.evidence import log_end, read_death
from tests.kill.reference import Reference
from tests.kill.scenario import LOG_IDS

COMMAND = str(Path(sys.executable).with_name("krypto-engine"))
ROUNDS = 5


def shown(directory: Path, bot_id: str) -> str:
    """Give a state file without its `log`, as if the bot's log had the id that the tests choose."""
    with LogReader.open(directory) as reader:
        log_id = restore_bot(reader, bot_id)[0].log_id
    text = (directory / state_file_name(bot_id)).read_text().replace(log_id, LOG_IDS[bot_id])
    return text[: text.index('"log"')]


@pytest.mark.spec(
    "The command killed at random instants and started again ends as if never killed", section="issue: What shows it"
)
def test_command_killed_at_random_instants_ends_as_if_never_killed(reference: Reference, tmp_path: Path) -> None:
    directory, chance, tally = tmp_path / "data", random.Random(3), Tally()
    run = [COMMAND, "run", "--quiet"]
    for bot_id, text in reference.bots.items():
        path = tmp_path / f"{bot_id}.yml"
        path.write_text(f'{text}state_dir: "{directory}"\n')
        run += ["-c", str(path)]

    for _ in range(ROUNDS):
        found, socket = log_end(directory), socket_of(directory)
        with subprocess.Popen([*run, "--speed", "3000"], stdout=subprocess.DEVNULL) as engine:
            await_socket(directory, socket)
            while not read_death(directory, found).under_way:
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.4))
            engine.kill()
        tally.look(directory, found, "random")
    finished = subprocess.run([*run, "--speed", "max"], capture_output=True, text=True, timeout=60, check=False)

    assert finished.returncode == 0, finished.stderr
    assert tally.counted == ROUNDS, str(tally)
    for bot_id in reference.bots:
        assert shown(directory, bot_id) == shown(reference.directory, bot_id)
        subprocess.run(
            [COMMAND, "replay", bot_id, "--redecide", "--state-dir", str(directory)],
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )
    subprocess.run(
        [COMMAND, "verify", "--state-dir", str(directory)], check=True, stdout=subprocess.DEVNULL, timeout=60
    )
