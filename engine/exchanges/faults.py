"""What a failed call means: from the library's error and the wire's record to a fault of ours, without secrets.

Owns the reading of errors. Texts of the library never get out while a request was on its way, because they hold the
address with its signature; what is told is the class, the HTTP status and the exchange's own code and words.
Knows the library's errors by their names and never imports it.
"""

import re
from collections.abc import Collection
from typing import Final

from engine.core.errors import ConfigError, CredentialsError, EngineError, RateLimitedError, UnreachableError
from engine.exchanges.spellings import spellings
from engine.exchanges.wire import Answer, Record

MAX_TEXT: Final = 200
_ADDRESS: Final = re.compile(r"\b(?:https?|wss?)://\S+", re.IGNORECASE)
_NAMED: Final = re.compile(
    r"(?i)\b(signature|sign|apikey|api[-_](?:key|sign)|x-mbx-apikey|(?:kc-api|ok-access|cb-access)-[a-z-]+"
    r"|authorization|secret|passphrase)([\"']?\s?[=:]\s?[\"']?(?:bearer\s)?)[^\s&\"',}]+"
)
_KEY_CODES: Final = frozenset({"-2014", "-2015"})
_CLOCK_CODES: Final = frozenset({"-1021", "REQUEST_EXPIRED"})
"""REQUEST_EXPIRED is gate's; the library takes it for a wrong key."""

_NOT_THE_EXCHANGE: Final = frozenset({407, 511})
"""Statuses of proxies and of networks that want a log-in first."""


class OrderAbsentError(UnreachableError):
    """The exchange says itself that it does not know the order."""


class Scrubber:
    """Take secrets, addresses and signatures out of texts."""

    def __init__(self, *secrets: str) -> None:
        """Take what must never be seen, however it is written."""
        ways = {way for secret in secrets if secret for way in spellings(secret)}
        self._secrets = tuple(sorted(ways, key=len, reverse=True))

    def __call__(self, text: str) -> str:
        """Give a text that can be shown and kept."""
        for secret in self._secrets:
            text = text.replace(secret, "<hidden>")
        text = _NAMED.sub(r"\1\2<hidden>", _ADDRESS.sub("<address>", text))
        text = " ".join("".join(one if one.isprintable() else " " for one in text).split())
        return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."


def names_of(error: BaseException) -> frozenset[str]:
    """Name the classes an error belongs to."""
    return frozenset(kind.__name__ for kind in type(error).__mro__)


def is_clock_fault(error: BaseException, told: Collection[str]) -> bool:
    """Tell whether the exchange refused a request for the time it was signed with; `told` are its codes."""
    return "InvalidNonce" in names_of(error) or not _CLOCK_CODES.isdisjoint(told)


def wants_silence(error: BaseException) -> bool:
    """Tell whether the exchange wants to be left alone, although its status did not say so."""
    return bool(names_of(error) & {"DDoSProtection", "RateLimitExceeded"})


def refuses_key(error: BaseException, answer: Answer | None, told: Collection[str]) -> bool:
    """Tell whether the answer to a signed request refuses its key; `told` are the exchange's codes in its body.

    An answer without any is somebody else's: a proxy's, or that of a network that wants a log-in first.
    """
    if answer is None or answer.status in _NOT_THE_EXCHANGE or not set(told) - {str(answer.status)}:
        return False
    if is_clock_fault(error, told):
        return False
    return answer.code in _KEY_CODES or "AuthenticationError" in names_of(error)


def described(error: BaseException, record: Record, scrub: Scrubber) -> str:
    """Say in a few words what happened, without anything that must not be seen."""
    name, answer = type(error).__name__, record.last
    if answer is None:
        return f"no whole answer came ({name})" if not record.is_empty else scrub(f"{name}: {error}").rstrip(": ")
    code = "" if answer.code is None else f", code {answer.code}"
    words = f" ({answer.message})" if answer.message else ""
    return scrub(f"{name}: HTTP {answer.status}{code}{words}")


def fault_of(
    error: BaseException, record: Record, scrub: Scrubber, *, exchange: str, silent_until_ms: int, is_key: bool
) -> EngineError:
    """Give the fault that a failed read means. `silent_until_ms` is when the exchange may be asked again (0: now).

    `is_key` says that the exchange refused the key (`refuses_key`).
    """
    names = names_of(error)
    text = described(error, record, scrub)
    if is_key:
        return CredentialsError(f"{exchange} refuses the API key: {text}; check the key and what it may do.")
    if silent_until_ms:
        return RateLimitedError(f"{exchange} wants silence: {text}.", silent_until_ms)
    if "OrderNotFound" in names and record.last is not None:
        return OrderAbsentError(f"{exchange} does not know the order: {text}.")
    if "BadSymbol" in names:
        return ConfigError(f"{exchange} does not trade this market: {text}.")
    if record.last is None and not record.is_empty:
        return UnreachableError(f"{exchange} did not answer: {text}.")
    return UnreachableError(f"{exchange} gave no sensible answer: {text}.")
