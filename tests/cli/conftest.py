"""What the tests of the command line share: state directories with something in them."""

import shutil
from pathlib import Path

import pytest

from tests.cli.terminal import LIVELY, bot_file, krypto


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a bot for a while and give its folder, so that there is a log to be harmed; to be looked at only."""
    folder = tmp_path_factory.mktemp("standing")
    assert krypto("run", "-c", bot_file(folder), "--speed", "max", "--for", "30m").code == 0
    return folder


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a bot until it has sold, holds lots and follows a price; give its folder, to be looked at only."""
    folder = tmp_path_factory.mktemp("lived")
    assert krypto("run", "-c", bot_file(folder, **LIVELY), "--speed", "max", "--for", "2h").code == 0
    return folder


@pytest.fixture
def copied(lived: Path, tmp_path: Path) -> Path:
    """Copy the folder of the bot that has lived, to be changed."""
    shutil.copytree(lived / "state", tmp_path / "state")
    bot_file(tmp_path, **LIVELY)
    return tmp_path
