"""What the tests of the command line share: state directories with something in them."""

from pathlib import Path

import pytest

from tests.cli.terminal import bot_file, krypto


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a bot for a while and give its folder, so that there is a log to be harmed; to be looked at only."""
    folder = tmp_path_factory.mktemp("standing")
    assert krypto("run", "-c", bot_file(folder), "--speed", "max", "--for", "30m").code == 0
    return folder
