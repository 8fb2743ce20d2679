"""What holds for every test: how thoroughly Hypothesis looks, and that no test reaches the network or real keys.

Owns the Hypothesis profiles, the network guard, the guard of keys, that the process can be looked into, and how workers
share the tests. Never holds fixtures of one area; those stand beside their tests, the few that several areas use in
modules that are named here.
"""

import ctypes
import ipaddress
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import Phase, settings

settings.register_profile("default", deadline=None, derandomize=True, database=None, max_examples=50)
settings.register_profile("unshrunk", settings.get_profile("default"), phases=(Phase.explicit, Phase.generate))
settings.register_profile("thorough", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))  # --hypothesis-profile goes before it

pytest_plugins = ("tests.cli.living", "tests.live_kill.forking")

TESTS: Final = Path(__file__).parent
LONG: Final = (
    "kill",
    "live_kill",
    "live_soak",
    "processes",
    "live/test_calls.py",
    "live/test_listening.py",
    "security/test_canaries.py",
)
"""Tests that take long, most of them waiting for real processes in real time."""

GUARD: Final = TESTS / "guard"


def pytest_xdist_auto_num_workers() -> int:
    """Have more workers than processors: many tests wait."""
    return (os.cpu_count() or 1) + 2


def pytest_report_header() -> str:
    """Tell with which means the tests of real processes work here."""
    from tests.processes.disks import means

    return means()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let every worker begin with what takes long, so that nothing of it is left for the end."""
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        items[:] = dealt(items, worker["workercount"])


def dealt(items: Sequence[pytest.Item], workers: int) -> list[pytest.Item]:
    """Order tests so that each worker's part, as xdist cuts them, begins with its share of the long files."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        if item.path.relative_to(TESTS).as_posix().startswith(LONG):
            files.setdefault(item.path, []).append(item)
    shares = list(files.values())
    rest = iter([item for item in items if item.path not in files])
    order: list[pytest.Item] = []
    for number in range(workers):
        size = (len(items) - len(order)) // (workers - number)
        share = [item for file in shares[number::workers] for item in file]
        order += [*share, *islice(rest, max(size - len(share), 0))]
    return order


def is_loopback(address: object) -> bool:
    """Tell whether a socket address stays on this machine: a unix socket, or a loopback host."""
    if not isinstance(address, tuple):
        return True
    host = str(address[0])
    try:
        return host == "localhost" or ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session", autouse=True)
def network_guard() -> Iterator[None]:
    """Fail any test that connects to an address outside this machine.

    The failure is no OSError, so that code which rightly survives a dead network cannot hide it.
    """
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def refuse_outside(address: object) -> None:
        if not is_loopback(address):
            pytest.fail(f"a test tried to connect to {address}; only loopback addresses and unix sockets are allowed")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        refuse_outside(address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        refuse_outside(address)
        return connect_ex(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        yield


@pytest.fixture(scope="session", autouse=True)
def processes_guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail the session if a process that a test started tried to reach an address outside this machine.

    Every Python that inherits the environment refuses it, and notes it (tests/guard/sitecustomize.py).
    """
    report = tmp_path_factory.mktemp("guard") / "outside.txt"
    inherited = os.environ.get("PYTHONPATH", "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(GUARD), inherited))))
        patch.setenv("NETWORK_GUARD_REPORT", str(report))
        yield
    reached = report.read_text(encoding="utf-8") if report.exists() else ""
    assert not reached, f"processes of tests tried to leave this machine:\n{reached}"


@pytest.fixture(scope="session", autouse=True)
def keys_guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep every test, and every process that it starts, away from the keyring and the keys of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("KRYPTO_")]:
            patch.delenv(name)
        patch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(autouse=True)
def dumpable() -> Iterator[None]:
    """Take back what `lock_down` did to the process of the tests, as far as it can be."""
    yield
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
