"""`inspect-state`: what a bot holds, now or then, and which event made it so."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from cli.amounts import dust_words, gain, open_lots
from cli.options import json_option, moment_of, open_log, require_reached, state_dir_option
from cli.render import WIDTH, attention, clean, clock_text, dim, echo_json, heading, rows, table, wrapped
from engine.core.config import BotConfig
from engine.core.errors import UsageError
from engine.core.instants import iso_utc
from engine.core.narration import counted, money, plain, price
from engine.core.projection import StateFile
from engine.core.state import BotState, Lot, Order, Trail
from engine.core.units import plain_json
from engine.runtime.examine import Moment, last_price, replica_at, state_file
from engine.runtime.replica import Replica, bot_ids, known_bot

if TYPE_CHECKING:
    from engine.store.reader import LogReader

MOST_EVENT: Final = 400
MOST_KEY: Final = 200


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
    if key is not None and len(key) > MOST_KEY:
        raise UsageError(f"--why has {len(key)} characters, and no key is so long: give one such as stats.total_profit")
    if key is not None and why_no_trade:
        raise UsageError("--why and --why-no-trade are two questions: ask one of them")
    until = moment_of(at)
    with open_log(state_dir) as reader:
        if key is not None:
            _show_why(reader, known_bot(reader, bot), key, as_json=as_json)
        elif why_no_trade:
            _show_no_trade(reader, known_bot(reader, bot), as_json=as_json)
        else:
            _show_states(reader, bot, until, as_json=as_json)


def _show_states(reader: "LogReader", bot: str | None, until: Moment | None, *, as_json: bool) -> None:
    """Show one bot or all as they stood at a moment; say which had not come so far."""
    names = bot_ids(reader) if bot is None else (known_bot(reader, bot),)
    found, missing = _at(reader, names, until)
    if missing and not found:
        raise UsageError(missing[-1])
    if as_json:
        files = [state_file(replica) for replica in found]
        echo_json(files[0] if bot is not None else files)
        return
    for replica in found:
        _show_state(replica)
    for text in missing:
        click.echo(dim(clean(text)))
    if not names:
        click.echo("this log holds no bot yet: run one first")


def _at(reader: "LogReader", names: Sequence[str], until: Moment | None) -> tuple[list[Replica], list[str]]:
    """Give bots as they stood at a moment, and a sentence about each that had not come so far."""
    found, missing = [], []
    for name in names:
        try:
            require_reached(reader, name, until)
            found.append(replica_at(reader, name, until))
        except UsageError as error:
            missing.append(str(error))
    return found, missing


def _show_state(replica: Replica) -> None:
    state, file, last = replica.state, state_file(replica), last_price(replica)
    assert state is not None
    assert replica.head is not None
    config, stats = state.config, state.stats
    what = clean(f"{config.strategy} on {config.symbol} at {config.exchange}")
    click.echo(f"{heading(state.bot_id)}  {what}")
    bought, spent = plain(stats.total_purchased), money(stats.total_spent, config)
    seen_ms = None if replica.view is None else replica.view.price_ms
    at_price = "no price seen"
    if last is not None and seen_ms is not None:
        at_price = f"last price {price(last, config)} of {iso_utc(seen_ms)}"
    rows(
        [
            ("as of", f"event {file.log.sequence}, {file.last_update}"),
            *([("paused", attention("yes: it decides nothing until it is resumed"))] if state.paused else []),
            *_recovery(state),
            *_silence(state, replica.head.at_ms),
            *_limits(state, replica.head.at_ms),
            ("trades", f"{stats.total_trades} opened, {stats.winning_trades} won, {stats.losing_trades} lost"),
            ("realised", f"{gain(stats.total_profit, config)} after fees"),
            ("position", f"{plain(state.position)} {config.base}, {at_price}"),
            ("open lots", open_lots(state, last)),
            ("bought", f"{bought} {config.base} for {spent} in {counted(stats.purchase_count, 'purchase')}"),
            ("connectivity", _connectivity(file)),
            *([("dust", dust_words(state))] if state.dust.quantity else []),
        ]
    )
    if state.lots:
        click.echo()
        table(
            ("open lot", "left", "bought at", "cost", "target", "sell"),
            [_lot_line(state, lot) for lot in state.lots.values()],
        )
    if state.orders:
        click.echo()
        table(
            ("order", "for", "status", "id", "at the exchange"),
            [_order_line(order, config) for order in state.orders.values()],
        )
    if state.trails:
        click.echo()
        table(
            ("trail", "status", "activation", "watermark", "percent"),
            [_trail_line(trail, config) for _, trail in sorted(state.trails.items())],
        )
    click.echo()


def _recovery(state: BotState) -> list[tuple[str, str]]:
    """Show a recovery that was not confirmed, and a halt for an operator to decide; nothing otherwise."""
    shown = []
    if state.recovery is not None:
        why = clean(state.recovery.reason)
        shown.append(("recovery", attention(f"not confirmed, nothing is sent: {why}; see krypto-engine recover")))
    if state.halted is not None:
        about = f"an operator must decide about {clean(state.halted)}, nothing is sent; see krypto-engine recover"
        shown.append(("halted", attention(about)))
    return shown


def _silence(state: BotState, at_ms: int) -> list[tuple[str, str]]:
    """Show how long the exchange asked for silence, if that is not over."""
    if state.rate_limited_until_ms <= at_ms:
        return []
    return [("silent until", attention(f"{iso_utc(state.rate_limited_until_ms)}: the exchange asked for it"))]


def _limits(state: BotState, at_ms: int) -> list[tuple[str, str]]:
    """Show an engaged kill switch, a halt, and the day's result where the day is limited; nothing otherwise."""
    guard, config, shown = state.guard, state.config, []
    if guard.kill is not None:
        does = "everything is sold" if guard.kill.action == "flatten" else "nothing more is bought"
        since = f"since {iso_utc(guard.kill.since_ms)}, {clean(guard.kill.text)}"
        shown.append(("kill switch", attention(f"engaged: {does} until it is released; {since}")))
    if at_ms < guard.halted_until_ms:
        shown.append(("entries", attention(f"halted by the day's loss until {iso_utc(guard.halted_until_ms)}")))
    if config.risk.max_daily_loss_percent is not None:
        shown.append(("today", f"{gain(guard.profit_on(at_ms), config)} realised since midnight UTC"))
    return shown


def _connectivity(file: StateFile) -> str:
    link = file.connectivity
    last = link.last_success or "never"
    if link.failure_count:
        return attention(f"{counted(link.failure_count, 'check')} failed in a row, last success {last}")
    return f"good, last success {last}"


def _lot_line(state: BotState, lot: Lot) -> tuple[str, ...]:
    config = state.config
    return (
        f"lot {lot.number}",
        f"{plain(lot.quantity)} {config.base}",
        price(round(lot.price, 8), config),
        money(lot.cost, config),
        "-" if lot.target is None else price(lot.target, config),
        _sell(state, lot),
    )


def _sell(state: BotState, lot: Lot) -> str:
    """Say how a lot's sale stands; one that its stop loss sells waits for the exchange only."""
    order = None if lot.sell_order is None else state.order(lot.sell_order)
    stands = "" if order is None else _status(order)
    if lot.stopped:
        return attention("stopped out") + (f", {stands}" if stands else "")
    return stands or "waiting"


def _order_line(order: Order, config: BotConfig) -> tuple[str, ...]:
    at = "at market" if order.limit_price is None else f"at {price(order.limit_price, config)}"
    return (
        f"order {order.number}",
        f"{order.side} {plain(order.quantity)} {config.base} {at}",
        _status(order),
        clean(order.client_order_id),
        clean(order.exchange_order_id or "-"),
    )


def _status(order: Order) -> str:
    """Say how an order stands, in the words of the log; one whose outcome nobody knows wants a look."""
    status = "resting" if order.status == "open" and order.kind == "limit" else order.status
    return attention(status) if order.status == "unknown" else status


def _trail_line(trail: Trail, config: BotConfig) -> tuple[str, ...]:
    return (
        f"lot {trail.lot} {trail.direction}" if trail.lot else f"entry {trail.direction}",
        trail.status,
        price(trail.activation, config),
        "-" if trail.watermark is None else price(trail.watermark, config),
        f"{plain(trail.percent)}%",
    )


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
    shown = plain_json(setting.value)
    if isinstance(setting.value, dict | list | tuple):
        shown = msgspec.json.format(shown, indent=2)
    click.echo(f"{heading(key)} is " + "\n".join(map(clean, shown.decode().splitlines())))
    chain = (("set by", setting.event), *(("caused by", cause) for cause in setting.chain))
    rows((name, f"{dim(clock_text(each.at_ms))}  {describe(each, MOST_EVENT)}") for name, each in chain)


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
        when = f"event {found.last.sequence}, {clock_text(found.last.at_ms)}"
        click.echo("\n  ".join(wrapped(f"{heading(bot_id)}  {when}: {clean(text or '')}", WIDTH - 2)))
        numbers = getattr(event, "numbers", None)
        if numbers:
            rows((clean(name), clean(value)) for name, value in numbers.items() if value)
    click.echo("  " + "\n    ".join(wrapped(f"at the last price: {clean(found.now)}", WIDTH - 4)))
    rows(((clean(name), clean(value)) for name, value in found.numbers.items() if value), indent="    ")
