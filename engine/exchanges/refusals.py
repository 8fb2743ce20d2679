"""What proves that an exchange did not take an order: the codes of each exchange, and how they are read from a body.

Owns the lists. A code stands here only if the exchange says by it that nothing was placed: bad parameters, bad keys,
no money, limits. What leaves it open (timeouts, internal errors, "busy") and what means that our order exists already
(duplicate ids) never does, because the order behind it may be live. `code@status` counts with that HTTP status only;
with a status of 500 or more nothing else counts. Never decides what happens then.
Source: design, "Order protocol"; the error pages of the exchanges; the tables of ccxt 4.5.90 where those say no more.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from engine.exchanges.port import Rejected

BODY_LENGTH: Final = 65_536
REASON_LENGTH: Final = 2_000
"""Cut to what is kept only when keys are out of it: a cut through a key would leave a part that nobody recognises."""

_SERVER_ERROR: Final = 500
# Words of a refusal that would have to mean: an order with this id is there.
_DUPLICATE_WORDS: Final = ("duplicate", "already exist", "repeat")


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


BINANCE: Final = _codes("""
    -1002 -1003@418 -1003@429 -1008 -1008@503 -1013 -1014 -1015@429 -1020 -1021 -1022 -1131 -2010 -2014 -2015
""") | {f"-{number}" for number in range(1_100, 1_131)}
"""Not -1000, -1001 (internal), -1006, -1007 (status unknown), -1010, -1016, -2011, -2013."""

KRAKEN: Final = frozenset({
    *("EAPI:Bad request", "EAPI:Invalid key", "EAPI:Invalid nonce", "EAPI:Invalid signature"),
    *("EAPI:Rate limit exceeded", "EAuth:Account temporary disabled", "EAuth:Account unconfirmed"),
    *("EGeneral:Invalid arguments", "EGeneral:Permission denied", "EGeneral:Temporary lockout"),
    *("EGeneral:Too many requests", "EOrder:Cannot open position", "EOrder:Cost minimum not met"),
    *("EOrder:Domain rate limit exceeded", "EOrder:Insufficient funds", "EOrder:Insufficient margin"),
    *("EOrder:Invalid price", "EOrder:Order minimum not met", "EOrder:Orders limit exceeded"),
    *("EOrder:Post only order", "EOrder:Rate limit exceeded", "EOrder:Tick size check failed"),
    *("EOrder:Trading agreement required", "EQuery:Invalid asset pair", "EQuery:Unknown asset pair"),
    *("EService:Deadline elapsed", "EService:Market in cancel_only mode", "EService:Market in limit_only mode"),
    *("EService:Market in post_only mode", "ETrade:User Locked"),
})  # fmt: skip
"""Not EService:Unavailable, EService:Busy, EService:Timeout, EGeneral:Internal error."""

COINBASE: Final = _codes("""
    INELIGIBLE_PAIR INSUFFICIENT_FUND INSUFFICIENT_FUNDS INVALID_ARGUMENT INVALID_LIMIT_PRICE
    INVALID_LIMIT_PRICE_POST_ONLY INVALID_NO_LIQUIDITY INVALID_PRICE_PRECISION INVALID_PRODUCT_ID INVALID_REQUEST
    INVALID_SIDE INVALID_SIZE_PRECISION ORDER_ENTRY_DISABLED PERMISSION_DENIED PRODUCT_TRADING_HALTED
    UNSUPPORTED_ORDER_CONFIGURATION authentication_error expired_token invalid_request invalid_token
    rate_limit_exceeded@429 resource_exhausted@429 revoked_token unauthorized
""")
"""Not UNKNOWN_FAILURE_REASON, COMMANDER_REJECTED_NEW_ORDER, DUPLICATE_CLIENT_ORDER_ID."""

KUCOIN: Final = _codes("""
    126003 126004 126005 126006 126007 126009 126013 126015 126021 126022 126027 126028 126029 126030
    200004 230003 400001 400002 400003 400004 400005 400006 400007 400100 400200 400330 400350 400370 400400 400401
    400500 400600 400760 411100 429000 600101 900001
""")
"""Not 126033, 126044 (duplicates), 300000 (many causes), 408000, 500000, 230005."""

OKX: Final = _codes("""
    50000 50002 50006 50007 50008 50009 50011 50012 50014 50015 50016 50024 50027 50028 50061 50100 50101 50102 50103
    50104 50105 50106 50107 50110 50111 50112 50113 50114 50115 50119 50120
    51000 51001 51004 51005 51006 51008 51009 51010 51012 51015 51020 51021 51022 51024 51025 51100 51116 51118 51119
    51120 51121 51122 51124 51127 51131 51137 51138 51155 51174 51185 51201 51202 51203 51204
""")
"""Not 50001, 50004, 50005, 50013, 50026, 51149 (outcome unknown), 51011, 51016 (duplicates)."""

BYBIT: Final = _codes("""
    10001 10002 10003 10004 10005 10006 10007 10008 10009 10010 10018 10020 10024 10027 10028 10029
    110003 110004 110007 110012 110094
    170005 170031 170033 170105 170115 170116 170117 170121 170124 170130 170131 170132 170133 170134 170135 170136
    170137 170140 170148 170151 170157 170159 170192 170193 170194 170197 170198 170201 170202 170209 170210 170217
    170218 170221 170222 170224 170227 170228 170229 170241 170371 170372
""")
"""Not 10014, 12141, 110072, 170141 (duplicates), 10016, 170001, 170007, 170032, 170035, 170146, 170149, 170234."""

GATE: Final = _codes("""
    ACCOUNT_LOCKED AMOUNT_TOO_LITTLE AMOUNT_TOO_MUCH AUTHENTICATION_FAILED BAD_REQUEST BALANCE_NOT_ENOUGH FORBIDDEN
    INVALID_ARGUMENT INVALID_CONTENT_TYPE INVALID_CREDENTIALS INVALID_CURRENCY INVALID_CURRENCY_PAIR INVALID_KEY
    INVALID_PARAM_VALUE INVALID_PRECISION INVALID_PROTOCOL INVALID_REQUEST_BODY INVALID_SIGNATURE IP_FORBIDDEN
    MISSING_REQUIRED_HEADER MISSING_REQUIRED_PARAM POC_FILL_IMMEDIATELY PRICE_THRESHOLD_EXCEEDED PRICE_TOO_DEVIATED
    QUANTITY_NOT_ENOUGH READ_ONLY REQUEST_EXPIRED SIZE_TOO_LARGE SIZE_TOO_SMALL TOO_FAST TOO_MANY_ORDERS
    TOO_MANY_REQUESTS TRADE_RESTRICTED USER_NOT_FOUND
""")
"""Not INTERNAL, SERVER_ERROR, TOO_BUSY, REPEATED_CREATION, ORDER_CLOSED, ORDER_CANCELLED."""

BITGET: Final = _codes("""
    429 40001 40002 40003 40004 40005 40006 40007 40008 40009 40011 40012 40013 40014 40016 40017 40018 40019 40020
    40024 40031 40037 40085 40108 40301 40304 40305 40706 40762 40808 41103 41114 41117 43011 43012 43115 45110 45113
""")
"""Not 40010 (documented both as a signature error and as a timeout), 40015, 40200, 40500, 40604, 40725, 40786."""


def read_refusal(
    codes: frozenset[str], code_paths: tuple[str, ...], reason_paths: tuple[str, ...], status: int, body: str
) -> Rejected | None:
    """Give the refusal that an answer proves, None if it proves none.

    Paths are keys with dots between, `*` for every row of a list; the first one that leads somewhere counts, and then
    every code that it leads to must be on the list. An answer without a word of reason proves nothing.
    """
    answer = _decoded(body)
    if answer is None or answer.get("success") is True:
        return None
    proofs = [_proof(codes, code, status) for code in _first(answer, code_paths)]
    reason = _plain(" ".join(_first(answer, reason_paths)))
    lower = reason.lower()
    if not proofs or not reason or any(word in lower for word in _DUPLICATE_WORDS):
        return None
    proof = proofs[0]
    return Rejected(proof, reason) if proof is not None and None not in proofs else None


def read_codes(code_paths: tuple[str, ...], body: str) -> list[str]:
    """Give the codes that an answer names, by paths as above; none if it is no object or names none."""
    answer = _decoded(body)
    return [] if answer is None else _first(answer, code_paths)


def _decoded(body: str) -> dict[str, Any] | None:
    if len(body) > BODY_LENGTH:
        return None
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _proof(codes: frozenset[str], code: str, status: int) -> str | None:
    """Give the entry of the list that a code falls under, itself or by its first two words between colons (kraken)."""
    for shown in (code, ":".join(code.split(":")[:2])):
        if f"{shown}@{status}" in codes or (shown in codes and status < _SERVER_ERROR):
            return shown
    return None


def _first(answer: dict[str, Any], paths: tuple[str, ...]) -> list[str]:
    """Give the texts and whole numbers at the first path that leads to any."""
    for path in paths:
        found = [
            str(value)
            for value in _values(answer, path.split("."))
            if isinstance(value, str | int) and not isinstance(value, bool) and value != ""
        ]
        if found:
            return found
    return []


def _values(value: Any, keys: list[str]) -> Iterator[Any]:
    if not keys:
        yield value
    elif keys[0] == "*" and isinstance(value, list):
        for each in value:
            yield from _values(each, keys[1:])
    elif isinstance(value, dict) and keys[0] in value:
        yield from _values(value[keys[0]], keys[1:])


def _plain(text: str) -> str:
    """Give a text on one line without control characters, cut to a length."""
    kept = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(kept.split())[:REASON_LENGTH]
