"""The story of a bot, one line per event that is worth one.

Lines are made from the event and the config in force alone, so `run` and `replay` print the same for the same event.
The wording of the specification's "Monitoring and Logs" is kept to the letter.
"""

from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

from engine.core import events as ev
from engine.core.config import BotConfig
from engine.core.exact import exactly
from engine.core.identity import parse_client_order_id
from engine.core.instants import iso_utc

DOLLARS: Final = frozenset({"USD", "USDT", "USDC", "BUSD", "DAI", "FDUSD", "TUSD"})
TWO_DECIMALS: Final = Decimal("0.01")
Narrator = Callable[[Any, BotConfig], str | None]


def money(value: Decimal, config: BotConfig) -> str:
    """Write an amount of quote to two decimals: `$1,234.50`; under 1 of what is no dollar to eight: `0.0321 BTC`."""
    if abs(value) >= 1 or config.quote in DOLLARS:
        return _in_quote(f"{value:,.2f}", config)
    return _in_quote(plain(round(value, 8)), config)


def price(value: Decimal, config: BotConfig) -> str:
    """Write a price: to two decimals, but under 1 with every digit: `$50,000.00`, `$0.0001234`."""
    in_cents = abs(value) >= 1 or value == round(value, 2)
    return _in_quote(f"{value:,.2f}" if in_cents else f"{value.normalize():f}", config)


def _in_quote(digits: str, config: BotConfig) -> str:
    return f"${digits}" if config.quote in DOLLARS else f"{digits} {config.quote}"


def plain(value: Decimal) -> str:
    """Write a quantity without trailing zeros or exponent."""
    return f"{value.normalize():f}"


def counted(number: int, noun: str) -> str:
    """Write a number of things: `1 lot`, `2 lots`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


@exactly
def narrate(event: ev.BotEvent, config: BotConfig) -> str | None:
    """Tell one event, or nothing."""
    narrator = _NARRATORS.get(type(event))
    return None if narrator is None else narrator(event, config)


def line(bot_id: str, text: str) -> str:
    """Give a log line as the specification has it: `[Bot-abc123] …`."""
    return f"[Bot-{bot_id}] {text}"


def _created(event: ev.BotCreated, config: BotConfig) -> str:
    mode = "paper" if event.config.paper_trading else "live"
    return f"Bot created: {config.strategy} on {config.symbol} at {config.exchange}, {mode} trading"


def _session_started(event: ev.SessionStarted, _config: BotConfig) -> str:
    return f"Session started: engine {event.engine_version}, strategy {event.strategy}"


def _checked(event: ev.ConnectivityChecked, _config: BotConfig) -> str:
    if event.reachable:
        return "✓ Connectivity check passed"
    why = event.diagnosis or event.error
    detail = f": {why}" if why else ""
    return f"⚠️  Connectivity check failed (failure #{event.failure}){detail}"


def _restored(event: ev.ConnectivityRestored, _config: BotConfig) -> str:
    return f"Connectivity restored after {event.length_ms // 1000}s and {counted(event.failures, 'failed check')}"


def _command(event: ev.CommandReceived, _config: BotConfig) -> str:
    return f"Command received: {event.command} (from {event.by})"


def _gate(event: ev.IndicatorsSkipped, _config: BotConfig) -> str:
    change = event.change_percent.quantize(TWO_DECIMALS, rounding=ROUND_DOWN)
    return f"Price change {change}% < {plain(event.threshold_percent)}%, skipping indicator checks"


def _skipped(event: ev.PricesSkipped, _config: BotConfig) -> str:
    events = counted(event.last - event.first + 1, "event")
    return f"Prices passed unseen ({event.reason}): {events} of the feed, from {event.first} on"


def _words(reason: str) -> str:
    return reason.replace("_", " ")


def _discrepancy(event: ev.DiscrepancyFound, _config: BotConfig) -> str:
    name = event.subject.removeprefix("order ")
    is_order = parse_client_order_id(name) is not None
    subject = f"{order_words(name)} ({name})" if is_order else event.subject
    return f"⚠️  Discrepancy, {subject}: expected {event.expected}, found {event.actual}; {event.action}"


def _requested(event: ev.OrderRequested, config: BotConfig) -> str:
    at = "at market" if event.limit_price is None else f"at {price(event.limit_price, config)}"
    reason = f": {event.reason}" if event.reason else ""
    lot = "" if event.lot is None else f" for lot {event.lot}"
    return f"{event.side.title()} order {event.number}{lot}: {plain(event.quantity)} {config.base} {at}{reason}"


def order_words(client_order_id: str) -> str:
    """Name an order by its number, which its id holds."""
    parsed = parse_client_order_id(client_order_id)
    return f"Order {client_order_id}" if parsed is None else f"Order {parsed[1]}"


def _filled(event: ev.OrderFilled, config: BotConfig) -> str:
    fee = f"{plain(event.fee)} {event.fee_asset}"
    filled = f"{plain(event.quantity)} {config.base} at {price(event.price, config)}"
    unvalued = ", whose value nothing tells" if event.fee and not event.fee_quote else ""
    return f"{order_words(event.client_order_id)} filled: {filled}, fee {fee}{unvalued}"


def _canceled(event: ev.OrderCanceled | ev.OrderExpired, config: BotConfig) -> str:
    word = "cancelled" if type(event) is ev.OrderCanceled else "expired"
    return f"{order_words(event.client_order_id)} {word} with {plain(event.filled)} {config.base} filled"


def _surveyed(event: ev.OrdersSurveyed, _config: BotConfig) -> str | None:
    foreign = len(event.foreign)
    return f"Open orders of others in this market, left alone: {foreign}" if foreign else None


def _recovery_started(event: ev.RecoveryStarted, _config: BotConfig) -> str:
    return (
        f"⚠️  Recovery started: {event.reason}; kept up to event {event.kept_sequence}, nothing is sent until an "
        "operator confirms"
    )


def _adopted(event: ev.OrderAdopted, config: BotConfig) -> str:
    at = "at market" if event.limit_price is None else f"at {price(event.limit_price, config)}"
    lot = "" if event.lot is None else f" for lot {event.lot}"
    what = f"{event.side} of {plain(event.quantity)} {config.base} {at}{lot}"
    return f"{order_words(event.client_order_id)} adopted from the exchange: {what}"


def _recovery_confirmed(event: ev.RecoveryConfirmed, _config: BotConfig) -> str:
    rest = f", unmatched {len(event.unmatched)}" if event.unmatched else ""
    return f"Recovery confirmed by {event.by}: orders adopted {event.adopted}, trades booked {event.trades}{rest}"


def _purchase(event: ev.PurchaseRecorded, config: BotConfig) -> str:
    return (
        f"Bought lot {event.lot}: {plain(event.held)} {config.base} for {money(event.cost, config)} "
        f"({price(event.unit_cost, config)} each with fees)"
    )


def _target(event: ev.SellTargetSet, config: BotConfig) -> str:
    return f"Sell target of lot {event.lot}: {price(event.target, config)} (+{event.net_percent:.2f}% after fees)"


def _sale(event: ev.SaleRecorded, config: BotConfig) -> str:
    sign = "+" if event.profit >= 0 else "-"
    slip = f", {money(event.slippage, config)} under its target" if event.slippage else ""
    return (
        f"Sold {plain(event.quantity)} {config.base} of lot {event.lot} at {price(event.price, config)}: "
        f"profit {sign}{money(abs(event.profit), config)} ({event.profit_percent:+.2f}%){slip}"
    )


def _trail_started(event: ev.TrailingStarted, config: BotConfig) -> str:
    percent = plain(event.percent)
    return f"Trailing started: {event.direction} from {price(event.activation, config)} with {percent}% trail"


def _trail_triggered(event: ev.TrailingTriggered, config: BotConfig) -> str:
    what, moved = ("sell", "dropped") if event.direction == "up" else ("buy", "rose")
    return (
        f"Trailing {what} triggered! Price {moved} {event.retrace_percent:.2f}% "
        f"from {price(event.watermark, config)} to {price(event.price, config)}"
    )


def _trail_reset(event: ev.TrailingReset, _config: BotConfig) -> str | None:
    whose = f"lot {event.lot}" if event.lot else "entry"
    return None if event.reason == "outage" else f"Trailing reset ({whose}): {_words(event.reason)}"


def _stopped_out(event: ev.StopLossTriggered, config: BotConfig) -> str:
    stop = f"its stop at {price(round(event.stop_price, 8), config)}"
    return (
        f"Stop loss of lot {event.lot}: {price(event.price, config)} has reached {stop}, "
        f"{plain(event.percent)}% under its cost"
    )


def _kill_switch(event: ev.KillSwitchEngaged, _config: BotConfig) -> str:
    does = "everything is sold" if event.action == "flatten" else "nothing more is bought"
    return f"⚠️  Kill switch engaged, {does}: {event.text}"


_NARRATORS: Final[dict[type, Narrator]] = {
    ev.BotCreated: _created,
    ev.ConfigChanged: lambda e, _: f"Configuration changed: {', '.join(e.changed)}",
    ev.SessionStarted: _session_started,
    ev.SessionStopped: lambda e, _: f"Session stopped: {e.reason}",
    ev.PricesSkipped: _skipped,
    ev.CommandReceived: _command,
    ev.IndicatorsSkipped: _gate,
    ev.EntrySkipped: lambda e, _: f"No purchase: {e.text}",
    ev.ConnectivityChecked: _checked,
    ev.OutageDeclared: lambda e, _: f"Resetting trailing state due to {e.failure_count} connectivity failures",
    ev.BackoffStarted: lambda e, _: f"Waiting {e.wait_s}s before retry...",
    ev.ConnectivityRestored: _restored,
    ev.RateLimited: lambda e, _: f"The exchange asked for silence until {e.until_ms}",
    ev.OrderRequested: _requested,
    ev.OrderRejected: lambda e, _: f"{order_words(e.client_order_id)} rejected: {e.reason} ({e.proof})",
    ev.OrderOutcomeUnknown: lambda e, _: (
        f"{order_words(e.client_order_id)} has an unknown outcome, asking the exchange: {e.error}"
    ),
    ev.OrderFilled: _filled,
    ev.OrderAdopted: _adopted,
    ev.RecoveryStarted: _recovery_started,
    ev.RecoveryConfirmed: _recovery_confirmed,
    ev.OrderCancelRequested: lambda e, _: f"{order_words(e.client_order_id)} is to be cancelled: {_words(e.reason)}",
    ev.OrderCanceled: _canceled,
    ev.OrderExpired: _canceled,
    ev.OrdersSurveyed: _surveyed,
    ev.DiscrepancyFound: _discrepancy,
    ev.PurchaseRecorded: _purchase,
    ev.SellTargetSet: _target,
    ev.SaleRecorded: _sale,
    ev.DustRecorded: lambda e, c: f"Lot {e.lot} is too small to sell: {plain(e.quantity)} {c.base} joins the dust",
    ev.TrailingStarted: _trail_started,
    ev.TrailingActivated: lambda e, c: f"Trailing activated at {price(e.price, c)}",
    ev.TrailingWatermarkMoved: lambda e, c: f"Trailing watermark updated: {price(e.watermark, c)}",
    ev.TrailingTriggered: _trail_triggered,
    ev.TrailingReset: _trail_reset,
    ev.LimitReached: lambda e, _: f"Limit reached, nothing is bought until {iso_utc(e.until_ms)}: {e.text}",
    ev.StopLossTriggered: _stopped_out,
    ev.KillSwitchEngaged: _kill_switch,
    ev.KillSwitchReleased: lambda _, __: "Kill switch released: purchases are allowed again",
}
