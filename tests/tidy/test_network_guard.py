"""No test reaches the network: the guard of tests/conftest.py lets loopback pass and fails everything else."""

import asyncio
import socket

import pytest

OUTSIDE = ("192.0.2.1", 9)  # an address set aside for documentation: nobody answers there


@pytest.mark.parametrize("method", ["connect", "connect_ex"])
def test_guard_of_a_plain_socket_fails_an_outside_address(method: str) -> None:
    with socket.socket() as outside, pytest.raises(pytest.fail.Exception, match=r"192\.0\.2\.1"):
        getattr(outside, method)(OUTSIDE)


def test_guard_of_asyncio_fails_an_outside_address() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"192\.0\.2\.1"):
        asyncio.run(asyncio.open_connection(*OUTSIDE))


def test_guard_of_a_loopback_address_lets_it_pass() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.connect(server.getsockname())
        assert client.getpeername() == server.getsockname()
