"""Rate limits: request weight by the minute, orders by ten seconds and by the day, refusals and bans.

Owns the counting and the headers. All clients share one address here, as bots on one machine do.
"""

from tests.exchange_server.accounts import Account
from tests.exchange_server.errors import ApiError
from tests.exchange_server.script import Limits

_MINUTE_MS = 60_000
_WINDOWS = {"10s": 10_000, "1d": 86_400_000}


class RateLimits:
    """What was used of the limits, in windows of the exchange's time."""

    def __init__(self, limits: Limits) -> None:
        """Start with nothing used."""
        self.limits = limits
        self._window = 0
        self._used = 0
        self._refusals = 0
        self._bans = 0
        self._banned_until_ms = 0
        self._orders: dict[tuple[str, str], tuple[int, int]] = {}

    def charge(self, weight: int, at_ms: int) -> None:
        """Count a request. Raises 429 beyond the limit, and 418 for those who go on asking."""
        if at_ms < self._banned_until_ms:
            raise self._banned(at_ms)
        window = at_ms // _MINUTE_MS
        if window != self._window:
            self._window, self._used, self._refusals = window, 0, 0
        if self._used + weight <= self.limits.weight_per_minute:
            self._used += weight
            return
        self._refusals += 1
        if self._refusals > self.limits.refusals_before_ban:
            self.ban(self.limits.ban_s * 2**self._bans, at_ms)
            raise self._banned(at_ms)
        raise ApiError(
            -1003,
            f"Too much request weight used; current limit is {self.limits.weight_per_minute} request weight per 1"
            " MINUTE. Please use WebSocket Streams for live updates to avoid polling the API.",
            status=429,
            headers={"Retry-After": str(-(-((window + 1) * _MINUTE_MS - at_ms) // 1_000))},
        )

    def ban(self, seconds: int, at_ms: int) -> None:
        """Refuse everything for some time."""
        self._bans += 1
        self._banned_until_ms = at_ms + seconds * 1_000

    def count_order(self, account: Account, at_ms: int) -> None:
        """Count a new order of an account. Raises 429, without Retry-After, beyond the limit."""
        for name, limit in (("10s", self.limits.orders_per_10s), ("1d", self.limits.orders_per_day)):
            window, count = self._order_window(account, name, at_ms)
            if count >= limit:
                span = "10 SECONDS" if name == "10s" else "1 DAY"
                raise ApiError(-1015, f"Too many new orders; current limit is {limit} orders per {span}.", status=429)
            self._orders[account.name, name] = (window, count + 1)

    def order_counts(self, account: Account, at_ms: int) -> dict[str, int]:
        """Give how many orders of an account are counted now, by window."""
        return {name: self._order_window(account, name, at_ms)[1] for name in _WINDOWS}

    def headers(self, at_ms: int) -> dict[str, str]:
        """Give the headers that every answer carries."""
        used = str(self._used if at_ms // _MINUTE_MS == self._window else 0)
        return {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}

    def order_headers(self, account: Account, at_ms: int) -> dict[str, str]:
        """Give the headers that the answer to a new order carries besides."""
        counts = self.order_counts(account, at_ms)
        return {f"X-MBX-ORDER-COUNT-{name.upper()}": str(count) for name, count in counts.items()}

    def rows(self) -> list[dict[str, object]]:
        """Tell the limits as exchangeInfo does."""
        return [
            _row("REQUEST_WEIGHT", "MINUTE", 1, self.limits.weight_per_minute),
            _row("ORDERS", "SECOND", 10, self.limits.orders_per_10s),
            _row("ORDERS", "DAY", 1, self.limits.orders_per_day),
        ]

    def _order_window(self, account: Account, name: str, at_ms: int) -> tuple[int, int]:
        window = at_ms // _WINDOWS[name]
        counted, count = self._orders.get((account.name, name), (window, 0))
        return window, count if counted == window else 0

    def _banned(self, at_ms: int) -> ApiError:
        return ApiError(
            -1003,
            f"Way too much request weight used; IP banned until {self._banned_until_ms}. Please use WebSocket Streams"
            " for live updates to avoid bans.",
            status=418,
            headers={"Retry-After": str(-(-(self._banned_until_ms - at_ms) // 1_000))},
        )


def _row(kind: str, interval: str, number: int, limit: int) -> dict[str, object]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}
