"""One bot's stream, folded once: its orders, lots, trails, pauses and checks, and the state file at its place.

Owns the order in which the readers see an event. Never imports anything of the engine.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from engine.testing.independent.decided import closing_violations, record_violations, request_violations
from engine.testing.independent.ledger import Ledger
from engine.testing.independent.orders import Orders, is_live
from engine.testing.independent.rows import BOT, Row
from engine.testing.independent.trails import Trails

RESUMING: Final = frozenset({"resume", "flatten"})
FIRST_WAIT_S: Final = 30
MOST_WAIT_S: Final = 300
RECORDS: Final = frozenset(
    {"purchase_recorded", "sell_target_set", "sale_recorded", "dust_recorded", "discrepancy_found"}
)


class BotBook:
    """What one bot's stream says, as far as it has been read."""

    def __init__(self, first: Row, streams: Mapping[str, Sequence[Row]]) -> None:
        """Start with `bot_created`."""
        self.bot: Final = first.stream.removeprefix(BOT)
        config: Mapping[str, Any] = first.says["config"]
        self.orders: Final = Orders(self.bot, first.says["log_id"], is_live=is_live(config))
        self.ledger: Final = Ledger(self.orders, str(config["symbol"]).partition("/")[0])
        self.trails: Final = Trails(self.bot, streams)
        self.symbol: str = config["symbol"]
        self.budget = self._allowed = Decimal(str(config["budget"]))
        self.max_open_lots: int = config["max_open_lots"]
        self.pauses: Final[list[int]] = []
        self.is_paused = False
        self.is_stopping = False
        self.kill_switch: str | None = None
        self.failures = 0
        self.last_success_ms: int | None = None
        self.wrong: Final[list[str]] = []
        self._feed: Sequence[Row] = ()
        self._streams: Final = streams
        self._floor_rule: str = config["trailing_sell_floor"]
        self.trails.most_gap_ms = int(config["trailing_max_gap"]) * 1000

    @property
    def violations(self) -> list[str]:
        """Give everything that was found wrong in the stream."""
        return [*self.orders.wrong, *self.ledger.wrong, *self.trails.wrong, *self.wrong]

    def take(self, row: Row) -> None:
        """Take in an event."""
        tag = row.tag
        if tag != "trailing_reset":
            self.trails.should_be_reset(row)
        if tag.startswith("order_"):
            self._pause_rule(row)
            if tag == "order_requested":
                self._complain(row, request_violations(row, self.ledger, self._allowed))
            self.orders.take(row)
            if tag == "order_filled":
                self.ledger.fill(self.orders.by_name.get(row.says["client_order_id"]))
        elif tag.startswith("trailing_"):
            lot = self.ledger.lots.get(row.says.get("lot", 0))
            self.trails.take(row, lot.target if lot else None, self._floor_rule)
        elif tag in RECORDS:
            if tag in {"purchase_recorded", "sale_recorded"}:
                self._complain(row, record_violations(row, self.ledger))
            self.ledger.take(row)
            if tag == "sale_recorded":
                self._complain(row, closing_violations(row, self.ledger, self._feed))
        else:
            self._other(row)

    def _complain(self, row: Row, found: Iterable[str]) -> None:
        """Keep what speaks against an event; each line begins with its rule."""
        for line in found:
            rule, _, text = line.partition(": ")
            self.wrong.append(f"{rule}: {self.bot} {row.sequence}: {text}")

    def _pause_rule(self, row: Row) -> None:
        if self.is_paused and row.tag in {"order_requested", "order_sent"}:
            name = row.says["client_order_id"]
            self.wrong.append(f"pause: {self.bot} {row.sequence}: {row.tag} of {name} while paused")
        if self.is_stopping and self._begins(row):
            name = row.says["client_order_id"]
            self.wrong.append(f"pause: {self.bot} {row.sequence}: {row.tag} of {name} after a stop")
        if self.failures and row.tag == "order_requested":
            name = row.says["client_order_id"]
            self.wrong.append(f"pause: {self.bot} {row.sequence}: {name} is requested while the last check failed")
        if self.kill_switch and row.tag == "order_requested" and row.says["side"] == "buy":
            name = row.says["client_order_id"]
            self.wrong.append(f"pause: {self.bot} {row.sequence}: {name} is to buy under an engaged kill switch")

    def _other(self, row: Row) -> None:
        says = row.says
        match row.tag:
            case "outage_declared":
                self.trails.end_all("an outage")
            case "command_received":
                self._commanded(row)
            case "session_started":
                self.is_stopping = False
            case "backoff_started":
                self._waits(row)
            case "config_changed":
                self._configured(says["config"])
            case "connectivity_checked":
                self.failures = 0 if says["reachable"] else self.failures + 1
                self.last_success_ms = row.at_ms if says["reachable"] else self.last_success_ms
            case "recovery_started" | "recovery_confirmed":
                self.orders.recovery(row)
            case "feed_attached":
                self._feed = self._streams.get(says["feed"], ())
            case "kill_switch_engaged" | "kill_switch_released":
                self.kill_switch = says["action"] if row.tag == "kill_switch_engaged" else None
            case _:
                pass

    def _commanded(self, row: Row) -> None:
        command = row.says["command"]
        if command == "pause":
            self.is_paused = True
            self.pauses.append(row.sequence)
        elif command in RESUMING:
            self.is_paused = False
        elif command == "stop":
            self.is_stopping = True
        elif command == "reset-trailing":
            self.trails.end_all("an operator's reset")

    def _begins(self, row: Row) -> bool:
        """Tell whether something is decided, or bought; a sell that was decided before may go out."""
        order = self.orders.by_name.get(row.says.get("client_order_id", ""))
        return row.tag == "order_requested" or (row.tag == "order_sent" and order is not None and order.side == "buy")

    def _waits(self, row: Row) -> None:
        wait_s = row.says["wait_s"]
        if wait_s != min(FIRST_WAIT_S << (self.failures - 1), MOST_WAIT_S):
            self.wrong.append(f"time: {self.bot} {row.sequence}: a wait of {wait_s} s after {self.failures} failures")

    def _configured(self, config: Mapping[str, Any]) -> None:
        """Take another configuration: for limits over the whole life the widest counts."""
        self.symbol, self._floor_rule = config["symbol"], config["trailing_sell_floor"]
        self.trails.most_gap_ms = int(config["trailing_max_gap"]) * 1000
        self._allowed = Decimal(str(config["budget"]))
        self.budget = max(self.budget, self._allowed)
        self.max_open_lots = max(self.max_open_lots, config["max_open_lots"])


def read_bot(
    rows: Sequence[Row], streams: Mapping[str, Sequence[Row]], at: int, look: Callable[[BotBook], None]
) -> BotBook:
    """Fold a bot's stream; `look` is shown the book after the event with the sequence `at`."""
    book = BotBook(rows[0], streams)
    for row in rows:
        try:
            book.take(row)
        except (KeyError, TypeError, ValueError, ArithmeticError) as fault:
            book.wrong.append(f"chain: {book.bot} {row.sequence}: {row.tag} is not as documented: {fault!r}")
        if row.sequence == at:
            look(book)
    return book
