"""The shape of a row of venues.py: what is told to ccxt about an order, and what is read from an exchange's answer.

Owns `Venue`, the facts about one exchange, and `Call`, one call of a ccxt method that follows from them. Pure: never
imports ccxt, never sends anything, never knows an exchange by name.
Source: design, "Order protocol".
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from engine.exchanges import refusals
from engine.exchanges.port import Rejected

LIST_MARGIN_MS: Final = 300_000
"""Lists begin this much before the time asked for, because clocks differ."""

Value = Literal["id", "sent_ms", "window_ms", "sent text", "window text", "deadline"]
"""What a parameter of `create_order` carries; `deadline` is the end of the window, in whole seconds (RFC 3339)."""

_STREAM_OPTIONS: Final = {"ordersLimit": 1_000, "tradesLimit": 1_000, "OHLCVLimit": 1_000}


class Call(msgspec.Struct, frozen=True):
    """One call of a ccxt method. `lists` says that the answer is a list, in which our id is to be looked for.

    A list of `full` orders or more may go on elsewhere: without ours among them it proves nothing.
    """

    method: str
    arguments: tuple[Any, ...] = ()
    params: Mapping[str, Any] = {}
    lists: bool = False
    full: int | None = None


class Step(msgspec.Struct, frozen=True):
    """How a row names an order to a ccxt method.

    "client id" puts our id into the parameter `field`, "client id as id" in the place of the exchange's id, and
    "exchange id" needs that one. "list" asks for at most `limit` orders, "list since" for those since a time, both
    narrowed down by `field` if there is one.
    """

    method: str
    by: Literal["client id", "client id as id", "exchange id", "list", "list since"]
    field: str = ""
    limit: int | None = None


BY_CLIENT_ID: Final = Step("fetch_order", "client id", "clientOrderId")
BY_EXCHANGE_ID: Final = Step("fetch_order", "exchange id")


class Pages(msgspec.Struct, frozen=True):
    """How an exchange lists an account's trades, and how the list goes on, in one of five ways: `field` carries this.

    "next id": the trade id after the highest one; the list begins with the oldest. "older id": the lowest `key` of the
    rows; it begins with the newest. "cursor": what a row has as `key`. "page": the number of the page, from 1.
    "offset": how many rows were seen.
    `limit` rows a page are asked for, none if that cannot be said. `order` is the parameter that narrows the list down
    to an order; without one it is listed by time. `mixed`: a page is of all markets. `is_exact`: a page with fewer rows
    than were asked for is the last one; else only one with nothing new is.
    """

    by: Literal["next id", "older id", "cursor", "page", "offset"]
    field: str
    limit: int | None = None
    key: str = ""
    order: str = ""
    mixed: bool = False
    is_exact: bool = False


class Venue(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange. `valid_ms` bounds a signed request, `grace_ms` how long an accepted order may stay invisible.

    `orders` is off for exchanges that can be followed but not traded at: no row says how their orders are looked up.
    `clock` says where the time that a request is signed with comes from: the parameters of the call, or a method of the
    ccxt instance, asked after ccxt's own rate limiter (then the window begins when that one lets the request go).
    `time_step_ms` is how finely the exchange tells its time.
    `unique` is what the exchange does with an id that it has seen: refuses it while the first order is open, refuses it
    for good, gives the first order back, or nobody knows. `market_buy_by_base` is whether a market order to buy can
    name the quantity to be bought; where it cannot, such an order must not reach ccxt.
    """

    id: str
    orders: bool = True
    valid_ms: int = 5_000
    grace_ms: int = 30_000
    clock: Literal["params", "nonce", "seconds"] = "params"
    time_step_ms: int = 1
    create_fields: Mapping[str, Value] = {}
    id_prefix: str = ""
    id_pattern: str = "[A-Za-z0-9]{1,18}"
    unique: Literal["open", "ever", "idempotent", "unknown"] = "unknown"
    look_steps: tuple[Step, ...] = (BY_CLIENT_ID,)
    cancel_step: Step = Step("cancel_order", "client id", "clientOrderId")
    pages: Pages | None = None
    market_buy_by_base: bool = True
    refusals: frozenset[str] = frozenset()
    code_paths: tuple[str, ...] = ("code",)
    reason_paths: tuple[str, ...] = ("msg",)
    options: Mapping[str, Any] = {}
    urls: Mapping[str, Any] = {}

    def create_params(self, client_order_id: str, signed_ms: int) -> dict[str, Any]:
        """Give the extra parameters of `create_order`: our id, the time it is signed with and its window."""
        assert self.orders, self.id
        deadline = datetime.fromtimestamp((signed_ms + self.valid_ms) // 1_000, UTC)
        values: dict[Value, str | int] = {
            "id": self.id_prefix + client_order_id,
            "sent_ms": signed_ms,
            "window_ms": self.valid_ms,
            "sent text": str(signed_ms),
            "window text": str(self.valid_ms),
            "deadline": deadline.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return {name: values[value] for name, value in self.create_fields.items()}

    def look_ups(
        self, symbol: str, client_order_id: str, exchange_order_id: str | None, since_ms: int
    ) -> tuple[Call, ...]:
        """Give the calls that look an order up, to be made in turn until one finds it; `since_ms` bounds lists.

        An answer finds the order only if `own_id` of its client order id is ours; other answers may be empty hulls. The
        order is unknown to the exchange only if every call was answered and none found it.
        """
        assert self.orders, self.id
        since_ms = max(since_ms - LIST_MARGIN_MS, 0)
        steps = self.look_steps
        if exchange_order_id is None:
            steps = tuple(step for step in steps if step.by != "exchange id")
        return tuple(self._call(step, symbol, client_order_id, exchange_order_id, since_ms) for step in steps)

    def cancel(self, symbol: str, client_order_id: str, exchange_order_id: str | None) -> Call:
        """Give the call that cancels an order."""
        assert self.orders, self.id
        return self._call(self.cancel_step, symbol, client_order_id, exchange_order_id, 0)

    @property
    def cancels_by_exchange_id(self) -> bool:
        """Tell whether an order can be cancelled only after its exchange id was looked up."""
        return self.cancel_step.by == "exchange id"

    def own_id(self, reported: str | None) -> str | None:
        """Give a client order id as we wrote it, from what the exchange reports."""
        return None if reported is None else reported.removeprefix(self.id_prefix)

    def refusal(self, status: int, body: str) -> Rejected | None:
        """Give the exchange's own proof that it did not take an order, if an error body is one (by its code)."""
        return refusals.read_refusal(self.refusals, self.code_paths, self.reason_paths, status, body)

    def told_codes(self, body: str) -> list[str]:
        """Give the exchange's own codes in the body of an answer; none if the body is none of its."""
        return refusals.read_codes(self.code_paths, body)

    def config(self) -> dict[str, Any]:
        """Give what the ccxt constructor must be told: options and addresses; neither keys nor retries."""
        told: dict[str, Any] = {"options": {**_STREAM_OPTIONS, **self.options}}
        if self.orders:
            told["options"].setdefault("defaultType", "spot")
            told["has"] = {"fetchCurrencies": False}  # a signed call at most of them, for what nobody here needs
        if self.urls:
            told["urls"] = {"api": self.urls}
        fresh: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(told))
        return fresh

    def _call(
        self, step: Step, symbol: str, client_order_id: str, exchange_order_id: str | None, since_ms: int
    ) -> Call:
        own_id = self.id_prefix + client_order_id
        params = {step.field: own_id} if step.field else {}
        match step.by:
            case "client id":
                return Call(step.method, (None, symbol), params)
            case "client id as id":
                return Call(step.method, (own_id, symbol))
            case "exchange id":
                assert exchange_order_id is not None, f"{self.id} needs the exchange's order id: look it up first"
                return Call(step.method, (exchange_order_id, symbol))
            case "list" | "list since":
                since = since_ms if step.by == "list since" else None
                return Call(step.method, (symbol, since, step.limit), params, lists=True, full=step.limit)
