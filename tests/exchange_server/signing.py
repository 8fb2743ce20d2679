"""Who asks, and whether what they ask is theirs and fresh: keys, signatures and the validity window.

Owns the rule of signatures: HMAC-SHA256 over query and body put together, the signature itself left out wherever it
stands. To be called when a request is carried out, not when it comes, so that a late request is an old one.
"""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl

from tests.exchange_server.accounts import Account
from tests.exchange_server.calls import Security
from tests.exchange_server.errors import (
    ApiError,
    bad_key,
    bad_key_format,
    bad_signature,
    from_the_future,
    illegal,
    missing,
    outside_window,
)
from tests.exchange_server.exchange import Exchange

USUAL_WINDOW_MS = 5_000
LARGEST_WINDOW_MS = 60_000
_AHEAD_MS = 1_000


def signature_of(secret: str, payload: str) -> str:
    """Sign a text as the exchange wants it."""
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def signed_text(query: str, body: str) -> str:
    """Give what the signature of a request covers: query and body without a sign between them."""
    return "".join(
        "&".join(part for part in text.split("&") if not part.startswith("signature=")) for text in (query, body)
    )


def read_parameters(query: str, body: str) -> dict[str, str]:
    """Read the parameters of query and body; the query wins. Raises the refusal of a name that comes twice."""
    sides = [parse_qsl(text, keep_blank_values=True) for text in (body, query)]
    for side in sides:
        if len({name for name, _ in side}) < len(side):
            raise ApiError(-1101, "Duplicate values for a parameter detected.")
    return dict(sides[0]) | dict(sides[1])


def authenticate(
    exchange: Exchange, security: Security, api_key: str | None, parameters: Mapping[str, str], payload: str
) -> Account | None:
    """Find the account that asks. Raises the refusals of keys, rights, signatures and times."""
    if security == "none":
        return None
    if not api_key or not api_key.isalnum():
        raise bad_key_format()
    account = exchange.account_of_key(api_key)
    if account is None or account.revoked or (security == "trade" and "trade" not in account.rights):
        raise bad_key()
    if security == "key":
        return account
    for name in ("timestamp", "signature"):
        if not parameters.get(name):
            raise missing(name)
    if not hmac.compare_digest(
        parameters["signature"].lower().encode(), signature_of(account.script.secret, payload).encode()
    ):
        raise bad_signature()
    check_time(parameters, exchange.now_ms)
    return account


def check_time(parameters: Mapping[str, str], now_ms: int) -> None:
    """Raise the refusal of a request that is too old or comes from the future."""
    timestamp = parameters["timestamp"]
    if not timestamp.isdigit():
        raise illegal("timestamp", r"^[0-9]{1,20}$")
    try:
        window_ms = float(parameters.get("recvWindow") or USUAL_WINDOW_MS)
    except ValueError:
        raise illegal("recvWindow", r"^[0-9]{1,20}(\.[0-9]{1,3})?$") from None
    if window_ms > LARGEST_WINDOW_MS:
        raise ApiError(-1131, "recvWindow must be less than 60000")
    if int(timestamp) >= now_ms + _AHEAD_MS:
        raise from_the_future()
    if now_ms - int(timestamp) > window_ms:
        raise outside_window()
