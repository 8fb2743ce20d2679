"""The probe of the internet: switched off it opens no socket, switched on it goes where the file says."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.core.config import BotConfig
from engine.core.events import ConnectivityChecked
from tests.docs.pages import ROOT
from tests.exchange_server.faults import Fault
from tests.live.harness import config_text, exchange, trading

SPEC = pytest.mark.spec
DOWN = Fault("status", "GET /api/v3/time", status=502, when="before", times=None)


@pytest.fixture
def host() -> Iterator[socket.socket]:
    """Have a host that would answer the probe."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def _was_called(server: socket.socket) -> bool:
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def _checks_while_down(
    folder: Path, hosts: list[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[set[str], list[str | None]]:
    """Run a bot whose exchange does not answer; give the addresses connected to, and what the checks said."""
    reached: set[str] = set()
    connect = asyncio.open_connection

    async def noted(name: str, port: int) -> object:
        reached.add(f"{name}:{port}")
        return await connect(name, port)

    monkeypatch.setattr(asyncio, "open_connection", noted)
    told: list[str | None] = []

    async def scenario() -> None:
        async with (
            exchange(faults=(DOWN,)) as server,
            trading(folder, config_text(server.port, connectivity_hosts=hosts)) as run,
        ):
            await run.until(lambda: [each for each in run.events(ConnectivityChecked) if not each.reachable])
            told.extend(each.diagnosis for each in run.events(ConnectivityChecked))

    asyncio.run(scenario())
    return reached, told


@SPEC("connectivity_hosts: [] asks no host, also while the exchange is away", section="The internet probe")
def test_probe_that_is_switched_off_opens_no_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reached, told = _checks_while_down(tmp_path, [], monkeypatch)
    assert reached == set()
    assert set(told) == {None}


@SPEC("the probe asks the hosts of the file, and only when the exchange does not answer", section="The internet probe")
def test_probe_goes_to_the_hosts_of_the_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: socket.socket
) -> None:
    name = f"127.0.0.1:{host.getsockname()[1]}"
    reached, told = _checks_while_down(tmp_path, [name], monkeypatch)
    assert reached == {name}
    assert set(told) == {"exchange down"}
    assert _was_called(host)


def test_probe_is_left_out_while_the_exchange_answers(tmp_path: Path, host: socket.socket) -> None:
    async def scenario() -> None:
        text = {"connectivity_hosts": [f"127.0.0.1:{host.getsockname()[1]}"]}
        async with exchange() as server, trading(tmp_path, config_text(server.port, **text)) as run:
            await run.until(lambda: len(run.events(ConnectivityChecked)) > 0)
            assert all(each.reachable for each in run.events(ConnectivityChecked))

    asyncio.run(scenario())
    assert not _was_called(host)


def test_default_of_the_probe_is_told_with_what_it_gives_away() -> None:
    assert BotConfig(bot_id="x", exchange="simulated", symbol="BTC/USD").connectivity_hosts == ("8.8.8.8:53",)
    text = " ".join((ROOT / "docs/security.md").read_text(encoding="utf-8").split())
    assert "8.8.8.8:53" in text
    assert "connectivity_hosts: []" in text
