"""A bot that has lived, for the tests of any folder: to be looked at, or, as a copy, to be changed."""

import shutil
from pathlib import Path

import pytest

from tests.cli.terminal import LIVELY, bot_file, krypto


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
