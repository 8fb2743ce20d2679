"""The line between one life of the engine and the exchange: what becomes of a request and of its answer.

Owns latency and loss. A request that has left is the exchange's: it arrives whether or not whoever sent it still lives.
Source: docs/evidence.md.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, TypeVar

from msgspec.structs import replace

from engine.exchanges.credentials import Credentials
from engine.testing.simulation.exchange.exchange import SimulatedExchange
from engine.testing.simulation.exchange.orders import DUPLICATE, Refusal
from engine.testing.simulation.life import Life
from engine.testing.simulation.secrecy import echoed

T = TypeVar("T")
C = TypeVar("C")
Trouble = Literal["not_sent", "lost", "nonsense", "limited"]

TIMEOUT_MS: Final = 10_000
"""So long is an answer waited for."""

TIMED_OUT: Final = "no whole answer came (RequestTimeout)"

_ON_CALLS: Final = (
    "not_sent", "request_lost", "request_late", "answer_lost", "server_error", "garbage", "rate_limit", "doubled",
)  # fmt: skip
_CARRIED_OUT: Final = frozenset({None, "request_late", "answer_lost", "server_error", "garbage", "doubled"})
_ABOUT_ORDERS: Final = frozenset({"create", "cancel", "query", "order_trades"})
_SHARE: Final = 0.2
"""All other calls fail at this share of the rates, or an engine would hardly ever get to its orders."""

_LATE_S: Final = (2, 1, 4, 7, 12, 20, 35, 45, 55, 120)
_SILENCE_S: Final = (2, 10, 60, 180, 600)
_SLOW_MS: Final = (500, 2_000, 8_000)
_AGAIN_MS: Final = (20, 1, 200, 1_000)
_LONG_S: Final = 60
_LEAST_MS: Final = 8
_SPREAD_MS: Final = 90


class LostError(Exception):
    """No sensible answer came. `silence_ms` is how long the exchange wants to be left alone."""

    def __init__(self, trouble: Trouble, text: str, silence_ms: int = 0) -> None:
        """Take what kind of trouble it is, in words too."""
        super().__init__(text)
        self.trouble: Final = trouble
        self.silence_ms: Final = silence_ms


class Line:
    """The line of one life."""

    def __init__(self, exchange: SimulatedExchange, life: Life, credentials: Credentials) -> None:
        """Take both ends, and the keys that are sent along."""
        self._exchange: Final = exchange
        self._life: Final = life
        self._credentials: Final = credentials

    async def ask(self, verb: str, run: Callable[[], T]) -> T:
        """Ask something that changes nothing: it is answered as of when it arrives. Raises LostError."""
        fault = await self._leave(verb, None)
        await self._fail_early(verb, fault)
        latency_ms = self._latency_ms(verb)
        await pause(latency_ms // 2)
        self._exchange.advance()
        answer = run()
        await self._life.cross(f"exchange/{verb}/after")
        await self._fail_late(verb, fault, latency_ms // 2)
        await pause(latency_ms - latency_ms // 2)
        return answer

    async def send(self, verb: str, run: Callable[[], T], client_order_id: str) -> T:
        """Send something that the exchange carries out when it arrives, whoever waits for it. Raises LostError."""
        fault = await self._leave(verb, client_order_id)
        await self._fail_early(verb, fault)
        latency_ms, box = self._latency_ms(verb), list[T]()
        there_ms = latency_ms // 2
        if fault == "request_late":
            there_ms = self._exchange.chance.choose(f"exchange/{verb}/request_late/wait", _LATE_S) * 1_000
        again_ms = self._chosen(verb, "doubled/wait", _AGAIN_MS) if fault == "doubled" else None
        self._exchange.later(self._exchange.at_ms + there_ms, lambda: self._arrive(run, box, again_ms))
        await pause(min(there_ms, TIMEOUT_MS))
        self._exchange.advance()
        if there_ms >= TIMEOUT_MS:
            raise self._lost(verb, "lost", TIMED_OUT)
        await self._come(box, 1)
        await self._life.cross(f"exchange/{verb}/after")
        await self._fail_late(verb, fault, there_ms)
        answer = box[0] if again_ms is None else await self._one_of_two(verb, box, again_ms)
        await pause(latency_ms - latency_ms // 2)
        return self._told(verb, answer)

    def _arrive(self, run: Callable[[], T], box: list[T], again_ms: int | None) -> None:
        """Have a request carried out, and once more so much later; each answer goes into the box.

        No copy comes of one that was refused: the exchange could take that, and whoever sent it once would have been
        told for certain that nothing was placed.
        """
        box.append(run())
        if again_ms is not None and not isinstance(box[0], Refusal):
            self._exchange.later(self._exchange.at_ms + again_ms, lambda: box.append(run()))

    async def _one_of_two(self, verb: str, box: list[T], again_ms: int) -> T:
        """Give the answer that comes to a request that arrived twice: the first, or the second in its place.

        A second order is told of as a duplicate or not at all: that the clock or a halt refused it would be taken for
        the proof that none was placed (docs/evidence.md, "What this cannot show").
        """
        if isinstance(box[0], Refusal) or self._chosen(verb, "doubled/answer", ("first", "second")) == "first":
            return box[0]
        await pause(again_ms)
        await self._come(box, 2)
        return box[1] if verb == "cancel" or box[1] == DUPLICATE else box[0]

    async def _come(self, box: list[T], count: int) -> None:
        """Wait until so many have come; the clock of the loop is finer than that of the exchange."""
        while len(box) < count:
            await pause(1)
            self._exchange.advance()

    async def _leave(self, verb: str, client_order_id: str | None) -> str | None:
        """Leave, and tell what will befall the request."""
        await self._life.cross(f"exchange/{verb}/before")
        self._exchange.advance()
        fault = self._fault(verb)
        if fault is not None or client_order_id is not None:
            record: dict[str, Any] = {
                "what": "request", "at_ms": self._exchange.at_ms, "life": self._life.number, "verb": verb,
                "arrived": fault in _CARRIED_OUT, "fault": fault,
            }  # fmt: skip
            if client_order_id is not None:
                record["client_order_id"] = client_order_id
            self._exchange.record(record)
        if verb == "create" and client_order_id is not None:
            for told in tuple(self._exchange.left):
                told(client_order_id)
        return fault

    def _fault(self, verb: str) -> str | None:
        exchange = self._exchange
        cut = exchange.cut_off()
        if cut is not None:
            return cut
        if exchange.at_ms < exchange.banned_until_ms:
            return "ban"
        if exchange.is_down():
            return "maintenance"
        share = 1.0 if verb in _ABOUT_ORDERS else _SHARE
        for kind in _ON_CALLS:
            if (kind != "doubled" or self._may_double(verb)) and exchange.happens(kind, f"{verb}/{kind}", share):
                return kind
        return None

    def _may_double(self, verb: str) -> bool:
        """Tell whether a request may arrive twice.

        An order only where its id is refused for ever: where it is free again once the first has ended, the exchange
        would place a second one, and nobody who sent it once could keep it from that.
        """
        return verb == "cancel" or (verb == "create" and self._exchange.terms.ids_unique == "ever")

    async def _fail_early(self, verb: str, fault: str | None) -> None:
        """Raise what a request meets that is not carried out."""
        match fault:
            case "not_sent":
                raise self._lost(verb, "not_sent", "ConnectionError: no connection could be made")
            case "request_lost":
                await pause(TIMEOUT_MS)
                raise self._lost(verb, "lost", TIMED_OUT)
            case "maintenance":
                await pause(self._latency_ms(verb))
                raise self._lost(verb, "nonsense", "ExchangeNotAvailable: HTTP 503")
            case "rate_limit" | "ban":
                await pause(self._latency_ms(verb))
                silence_ms = self._silence_ms(verb, fault)
                raise self._lost(verb, "limited", "RateLimitExceeded: HTTP 429, code -1003", silence_ms)
            case _:
                pass

    async def _fail_late(self, verb: str, fault: str | None, spent_ms: int) -> None:
        """Raise what comes instead of the answer to a request that was carried out."""
        match fault:
            case "answer_lost":
                await pause(TIMEOUT_MS - spent_ms)
                raise self._lost(verb, "lost", TIMED_OUT)
            case "server_error":
                raise self._lost(verb, "nonsense", "ExchangeError: HTTP 502")
            case "garbage":
                raise self._lost(verb, "nonsense", "BadResponse: HTTP 200")
            case _:
                pass

    def _lost(self, verb: str, trouble: Trouble, text: str, silence_ms: int = 0) -> LostError:
        """Say what came instead of an answer, in words that may hold what was sent."""
        return LostError(trouble, echoed(text, self._credentials, self._exchange.chance, verb), silence_ms)

    def _told(self, verb: str, answer: T) -> T:
        """Give an answer as it is told: the words of a refusal may hold what was sent."""
        if isinstance(answer, Refusal):
            return replace(answer, reason=echoed(answer.reason, self._credentials, self._exchange.chance, verb))
        return answer

    def _chosen(self, verb: str, what: str, options: Sequence[C]) -> C:
        return self._exchange.chance.choose(f"exchange/{verb}/{what}", options)

    def _silence_ms(self, verb: str, fault: str) -> int:
        """Say how long the exchange wants silence; a long one is a ban, which it keeps to whoever asks."""
        exchange = self._exchange
        if fault == "ban":
            return max(exchange.banned_until_ms - exchange.at_ms, 1)
        silence_s = exchange.chance.choose(f"exchange/{verb}/rate_limit/silence", _SILENCE_S)
        if silence_s >= _LONG_S:
            exchange.banned_until_ms = exchange.at_ms + silence_s * 1_000
        return silence_s * 1_000

    def _latency_ms(self, verb: str) -> int:
        exchange = self._exchange
        unit = exchange.chance.unit(f"latency/{verb}/{exchange.at_ms}")
        latency_ms = _LEAST_MS + int(_SPREAD_MS * unit * unit)
        if exchange.befalls("slow", f"{verb}/slow", verb=verb):
            latency_ms += exchange.chance.choose(f"exchange/{verb}/slow/wait", _SLOW_MS)
        return latency_ms


async def pause(ms: int) -> None:
    """Let virtual time pass."""
    await asyncio.sleep(ms / 1_000)
