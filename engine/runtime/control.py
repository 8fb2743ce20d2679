"""Commands to a running engine, over a socket in the state directory that only its owner can open.

One JSON line in, one JSON line out. The engine answers when the command is durable and carried out; `stop` when every
bot has been laid down.
"""

import asyncio
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from engine.core.errors import EngineError, NotRunningError, UsageError

SOCKET_NAME: Final = "control.sock"
MAX_LINE: Final = 4096
MAX_REPLY: Final = 1024**2
REPLY_TIMEOUT_S: Final = 30
MAX_ADDRESS: Final = 100
COMMANDS: Final = ("pause", "resume", "reset-trailing", "kill", "flatten", "revive", "stop")


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked, for which bot (None: the only one; for `stop`, all), and by whom."""

    command: str
    bot: str | None = None
    by: str = "operator"


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which bots the command reached and whether they were already what it asks for, or why none."""

    bots: tuple[str, ...] = ()
    already: bool = False
    error: str | None = None


Handler = Callable[[Request], Awaitable[Reply]]


@contextmanager
def _address(directory: Path) -> Iterator[str]:
    """Give a name for the socket that fits in an address, however deep the directory lies."""
    path = str(directory / SOCKET_NAME)
    if len(os.fsencode(path)) <= MAX_ADDRESS:
        yield path
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)


class ControlServer:
    """Listens in the state directory while the engine runs."""

    def __init__(self, directory: Path, handle: Handler) -> None:
        """Take the directory and the one who carries commands out."""
        self._directory: Final = directory
        self._handle: Final = handle
        self._server: asyncio.Server | None = None
        self._open: Final[set[asyncio.StreamWriter]] = set()

    async def start(self) -> None:
        """Open the socket, 0600, in place of one that a dead engine left.

        Raises:
            EngineError: the socket cannot be made.
        """
        umask = os.umask(0o177)
        try:
            with _address(self._directory) as address:
                self._server = await asyncio.start_unix_server(self._serve, address, limit=MAX_LINE)
        except OSError as error:
            raise EngineError(f"no control socket can be made in {self._directory}: {error.strerror}") from error
        finally:
            os.umask(umask)

    async def close(self) -> None:
        """Stop listening and remove the socket."""
        if self._server is not None:
            self._server.close()
            for writer in self._open:
                writer.close()
            (self._directory / SOCKET_NAME).unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            reply = await self._answer(await reader.readline())
            writer.write(msgspec.json.encode(reply) + b"\n")
            await writer.drain()
        except (ConnectionError, ValueError):
            pass  # the asker went away or sent an endless line; nobody is left to be told
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, line: bytes) -> Reply:
        try:
            request = msgspec.json.decode(line, type=Request)
        except msgspec.DecodeError as error:
            return Reply(error=f"that is no command: {error}")
        if request.command not in COMMANDS:
            return Reply(error=f"there is no command {request.command!r}: use one of {', '.join(COMMANDS)}")
        try:
            return await self._handle(request)
        except EngineError as error:
            return Reply(error=str(error))


def send_command(directory: Path, request: Request) -> Reply:
    """Ask the engine that runs in a state directory, and wait for its answer.

    Raises:
        NotRunningError: no engine answers there.
        UsageError: the engine refused, and says why.
    """
    try:
        mode = os.lstat(directory / SOCKET_NAME).st_mode
    except OSError:
        mode = 0
    if not stat.S_ISSOCK(mode):
        raise _nobody(directory)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(REPLY_TIMEOUT_S)
        try:
            with _address(directory) as address:
                client.connect(address)
            client.sendall(msgspec.json.encode(request) + b"\n")
            with client.makefile("rb") as file:
                line = file.readline(MAX_REPLY)
        except TimeoutError as error:
            raise EngineError(
                f"the engine in {directory} did not answer within {REPLY_TIMEOUT_S} s, and may obey later: see "
                "krypto-engine inspect-state"
            ) from error
        except OSError as error:
            raise _nobody(directory) from error
    if not line.endswith(b"\n"):
        raise NotRunningError(f"the engine in {directory} ended before it answered")
    reply = msgspec.json.decode(line, type=Reply)
    if reply.error is not None:
        raise UsageError(reply.error)
    return reply


def _nobody(directory: Path) -> NotRunningError:
    """Say that no engine answers: none runs, it runs elsewhere, or its socket is another user's."""
    return NotRunningError(
        f"no engine answers in {directory.absolute()}: name its state directory with --state-dir, be the user who runs "
        "it, or start one"
    )
