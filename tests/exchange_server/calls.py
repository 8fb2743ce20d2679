"""One call of one endpoint: its parameters, read with the exchange's own complaints, and who asks.

Owns the reading of parameters. Never carries a call out.
"""

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Literal

import msgspec

from tests.exchange_server.accounts import Account
from tests.exchange_server.errors import ApiError, illegal, missing, unknown_symbol
from tests.exchange_server.exchange import Exchange
from tests.exchange_server.market import Market

Security = Literal["none", "key", "read", "trade"]
_AMOUNT = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_INTEGER = r"^[0-9]{1,20}$"


class Call:
    """The parameters of a call and what it is made upon."""

    def __init__(self, exchange: Exchange, parameters: Mapping[str, str], account: Account | None) -> None:
        """Take the exchange, the parameters as sent, and the account that signed, if any."""
        self.exchange = exchange
        self.parameters = parameters
        self._account = account

    @property
    def account(self) -> Account:
        """Give the account that signed."""
        assert self._account is not None, "a signed endpoint has an account"
        return self._account

    def text(self, name: str) -> str | None:
        """Read a parameter that may be absent, but not empty."""
        value = self.parameters.get(name)
        if value == "":
            raise ApiError(-1105, f"Parameter '{name}' was empty.")
        return value

    def required(self, name: str) -> str:
        """Read a parameter that must be there."""
        value = self.parameters.get(name)
        if not value:
            raise missing(name)
        return value

    def number(self, name: str) -> int | None:
        """Read a whole number."""
        value = self.text(name)
        if value is not None and not re.fullmatch(_INTEGER, value):
            raise illegal(name, _INTEGER)
        return None if value is None else int(value)

    def limit(self, usual: int, most: int) -> int:
        """Read how many rows are wanted; more than the most gives the most."""
        limit = self.number("limit")
        return usual if limit is None else max(1, min(limit, most))

    def amount(self, name: str) -> Decimal | None:
        """Read a price or quantity."""
        value = self.text(name)
        if value is not None and not re.fullmatch(_AMOUNT, value):
            raise illegal(name, _AMOUNT)
        return None if value is None else Decimal(value)

    def market(self) -> Market:
        """Find the market that `symbol` names."""
        return self._market(self.required("symbol"))

    def markets(self) -> tuple[list[Market], bool]:
        """Find the market of `symbol`, those of `symbols`, or all; and tell whether it was just one."""
        one, several = self.text("symbol"), self.text("symbols")
        if one is not None and several is not None:
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        if one is not None:
            return [self._market(one)], True
        if several is None:
            return list(self.exchange.markets.values()), False
        try:
            names = json.loads(several)
        except ValueError:
            raise illegal("symbols", '^\\[("[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}){0,1}\\]$') from None
        return [self._market(name) for name in names], False

    def _market(self, symbol: str) -> Market:
        market = self.exchange.markets.get(symbol)
        if market is None:
            raise unknown_symbol()
        return market


class Endpoint(msgspec.Struct, frozen=True):
    """An endpoint: where it is, what it weighs, who may call it with which parameters, and what it does."""

    method: str
    path: str
    weight: int | Callable[[Mapping[str, str]], int]
    security: Security
    accepts: frozenset[str]
    run: Callable[[Call], Any]

    def weight_of(self, parameters: Mapping[str, str]) -> int:
        """Give what a call with these parameters weighs."""
        return self.weight if isinstance(self.weight, int) else self.weight(parameters)

    def check_parameters(self, parameters: Mapping[str, str]) -> None:
        """Raise what the exchange says of parameters that the endpoint does not know."""
        known = self.accepts | (
            {"timestamp", "recvWindow", "signature"} if self.security in {"read", "trade"} else set()
        )
        read = sum(1 for name in parameters if name in known)
        if not known and parameters:
            raise ApiError(-1101, f"Too many parameters; expected '0' and received '{len(parameters)}'.")
        if read < len(parameters):
            raise ApiError(
                -1104,
                f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{len(parameters)}'.",
            )


def names(*accepted: str) -> frozenset[str]:
    """Collect the names of accepted parameters."""
    return frozenset(accepted)
