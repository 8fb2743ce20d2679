"""What the tests of the independent checker share: what a paper bot left, and what a live bot and its exchange left."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine.core.events import PurchaseRecorded, SaleRecorded
from tests.cli.terminal import LIVELY, bot_file, krypto
from tests.live.incident import bought, reach_target
from tests.live.scene import scene
from tests.simulation.histories import Record, history_of

QUICK: dict[str, Any] = {"strategy_params": {"min_interval_hours": 0}, "min_price_change_percent": 0}


class Lived(NamedTuple):
    """What a run left: its state directory, and the exchange's history if there was an exchange."""

    directory: Path
    history: list[Record] | None


@pytest.fixture(scope="session")
def paper_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a paper bot whose trails fire on both sides, and that sold and holds lots; to be looked at only."""
    folder = tmp_path_factory.mktemp("paper")
    bot = bot_file(folder, **LIVELY, buy_order_type="trailing_market", trailing_buy_percent=0.05)
    assert krypto("run", "-c", bot, "--speed", "max", "--for", "2h").code == 0
    return folder / "state"


@pytest.fixture(scope="session")
def live_run(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """Run a live bot that bought, sold, and bought again, so that a sell rests; to be looked at only."""
    folder = tmp_path_factory.mktemp("live")

    async def scenario() -> bytes:
        async with scene(folder) as stage:
            async with stage.engine(stage.config(**QUICK)) as run:
                await bought(stage, run)
                reach_target(stage, run)
                await stage.until(run, lambda: run.events(SaleRecorded))
                await stage.until(run, lambda: len(run.events(PurchaseRecorded)) > 1)
                await bought(stage, run)
                await stage.pass_time(3)
            return stage.server.exchange.dump()

    return Lived(folder, history_of(asyncio.run(scenario())))


@pytest.fixture
def paper(paper_log: Path, tmp_path: Path) -> Path:
    """Copy the paper bot's directory, to be changed."""
    return _copy(paper_log, tmp_path / "paper")


@pytest.fixture
def live(live_run: Lived, tmp_path: Path) -> Lived:
    """Copy the live bot's directory and history, to be changed."""
    return Lived(_copy(live_run.directory, tmp_path / "live"), json.loads(json.dumps(live_run.history)))


def _copy(directory: Path, copy: Path) -> Path:
    copy.mkdir()
    for pattern in ("events.*", "bot_state_*.json"):
        for path in directory.glob(pattern):
            shutil.copy(path, copy)
    return copy
