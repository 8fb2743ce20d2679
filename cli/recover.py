"""`recover`: from a damaged or lost log to bots that may trade again, with an operator's yes."""

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.control import operator
from cli.options import config_option, configured_state_dir_option, json_option, outside
from cli.render import WIDTH, attention, clean, clock_text, dim, echo_json, heading, quoted, rows, status, wrapped
from engine.core.errors import OperatorNeededError, UsageError
from engine.core.narration import counted, order_words, plain, price
from engine.runtime.config_file import LoadedConfig, load_config, one_directory
from engine.runtime.control import SOCKET_NAME
from engine.runtime.lockdown import lock_down
from engine.store.backup import BACKUPS_NAME, backup_folder
from engine.store.rebuild import QUARANTINE_NAME, WORK_NAME
from engine.store.schema import FILE_NAMES

if TYPE_CHECKING:
    from engine.core.config import BotConfig
    from engine.runtime.recovery_report import Adopted, BotReport, Mend, Report


TRACES: Final = {*FILE_NAMES, QUARANTINE_NAME, BACKUPS_NAME, WORK_NAME, SOCKET_NAME}
STATE_FILES: Final = "bot_state_"
FRESH: Final = {"lost+found"}
"""What a file system has of its own where it begins."""


@click.command(
    epilog="Examples:\n\n  krypto-engine recover\n\n"
    "  krypto-engine recover btc-dca --backup /mnt/other-disk/krypto/2025-11-03T10-30-00.000Z"
)
@click.argument("bot", required=False)
@click.option(
    "--backup",
    type=click.Path(path_type=Path),
    help="A backup that may hold more than the log still does, or begin it where there is none.",
)
@click.option("--yes", is_flag=True, help="Confirm without being asked.")
@config_option(", needed if account or endpoint changed since the log")
@configured_state_dir_option
@json_option
@click.pass_context
def recover(
    ctx: click.Context,
    bot: str | None,
    backup: Path | None,
    yes: bool,
    paths: tuple[Path, ...],
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """Recover a damaged, shortened or restored log, and let BOT or every bot of it trade again.

    Keeps all that is sound, in the log or a backup, copies the old files to `quarantine`, asks the exchange of live
    bots what is missing, shows what differs, and asks for a yes. Sends no order and cancels none. A sound log is left
    as it is. Exit code 7 if nobody confirmed.
    """
    lock_down()
    loaded = [load_config(path) for path in paths]
    directory = state_dir or (one_directory(loaded) if loaded else Path("data"))
    require_own(directory, is_begun=backup is not None)
    if backup is not None:
        backup_folder(backup)

    def confirm(report: "Report") -> bool:
        if not as_json:
            _show(report)
            _tell_of_backup(backup, report)
        return yes or (not as_json and sys.stdin.isatty() and _asked())

    def mended(mend: "Mend") -> None:
        if not as_json:
            show_mend("mended", directory, mend)

    tell = _silent if as_json else _tell
    report = asyncio.run(_recover(directory, bot, backup, loaded, confirm, tell, mended, ctx.obj))
    if as_json:
        echo_json(_as_record(report) | {"backup_used": _has_used_backup(report)})
    else:
        if report.is_healthy:
            _tell_of_backup(backup, report)
        _conclude(directory, report)
    ctx.exit(0 if report.is_healthy or report.confirmed else OperatorNeededError.exit_code)


def require_own(directory: Path, *, is_begun: bool) -> None:
    """Leave a folder as it is that never was a state directory: one is taken by closing it to all others.

    Where a log `is_begun` in it, it may also be new. Raises UsageError.
    """
    try:
        names = {path.name for path in directory.iterdir()}
    except OSError:
        return  # whoever takes it says why not
    if names & TRACES or any(name.startswith(STATE_FILES) for name in names):
        return
    if not is_begun:
        raise UsageError(f"{directory} holds no log: name the state directory of a bot with --state-dir")
    if names - FRESH:
        raise UsageError(f"{directory} holds other files and no log: name an empty folder, or a new one")


def _has_used_backup(report: "Report") -> bool:
    return report.mend is not None and report.mend.is_backup


def _tell_of_backup(backup: Path | None, report: "Report") -> None:
    """Say that a backup that was named was of no use, lest somebody counts on it."""
    if backup is None or _has_used_backup(report):
        return
    why = "the log itself holds as much, or the backup is damaged or of another log"
    if report.mend is None:
        why = (
            "the log is sound as it stands. If the backup holds more, move the state directory away, restore "
            "the backup into a new one, and recover that"
        )
    click.echo("\n  ".join(wrapped(attention(f"  the backup {clean(str(backup))} was not used: {why}"), WIDTH - 2)))


async def _recover(
    directory: Path,
    bot: str | None,
    backup: Path | None,
    loaded: list[LoadedConfig],
    confirm: Callable[["Report"], bool],
    tell: Callable[[str], None],
    mended: Callable[["Mend"], None],
    ctx_obj: object,
) -> "Report":
    from engine.runtime.clock import EngineClock, SystemTime
    from engine.runtime.connections import Connections, Wiring
    from engine.runtime.recovery import Help
    from engine.runtime.recovery import recover as run_recovery
    from engine.runtime.recovery_exchange import Exchange

    clock = EngineClock(outside(ctx_obj).real_time or SystemTime())
    configs = {each.config.bot_id: each.config for each in loaded}
    wiring: Wiring = outside(ctx_obj).wiring or Wiring()
    async with Connections(wiring, lambda: clock.now_ms) as connections:

        def exchange(config: "BotConfig") -> Exchange:
            return Exchange(connections.desk(config), connections.data([config]))

        help_ = Help(exchange, confirm, tell, operator(), mended, configs)
        return await run_recovery(directory, bot, backup, clock=clock, help_=help_)


def _tell(text: str) -> None:
    click.echo(dim(clean(text)))


def _silent(_text: str) -> None:
    """Say nothing but the report."""


def _asked() -> bool:
    """Ask the operator. Ctrl-C leaves at once: the event loop around this would note it and let a yes pass."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return click.confirm("May they trade again from here?", default=False)
    finally:
        signal.signal(signal.SIGINT, before)


def show_mend(verdict: str, directory: Path, mend: "Mend", *, is_lost_shown: bool = True) -> None:
    """Show how a log was made anew."""
    click.echo(f"{status(verdict, good=True)}  the log in {clean(str(directory))}")
    lost = "nothing that the witness saw" if mend.lost == 0 else counted(mend.lost or 0, "event")
    lost = "nothing tells how many" if mend.lost is None else lost
    rows(
        [
            ("why", clean(mend.reason)),
            ("kept", counted(mend.kept, "event") + (f", out of {clean(str(mend.source))}" if mend.is_backup else "")),
            *([("lost", lost)] if is_lost_shown else []),
            *([] if mend.quarantine is None else [("old files", clean(str(mend.quarantine)))]),
        ]
    )


def _show(report: "Report") -> None:
    for bot in report.bots:
        click.echo()
        _show_bot(bot, is_mend_shown=report.mend is not None)
    click.echo()


def _show_bot(bot: "BotReport", *, is_mend_shown: bool) -> None:
    from engine.runtime.connections import stake_of

    config, base = bot.config, bot.config.base
    click.echo(heading(bot.bot_id) + f"  {stake_of(config)}")
    lots = counted(bot.open_lots, "open lot")
    account: list[tuple[str, str]] = []
    if bot.balance is not None:
        held = f"holds {plain(bot.balance)} {base}"
        who = "its bots" if bot.others_hold else "the bot"
        less = f"{held}, {plain(bot.short)} less than {who} bought"
        account = [("account", attention(less) if bot.short > 0 else held)]
    rows(
        [
            ("why", clean(bot.reason)),
            *([] if is_mend_shown else [("kept", _kept_words(bot))]),
            ("known until", clock_text(bot.kept_ms)),
            *(("adopted", _adopted_words(each, config)) for each in bot.adopted),
            *([] if config.paper_trading else [("trades", f"{bot.trades} booked that the log did not hold")]),
            ("position", f"{plain(bot.held_before)} {base} before, {plain(bot.held_after)} {base} now, {lots}"),
            *account,
            *(("unmatched", attention(clean(each))) for each in bot.unmatched),
        ]
    )


def _kept_words(bot: "BotReport") -> str:
    """Say what an earlier run lost, of whose mend nothing but the log tells."""
    kept = f"{counted(bot.kept, 'event')} of the log"
    return kept if bot.witness is None else f"{kept}, {counted(bot.lost or 0, 'event')} lost"


def _adopted_words(order: "Adopted", config: "BotConfig") -> str:
    at = "at market" if order.limit_price is None else f"at {price(order.limit_price, config)}"
    lot = "" if order.lot is None else f" for lot {order.lot}"
    what = f"{order.side} {plain(order.quantity)} {config.base} {at}{lot}"
    return f"{order_words(order.client_order_id)}: {what}, {order.status}, {plain(order.filled)} filled"


def _conclude(directory: Path, report: "Report") -> None:
    names = ", ".join(bot.bot_id for bot in report.bots)
    if report.is_healthy:
        click.echo(f"{status('healthy', good=True)}  the log in {clean(str(directory))}: there is nothing to recover")
    elif report.confirmed:
        click.echo(f"{status('confirmed', good=True)}  {names}: krypto-engine run goes on from here")
    else:
        click.echo(f"{status('not confirmed', good=False)}  {names}: nothing is sent until you confirm")
        click.echo(f"  krypto-engine recover --state-dir {quoted(directory)}")


def _as_record(report: "Report") -> dict[str, Any]:
    mend = report.mend
    return {
        "healthy": report.is_healthy,
        "confirmed": report.confirmed,
        "log": None
        if mend is None
        else {
            "reason": mend.reason,
            "kept": mend.kept,
            "lost": mend.lost,
            "source": str(mend.source),
            "quarantine": None if mend.quarantine is None else str(mend.quarantine),
        },
        "bots": [
            {
                "bot_id": bot.bot_id,
                "reason": bot.reason,
                "kept": bot.kept,
                "lost": bot.lost,
                "known_until_ms": bot.kept_ms,
                "adopted": bot.adopted,
                "trades": bot.trades,
                "held_before": bot.held_before,
                "held_after": bot.held_after,
                "open_lots": bot.open_lots,
                "others_hold": bot.others_hold,
                "balance": bot.balance,
                "unmatched": bot.unmatched,
            }
            for bot in report.bots
        ],
    }
