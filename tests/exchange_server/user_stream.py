"""The websocket API as far as user streams need it: signed subscription, and the events of the account that signed.

Owns the subscriptions. What happened while nobody listened is never told again.
"""

import json
from typing import Any

from aiohttp import web

from tests.exchange_server.accounts import Account
from tests.exchange_server.connections import Connection, Connections
from tests.exchange_server.errors import ApiError
from tests.exchange_server.exchange import Exchange
from tests.exchange_server.rows import Row
from tests.exchange_server.signing import authenticate

_SUBSCRIBE = "userDataStream.subscribe.signature"
_WEIGHTS = {_SUBSCRIBE: 2, "userDataStream.unsubscribe": 2, "session.subscriptions": 2}


class UserStreams:
    """All connections to the websocket API."""

    def __init__(self, exchange: Exchange, connections: Connections) -> None:
        """Take the exchange and where connections are kept, and listen to what happens to accounts."""
        self._exchange = exchange
        self._connections = connections
        self._listening: dict[Connection, dict[int, Account]] = {}
        self._subscribed = 0
        exchange.listeners.append(self._on_event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve a connection."""
        connection = self._connections.open("user")
        connection.on_terminate = lambda: self._terminate(connection)
        self._listening[connection] = {}
        try:
            return await connection.run(request, lambda data: self._on_message(connection, data))
        finally:
            del self._listening[connection]
            self._connections.closed(connection)

    def _on_event(self, account: Account, event: Row) -> None:
        for connection, subscriptions in self._listening.items():
            for number, listener in subscriptions.items():
                if listener is account:
                    connection.send({"subscriptionId": number, "event": event})

    def _terminate(self, connection: Connection) -> None:
        subscriptions = self._listening.get(connection, {})
        for number in list(subscriptions):
            del subscriptions[number]
            event = {"e": "eventStreamTerminated", "E": self._exchange.now_ms}
            connection.send({"subscriptionId": number, "event": event})

    def _on_message(self, connection: Connection, data: str) -> None:
        number: Any = None
        try:
            message = json.loads(data)
            number, method = message.get("id"), str(message["method"])
            result = self._call(connection, method, message.get("params") or {})
            answer: Row = {"id": number, "status": 200, "result": result}
        except ApiError as refusal:
            answer = {"id": number, "status": refusal.status, "error": refusal.body()}
        except (ValueError, KeyError, AttributeError):
            error = ApiError(-1135, "Invalid JSON Request")
            answer = {"id": number, "status": error.status, "error": error.body()}
        connection.send({**answer, "rateLimits": self._exchange.limits.rows()[:1]})

    def _call(self, connection: Connection, method: str, sent: dict[str, Any]) -> Any:
        exchange = self._exchange
        exchange.advance()
        exchange.ledger.came("WS", f"/ws-api/v3 {method}", {}, exchange.true_ms).carried_out_ms = exchange.true_ms
        exchange.limits.charge(_WEIGHTS.get(method, 1), exchange.true_ms)
        subscriptions = self._listening[connection]
        match method:
            case "ping":
                return {}
            case "time":
                return {"serverTime": exchange.now_ms}
            case "session.subscriptions":
                return [{"subscriptionId": number} for number in subscriptions]
            case "userDataStream.unsubscribe":
                chosen = [int(sent["subscriptionId"])] if "subscriptionId" in sent else list(subscriptions)
                for number in chosen:
                    subscriptions.pop(number, None)
                return {}
            case "userDataStream.subscribe.signature":
                parameters = {name: str(value) for name, value in sent.items()}
                payload = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters) if name != "signature")
                account = authenticate(exchange, "read", parameters.get("apiKey"), parameters, payload)
                assert account is not None, method
                number, self._subscribed = self._subscribed, self._subscribed + 1
                subscriptions[number] = account
                return {"subscriptionId": number}
            case _:
                raise ApiError(-1020, "This operation is not supported.")
