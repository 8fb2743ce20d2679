"""`inspect-state`: what a bot holds, now or then, and which event made it so."""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from cli.options import json_option, open_log, state_dir_option
from cli.render import attention, clean, clock_text, dim, echo_json, heading, rows, signed, table
from engine.core.errors import UsageError
from engine.core.narration import plain
from engine.core.projection import SellFile, StateFile
from engine.runtime.examine import Moment, state_at
from engine.runtime.replica import bot_ids, known_bot

if TYPE_CHECKING:
    from engine.store.reader import LogReader


@click.command(
    "inspect-state",
    epilog="Examples:\n\n  krypto-engine inspect-state\n\n"
    "  krypto-engine inspect-state btc-dca --at 2025-11-03T10:30:00Z\n\n"
    "  krypto-engine inspect-state btc-dca --why strategy_state.trailing_state.status\n\n"
    "  krypto-engine inspect-state btc-dca --why-no-trade",
)
@click.argument("bot", required=False)
@click.option("--at", help="As of this event or UTC time, such as 120 or 2025-11-03T10:30:00Z.")
@click.option("--why", "key", metavar="KEY", help="Which event set this key of the state file, and what caused it.")
@click.option("--why-no-trade", is_flag=True, help="The last reason not to buy, with its numbers.")
@state_dir_option
@json_option
def inspect_state(
    bot: str | None,
    at: str | None,
    key: str | None,
    why_no_trade: bool,
    state_dir: Path,
    as_json: bool,
) -> None:
    """Show the state of BOT, or of every bot in the log; works while the engine runs.

    KEY is a path into the state file, such as stats.total_profit or strategy_state.purchases.0.status.
    """
    if at is not None and (key is not None or why_no_trade):
        raise UsageError("--at goes with the state alone: leave --why and --why-no-trade out")
    until = None if at is None else Moment.parse(at)
    with open_log(state_dir) as reader:
        if key is not None:
            _show_why(reader, known_bot(reader, bot), key, as_json=as_json)
        elif why_no_trade:
            _show_no_trade(reader, known_bot(reader, bot), as_json=as_json)
        else:
            names = bot_ids(reader) if bot is None else (known_bot(reader, bot),)
            files = [state_at(reader, name, until) for name in names]
            if as_json:
                echo_json(files[0] if bot is not None else files)
            else:
                for file in files:
                    _show_state(file)
            if not files and not as_json:
                click.echo("this log holds no bot yet: run one first")


def _show_state(file: StateFile) -> None:
    stats, strategy = file.stats, file.strategy_state
    click.echo(
        heading(f"{file.bot_id}")
        + f"  {file.strategy} on {clean(file.symbol)} at {file.exchange}"
        + dim(f"  as of event {file.log.sequence}, {file.last_update}")
    )
    bought = (
        f"{plain(strategy.total_purchased)} for {plain(strategy.total_spent)} in {strategy.purchase_count} purchases"
    )
    last = "none seen" if stats.last_price is None else plain(stats.last_price)
    profit = stats.total_profit.quantize(Decimal("0.01"))
    rows(
        [
            *([("paused", attention("yes: it decides nothing until it is resumed"))] if file.paused else []),
            ("trades", f"{stats.total_trades} opened, {stats.winning_trades} won, {stats.losing_trades} lost"),
            ("profit", signed(profit, f"{profit:+}") + " realised, after fees"),
            ("position", f"{plain(stats.current_position)} at last price {last}"),
            (
                "bought",
                bought,
            ),
            ("connectivity", _connectivity(file)),
        ]
        + (
            [("dust", f"{plain(strategy.dust.quantity)} that cost {strategy.dust.cost:.8f}")]
            if strategy.dust.quantity
            else []
        )
    )
    pending = [lot for lot in strategy.purchases if lot.status == "pending"]
    if pending:
        click.echo()
        table(
            ("open lot", "left", "bought at", "cost", "target", "sell"),
            [_lot_line(lot) for lot in pending],
        )
    if strategy.trailing_states:
        click.echo()
        table(
            ("trail", "status", "activation", "watermark", "percent"),
            [
                (
                    f"lot {trail.lot} {trail.direction}" if trail.lot else f"entry {trail.direction}",
                    trail.status,
                    plain(trail.activation_price),
                    "-" if trail.watermark is None else plain(trail.watermark),
                    plain(trail.trailing_percent),
                )
                for trail in strategy.trailing_states
            ],
        )
    click.echo()


def _connectivity(file: StateFile) -> str:
    link = file.connectivity
    last = link.last_success or "never"
    if link.failure_count:
        return attention(f"{link.failure_count} checks failed in a row, last success {last}")
    return f"good, last success {last}"


def _lot_line(lot: SellFile) -> tuple[str, ...]:
    target = "-" if lot.target_sell_price is None else plain(lot.target_sell_price)
    resting = "resting" if lot.sell_order_id is not None else "waiting"
    return (lot.buy_order_id, plain(lot.amount_left), f"{lot.buy_price:.2f}", f"{lot.buy_cost:.2f}", target, resting)


def _show_why(reader: "LogReader", bot_id: str, key: str, *, as_json: bool) -> None:
    from cli.replay import describe
    from engine.runtime.examine import why

    setting = why(reader, bot_id, key)
    if as_json:
        echo_json(
            {
                "key": key,
                "value": setting.value,
                "event": {
                    "sequence": setting.event.sequence,
                    "stream": setting.event.stream,
                    "event": setting.event.event,
                },
                "causes": [
                    {"sequence": each.sequence, "stream": each.stream, "event": each.event} for each in setting.chain
                ],
            }
        )
        return
    shown = msgspec.json.Encoder(decimal_format="number").encode(setting.value).decode()
    click.echo(f"{heading(key)} is {clean(shown)}")
    click.echo(f"  set by     {dim(clock_text(setting.event.at_ms))}  {describe(setting.event)}")
    for cause in setting.chain:
        click.echo(f"  caused by  {dim(clock_text(cause.at_ms))}  {describe(cause)}")


def _show_no_trade(reader: "LogReader", bot_id: str, *, as_json: bool) -> None:
    from engine.core.narration import narrate
    from engine.runtime.examine import why_no_trade
    from engine.runtime.replica import restore_bot

    found = why_no_trade(reader, bot_id)
    if as_json:
        last = (
            None
            if found.last is None
            else {"sequence": found.last.sequence, "at": found.last.at_ms, "event": found.last.event}
        )
        echo_json({"bot": bot_id, "last": last, "now": found.now, "numbers": found.numbers})
        return
    if found.last is None:
        click.echo(f"{heading(bot_id)}  no purchase was ever passed over")
    else:
        state, _ = restore_bot(reader, bot_id)
        event = found.last.event
        text = narrate(event, state.config)  # type: ignore[arg-type]
        click.echo(
            f"{heading(bot_id)}  event {found.last.sequence}, {clock_text(found.last.at_ms)}: {clean(text or '')}"
        )
        numbers = getattr(event, "numbers", None)
        if numbers:
            rows((clean(name), clean(value)) for name, value in numbers.items() if value)
    click.echo(f"  at the last price: {clean(found.now)}")
    rows(((clean(name), clean(value)) for name, value in found.numbers.items() if value), indent="    ")
