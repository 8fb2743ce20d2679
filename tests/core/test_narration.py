"""The story of a bot: which line each event tells, and the lines of the specification to the letter."""

from decimal import Decimal
from typing import Any, get_args

import pytest

from engine.core import events as ev
from engine.core import narration
from engine.core.config import config_digest
from engine.core.narration import line, money, narrate, plain, price
from engine.core.projection import state_file_name
from tests.kernel import bought, config_of

SPEC = pytest.mark.spec
D = Decimal
CONFIG = config_of(bot_id="abc123")
NAME = "k0a1b2c3d4e0000001"


def told(event: Any, **changes: Any) -> str | None:
    """Give the log line of an event, prefix included."""
    text = narrate(event, config_of(bot_id="abc123", **changes))
    return None if text is None else line("abc123", text)


@SPEC("the log lines read as the specification writes them", section="Monitoring and Logs")
@pytest.mark.parametrize(
    ("event", "text"),
    [
        pytest.param(
            ev.ConnectivityChecked("exchange", reachable=True),
            "[Bot-abc123] ✓ Connectivity check passed",
            id="check-passed",
        ),
        pytest.param(
            ev.ConnectivityChecked("exchange", reachable=False, failure=1),
            "[Bot-abc123] ⚠️  Connectivity check failed (failure #1)",
            id="check-failed",
        ),
        pytest.param(
            ev.OutageDeclared(2),
            "[Bot-abc123] Resetting trailing state due to 2 connectivity failures",
            id="resetting",
        ),
        pytest.param(ev.BackoffStarted(30, 0, 1), "[Bot-abc123] Waiting 30s before retry...", id="waiting"),
        pytest.param(
            ev.TrailingStarted(1, "up", D(50_000), D("0.25")),
            "[Bot-abc123] Trailing started: up from $50,000.00 with 0.25% trail",
            id="trailing-started",
        ),
        pytest.param(
            ev.TrailingActivated(1, "up", D(50_500), D(50_500)),
            "[Bot-abc123] Trailing activated at $50,500.00",
            id="trailing-activated",
        ),
        pytest.param(
            ev.TrailingWatermarkMoved("up", D(50_800)),
            "[Bot-abc123] Trailing watermark updated: $50,800.00",
            id="watermark",
        ),
        pytest.param(
            ev.TrailingTriggered(1, "up", D(50_550), D(50_800), D("0.5")),
            "[Bot-abc123] Trailing sell triggered! Price dropped 0.50% from $50,800.00 to $50,550.00",
            id="triggered",
        ),
        pytest.param(
            ev.TrailingTriggered(1, "up", D(50_550), D(50_800), D("0.492125")),
            "[Bot-abc123] Trailing sell triggered! Price dropped 0.49% from $50,800.00 to $50,550.00",
            id="triggered-with-the-true-retrace",
        ),
    ],
)
def test_line_of_an_event_reads_as_in_the_specification(event: Any, text: str) -> None:
    assert told(event) == text


EXAMPLES: list[tuple[Any, str]] = [
    (
        ev.RecoveryStarted("rows 9 to 12 of the log are gone", 8, 5, 1_000, 5_000_000, 2_000),
        (
            "⚠️  Recovery started: rows 9 to 12 of the log are gone; kept up to event 5, nothing is sent until an "
            "operator confirms"
        ),
    ),
    (
        ev.OrderAdopted(NAME, "x1", 1, "sell", "limit", D("0.002"), D(51_000), D(51_000), lot=7),
        "Order 1 adopted from the exchange: sell of 0.002 BTC at $51,000.00 for lot 7",
    ),
    (
        ev.OrderAdopted(NAME, "x1", 1, "buy", "market", D("0.002"), D(51_000)),
        "Order 1 adopted from the exchange: buy of 0.002 BTC at market",
    ),
    (
        ev.RecoveryConfirmed("ann", adopted=2, trades=3),
        "Recovery confirmed by ann: orders adopted 2, trades booked 3",
    ),
    (
        ev.RecoveryConfirmed("ann", adopted=2, trades=3, unmatched=("Order 9: no lot holds that",)),
        "Recovery confirmed by ann: orders adopted 2, trades booked 3, unmatched 1",
    ),
    (
        ev.BotCreated("0a1b2c3d4e", CONFIG, config_digest(CONFIG)),
        "Bot created: dca on BTC/USD at simulated, paper trading",
    ),
    (ev.ConfigChanged(CONFIG, "d", ("budget", "name")), "Configuration changed: budget, name"),
    (ev.SessionStarted("1.2", "dca", 1001), "Session started: engine 1.2, strategy dca"),
    (ev.SessionStopped("SIGTERM", "d", "s"), "Session stopped: SIGTERM"),
    (ev.PricesSkipped("feed", 4, 9, "paused"), "Prices passed unseen (paused): 6 events of the feed, from 4 on"),
    (ev.CommandReceived("pause", "operator"), "Command received: pause (from operator)"),
    (
        ev.EntrySkipped("votes", "1 of 3 votes for it (ema), 2 needed"),
        "No purchase: 1 of 3 votes for it (ema), 2 needed",
    ),
    (ev.ConnectivityChecked("exchange", reachable=True), "✓ Connectivity check passed"),
    (
        ev.ConnectivityChecked("exchange", reachable=False, failure=2, diagnosis="no internet"),
        "⚠️  Connectivity check failed (failure #2): no internet",
    ),
    (ev.OutageDeclared(3), "Resetting trailing state due to 3 connectivity failures"),
    (ev.BackoffStarted(300, 0, 6), "Waiting 300s before retry..."),
    (ev.ConnectivityRestored(90_500, 2), "Connectivity restored after 90s and 2 failed checks"),
    (
        ev.OrderRequested(NAME, 1, "buy", "limit", D("0.00200"), D(50_000), "entry", D("49999.5"), reason="3 votes"),
        "Buy order 1: 0.002 BTC at $49,999.50: 3 votes",
    ),
    (
        ev.OrderRequested(NAME, 2, "sell", "market", D("0.002"), D(50_000), "trailing", lot=1),
        "Sell order 2 for lot 1: 0.002 BTC at market",
    ),
    (ev.OrderRejected(NAME, "LOT_SIZE", "too small"), "Order 1 rejected: too small (LOT_SIZE)"),
    (ev.OrderOutcomeUnknown(NAME, "timed out"), "Order 1 has an unknown outcome, asking the exchange: timed out"),
    (
        ev.OrderFilled(NAME, "t", D(50_000), D("0.002"), D("0.1"), "USD", D("0.1"), "taker"),
        "Order 1 filled: 0.002 BTC at $50,000.00, fee 0.1 USD",
    ),
    (
        ev.OrderFilled(NAME, "t", D(50_000), D("0.002"), D(3), "POINT", D(0), "taker"),
        "Order 1 filled: 0.002 BTC at $50,000.00, fee 3 POINT, whose value nothing tells",
    ),
    (ev.OrderCancelRequested(NAME, "timeout"), "Order 1 is to be cancelled: timeout"),
    (ev.OrderCanceled(NAME, D("0.001")), "Order 1 cancelled with 0.001 BTC filled"),
    (ev.OrderExpired(NAME, D(0)), "Order 1 expired with 0 BTC filled"),
    (ev.OrdersSurveyed((), ("77", "78")), "Open orders of others in this market, left alone: 2"),
    (
        ev.DiscrepancyFound("BTC", "0.002", "0.001", "trading stopped"),
        "⚠️  Discrepancy, BTC: expected 0.002, found 0.001; trading stopped",
    ),
    (
        ev.DiscrepancyFound(f"order {NAME}", "not placed", "at the exchange", "it is back in the books"),
        f"⚠️  Discrepancy, Order 1 ({NAME}): expected not placed, found at the exchange; it is back in the books",
    ),
    (
        ev.PurchaseRecorded(1, D(50_000), D("0.002"), D("0.002"), D("100.1"), D(50_050), D("0.1")),
        "Bought lot 1: 0.002 BTC for $100.10 ($50,050.00 each with fees)",
    ),
    (
        ev.SellTargetSet(1, D("50601.11"), D(50_050), D(1), D("0.1"), D("1.000017")),
        "Sell target of lot 1: $50,601.11 (+1.00% after fees)",
    ),
    (
        ev.SaleRecorded(1, D(50_900), D("0.002"), D("101.6982"), D("100.1"), D("1.5982"), D("1.5966"), closed=True),
        "Sold 0.002 BTC of lot 1 at $50,900.00: profit +$1.60 (+1.60%)",
    ),
    (
        ev.SaleRecorded(
            1, D(49_900), D("0.002"), D("99.7002"), D("100.1"), D("-0.3998"), D("-0.3994"), True, slippage=D("1.4")
        ),
        "Sold 0.002 BTC of lot 1 at $49,900.00: profit -$0.40 (-0.40%), $1.40 under its target",
    ),
    (ev.DustRecorded(1, D("0.00001"), D("0.5")), "Lot 1 is too small to sell: 0.00001 BTC joins the dust"),
    (ev.TrailingStarted(0, "down", D(50_000), D("0.5")), "Trailing started: down from $50,000.00 with 0.5% trail"),
    (ev.TrailingActivated(0, "down", D(50_000), D(50_000)), "Trailing activated at $50,000.00"),
    (ev.TrailingWatermarkMoved("down", D("49000.5")), "Trailing watermark updated: $49,000.50"),
    (
        ev.TrailingTriggered(0, "down", D(48_240), D(48_000), D("0.5")),
        "Trailing buy triggered! Price rose 0.50% from $48,000.00 to $48,240.00",
    ),
    *(
        (ev.TrailingReset(1, "up", reason), f"Trailing reset (lot 1): {reason.replace('_', ' ')}")
        for reason in ("filled", "stale", "manual", "gate", "rejected", "unfilled", "dust", "stop_loss", "kill_switch")
    ),
    (
        ev.LimitReached("max_daily_loss_percent", "sales have lost 10.20 today", 1_730_678_400_000),
        "Limit reached, nothing is bought until 2024-11-04T00:00:00Z: sales have lost 10.20 today",
    ),
    (
        ev.StopLossTriggered(3, D("45044.9"), D("45045"), D("10.0")),
        "Stop loss of lot 3: $45,044.90 has reached its stop at $45,045.00, 10% under its cost",
    ),
    (
        ev.KillSwitchEngaged("stop_entries", "command", "asked for by ada"),
        "⚠️  Kill switch engaged, nothing more is bought: asked for by ada",
    ),
    (
        ev.KillSwitchEngaged("flatten", "max_drawdown_percent", "equity of 180.00 is 10% or more under its peak"),
        "⚠️  Kill switch engaged, everything is sold: equity of 180.00 is 10% or more under its peak",
    ),
    (ev.KillSwitchReleased(D(180)), "Kill switch released: purchases are allowed again"),
]
GATE = ev.IndicatorsSkipped("price_move", D(50_150), D(50_000), D("0.3"), D("0.50"))
SILENCE = ev.RateLimited(1_730_635_800_000)
SILENT = {
    ev.AccountObserved,
    ev.BalancesObserved,
    ev.FeedAttached,
    ev.FeedDetached,
    ev.IndicatorsAwaited,
    ev.OrderAccepted,
    ev.OrderReconciled,
    ev.OrderSent,
    ev.TimerFired,
}
"""Events that no line tells: what they change is told by others."""


@pytest.mark.parametrize(
    ("event", "text"), [pytest.param(event, text, id=text[:32].strip()) for event, text in EXAMPLES]
)
def test_event_tells_its_line(event: Any, text: str) -> None:
    assert narrate(event, CONFIG) == text


@pytest.mark.spec("log lines and the state file bear the bot's whole id", section="decision 16")
@pytest.mark.parametrize("bot_id", ["a", "btc-dca", "b" * 64])
def test_line_and_state_file_bear_the_whole_id_of_the_bot(bot_id: str) -> None:
    assert line(bot_id, "Session started") == f"[Bot-{bot_id}] Session started"
    assert state_file_name(bot_id) == f"bot_state_{bot_id}.json"


@SPEC("a gate that holds tells the move and the threshold", section="Monitoring and Logs")
def test_gate_tells_the_move_and_the_threshold() -> None:
    text = narrate(GATE, CONFIG)
    assert text in {
        "Price change 0.3% < 0.5%, skipping indicator checks",
        "Price change 0.30% < 0.5%, skipping indicator checks",
    }


def test_gate_a_hair_under_the_threshold_never_reads_as_having_reached_it() -> None:
    event = ev.IndicatorsSkipped("price_move", D(1), D(1), D("0.499999"), D("0.5"))
    assert narrate(event, CONFIG) == "Price change 0.49% < 0.5%, skipping indicator checks"


def test_rate_limit_tells_that_the_exchange_wants_silence() -> None:
    assert str(narrate(SILENCE, CONFIG)).startswith("The exchange asked for silence until ")


def test_every_event_of_a_bot_is_in_this_table_or_told_by_none() -> None:
    shown = {type(event) for event, _ in EXAMPLES} | {type(GATE), type(SILENCE)}
    assert shown == set(narration._NARRATORS)
    assert shown | SILENT == set(get_args(ev.BotEvent))
    assert shown.isdisjoint(SILENT)


def test_trail_reset_by_an_outage_is_told_by_the_outage() -> None:
    assert narrate(ev.TrailingReset(1, "up", "outage", 2), CONFIG) is None


@SPEC("run and replay print the same line for the same event", section="Files and interfaces that others may rely on")
def test_story_depends_on_events_and_configuration_alone() -> None:
    kernel = bought(50_000, sell_order_type="trailing_market")
    kernel.prices(50_700, 50_900, 50_760)
    again = [text for event in kernel.told() if (text := narrate(event, kernel.config)) is not None]
    assert kernel.lines() == again
    assert kernel.lines()[-4:] == [
        "Sell order 2 for lot 1: 0.002 BTC at market",
        "Order 2 filled: 0.002 BTC at $50,760.00, fee 0.10152 USD",
        "Sold 0.002 BTC of lot 1 at $50,760.00: profit +$1.32 (+1.32%)",
        "Trailing reset (lot 1): filled",
    ]


@pytest.mark.parametrize(
    ("value", "symbol", "text"),
    [
        ("50000", "BTC/USD", "$50,000.00"),
        ("1234567.891", "BTC/USDT", "$1,234,567.89"),
        ("0.01234", "ADA/USD", "$0.01234"),
        ("1E-8", "SHIB/USD", "$0.00000001"),
        ("0", "BTC/USD", "$0.00"),
        ("50000", "BTC/EUR", "50,000.00 EUR"),
        ("0.0321", "ETH/BTC", "0.0321 BTC"),
    ],
)
def test_price_is_written_in_its_currency_with_digits_that_matter(value: str, symbol: str, text: str) -> None:
    assert price(D(value), config_of(symbol=symbol)) == text


@pytest.mark.parametrize(
    ("value", "symbol", "text"),
    [
        ("1234.567", "BTC/USD", "$1,234.57"),
        ("0.3912696638", "BTC/USD", "$0.39"),
        ("0.39", "BTC/EUR", "0.39 EUR"),
        ("0.0321123456789", "ETH/BTC", "0.03211235 BTC"),
    ],
)
def test_amount_is_written_in_its_currency_to_cents_or_eight_decimals(value: str, symbol: str, text: str) -> None:
    assert money(D(value), config_of(symbol=symbol)) == text


@pytest.mark.parametrize(("value", "text"), [("0.00200", "0.002"), ("1E+3", "1000"), ("0E-8", "0"), ("3", "3")])
def test_quantity_is_written_without_trailing_zeros_or_exponent(value: str, text: str) -> None:
    assert plain(D(value)) == text
