"""A stream that is read without a pause, so that nothing is missed while its reader does something else.

Owns the one task that waits for messages again and again, and how connections are mended and hung up. What a pump
cannot deliver at once it merges; what broke it, it hands to whoever waits next.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

from engine.exchanges.pace import Pace

T = TypeVar("T")
Tap = Callable[[Any], None]
HANG_UP_S: Final = 1.0


class Pump(Generic[T]):
    """Call `wait` again as soon as it has answered, and keep the answers for `next`, merged into one.

    It starts with the first `next` and ends with the first error, which `next` then raises: make a new one.
    """

    def __init__(self, wait: Callable[[], Awaitable[T | None]], merge: Callable[[T, T], T]) -> None:
        """Take how to wait (None: nothing of interest) and how two answers become one."""
        self._wait: Final = wait
        self._merge: Final = merge
        self._kept: T | None = None
        self._error: BaseException | None = None
        self._changed: Final = asyncio.Event()
        self._task: asyncio.Future[None] | None = None

    async def next(self) -> T:
        """Give what came since the last time, or wait for it. Raises what broke the stream, after what came before."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._run())
        while self._kept is None and self._error is None:
            self._changed.clear()
            await self._changed.wait()
        if self._kept is not None:
            kept, self._kept = self._kept, None
            return kept
        assert self._error is not None
        raise self._error

    def push(self, value: T) -> None:
        """Add something that came another way."""
        self._kept = value if self._kept is None else self._merge(self._kept, value)
        self._changed.set()

    def fail(self, error: BaseException) -> None:
        """Break the stream, as if its connection had."""
        if self._error is None:
            self._error = error
        self._changed.set()

    async def stop(self) -> None:
        """End the task."""
        task = self._task
        if task is None or task.done():
            return
        task.cancel()
        await asyncio.wait([task])

    async def _run(self) -> None:
        while self._error is None:
            try:
                value = await self._wait()
            except asyncio.CancelledError:
                self.fail(ConnectionError("the stream was hung up"))  # the library cancels its waiters when it hangs up
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it is raised where somebody waits
                self.fail(error)
                return
            if value is not None:
                self.push(value)


def mend_streams(ccxt: Any, taps: Sequence[Tap]) -> None:
    """Have every message told to `taps`, and the library's own reading survive what it cannot make sense of.

    An error in it would end its reading of that connection for good, without a word: a balance that comes after a
    subscription was ended is such a message. Waiters that nobody waits for any more break quietly.
    """
    handle_message, make_client = ccxt.handle_message, ccxt.client

    def tapped_message(client: Any, message: Any) -> None:
        with suppress(Exception):  # what it could not read, somebody waits for in vain: the watchdogs see that
            handle_message(client, message)
        for tap in taps:
            tap(message)

    def client_of(address: str) -> Any:
        client = make_client(address)
        if "future" not in vars(client):
            client.throttle = Pace(ccxt.tokenBucket)
            make_future = client.future

            def future(name: Any) -> Any:
                made = make_future(name)
                made.remove_done_callback(_retrieved)
                made.add_done_callback(_retrieved)
                return made

            client.future = future
        return client

    ccxt.handle_message, ccxt.client = tapped_message, client_of


def _retrieved(future: "asyncio.Future[Any]") -> None:
    if not future.cancelled():
        future.exception()


async def hang_up(clients: dict[str, Any], chosen: Callable[[Any], bool]) -> None:
    """Close the library's websockets that are chosen, also those whose other end says nothing any more."""
    leaving = [(address, client) for address, client in clients.items() if chosen(client)]
    for address, client in leaving:
        clients.pop(address, None)
        client.error = client.error or ConnectionError("hung up")  # or the library tells everybody of the end
    await asyncio.gather(*(_closed(client) for _, client in leaving))


async def _closed(client: Any) -> None:
    """Close a websocket, which may still be on its way up; one that does not answer the farewell is cut off."""
    if client.connecting:
        await asyncio.wait([client.connected], timeout=HANG_UP_S)
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(HANG_UP_S):
            await client.close()
