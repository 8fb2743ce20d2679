"""Requests over HTTP: from the socket to the endpoint and back, with the faults of the plan on the way.

Owns the routing, the order of checks and how each fault looks on the wire. Never decides what an endpoint does.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from tests.exchange_server.account_endpoints import account_endpoints
from tests.exchange_server.calls import Call, Endpoint
from tests.exchange_server.errors import ApiError
from tests.exchange_server.exchange import Exchange
from tests.exchange_server.faults import Fault, reordered
from tests.exchange_server.ledger import Request
from tests.exchange_server.market_endpoints import market_endpoints
from tests.exchange_server.order_endpoints import order_endpoints
from tests.exchange_server.signing import authenticate, read_parameters, signed_text

PAGE = "<!DOCTYPE html><html><head><title>Notice</title></head><body><h1>Please come back later</h1></body></html>"
_SENTENCES = {
    -1006: "An unexpected response was received from the message bus. Execution status unknown.",
    -1007: "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    -1008: "Server is currently overloaded with other requests. Please try again in a few minutes.",
}
_GONE_POLL_S = 0.02


class Answer(msgspec.Struct, frozen=True):
    """What goes back: a JSON body, or a text as it is."""

    status: int
    body: Any
    headers: Mapping[str, str] = {}

    def encoded(self) -> tuple[bytes, str]:
        """Give the bytes of the body and their type."""
        if isinstance(self.body, str):
            return self.body.encode(), "text/html"
        return msgspec.json.encode(self.body), "application/json"


class Rest:
    """All endpoints of one exchange over HTTP."""

    def __init__(self, exchange: Exchange) -> None:
        """Take the exchange."""
        self._exchange = exchange
        endpoints = (*market_endpoints(), *order_endpoints(), *account_endpoints())
        self._endpoints: dict[tuple[str, str], Endpoint] = {(e.method, e.path): e for e in endpoints}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request, or fail to in the way that the plan of faults wants."""
        exchange, query = self._exchange, request.raw_path.partition("?")[2]
        body = "" if request.method == "GET" else await request.text()
        note = exchange.ledger.came(request.method, request.path, _shown(query, body), exchange.clock.market_ms())
        fault = exchange.faults.next(request.method, request.path)
        if fault is None:
            return await _send(request, self._carry_out(note, request, query, body), note, exchange)
        note.fault = fault.kind
        await exchange.clock.sleep(fault.delay_ms)
        answer = self._carry_out(note, request, query, body) if fault.reaches_exchange else None
        await exchange.clock.sleep(fault.answer_delay_ms)
        return await self._fail(request, fault, answer, note)

    def _carry_out(self, note: Request, request: web.Request, query: str, body: str) -> Answer:
        exchange = self._exchange
        exchange.advance()
        note.carried_out_ms = exchange.true_ms
        try:
            return self._run(note, request, query, body)
        except ApiError as refusal:
            note.code = refusal.code
            headers = exchange.limits.headers(exchange.true_ms) | refusal.headers
            return Answer(refusal.status, refusal.body(), headers)

    def _run(self, note: Request, request: web.Request, query: str, body: str) -> Answer:
        exchange = self._exchange
        endpoint = self._endpoints.get((request.method, request.path))
        if endpoint is None:
            return Answer(404, PAGE)
        parameters = read_parameters(query, body)
        exchange.limits.charge(endpoint.weight_of(parameters), exchange.true_ms)
        api_key = request.headers.get("X-MBX-APIKEY")
        account = authenticate(exchange, endpoint.security, api_key, parameters, signed_text(query, body))
        note.account = account.name if account is not None else None
        endpoint.check_parameters(parameters)
        answer = endpoint.run(Call(exchange, parameters, account))
        headers = exchange.limits.headers(exchange.true_ms)
        if account is not None and (endpoint.method, endpoint.path) == ("POST", "/api/v3/order"):
            headers |= exchange.limits.order_headers(account, exchange.true_ms)
        return Answer(200, answer, headers)

    async def _fail(
        self, request: web.Request, fault: Fault, answer: Answer | None, note: Request
    ) -> web.StreamResponse:
        match fault.kind:
            case "drop":
                return _hang_up(request)
            case "hang":
                while request.transport is not None:  # noqa: ASYNC110 - aiohttp tells nobody that a client has left
                    await asyncio.sleep(_GONE_POLL_S)
                return web.Response()
            case "cut":
                return await _send_half(request, answer or Answer(200, {}))
            case _:
                other = self._other_answer(fault, answer, note)
                return await _send(request, other, note, self._exchange)

    def _other_answer(self, fault: Fault, answer: Answer | None, note: Request) -> Answer:
        match fault.kind:
            case "empty":
                return Answer(200, "")
            case "html":
                return Answer(200, PAGE)
            case "status":
                return Answer(fault.status, PAGE)
            case "error":
                note.code = fault.code
                error = ApiError(fault.code, fault.message or _SENTENCES.get(fault.code, "An unknown error occurred."))
                return Answer(fault.status, error.body())
            case "rate_limit" | "ban":
                note.code = -1003
                return self._refuse(fault)
            case _:
                assert answer is not None, fault
                return msgspec.structs.replace(answer, body=_other_rows(answer.body, fault, note.number))

    def _refuse(self, fault: Fault) -> Answer:
        exchange = self._exchange
        exchange.advance()
        if fault.kind == "ban":
            exchange.limits.ban(fault.retry_after_s, exchange.true_ms)
        error = ApiError(-1003, "Too much request weight used; please slow down.")
        status = 418 if fault.kind == "ban" else 429
        return Answer(status, error.body(), {"Retry-After": str(fault.retry_after_s)})


def _other_rows(body: Any, fault: Fault, number: int) -> Any:
    if not isinstance(body, list):
        return body
    match fault.kind:
        case "repeat_rows":
            return [row for row in body for _ in range(2)]
        case "shuffle_rows":
            return reordered(body, f"request/{number}")
        case "lose_rows":
            return [row for index, row in enumerate(body) if index % 3 != 2]
        case _:
            return body


def _shown(query: str, body: str) -> dict[str, str]:
    try:
        return read_parameters(query, body)
    except ApiError:
        return {"query": query, "body": body}


def _hang_up(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.close()
    return web.Response()


async def _send(request: web.Request, answer: Answer, note: Request, exchange: Exchange) -> web.StreamResponse:
    note.status = answer.status
    data, kind = answer.encoded()
    response = web.Response(status=answer.status, body=data, content_type=kind, charset="utf-8", headers=answer.headers)
    if request.transport is None or request.transport.is_closing():
        return response
    try:
        await response.prepare(request)
        await response.write_eof()
    except ConnectionError:
        return response
    note.answered_ms = exchange.clock.market_ms()
    return response


async def _send_half(request: web.Request, answer: Answer) -> web.StreamResponse:
    data, kind = answer.encoded()
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_type = kind
    response.content_length = len(data)
    await response.prepare(request)
    await response.write(data[: len(data) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
