"""The summary that a run ends with: what was traded, what it cost, where everything is, what to type next."""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.render import clock_text, dim, echo_json, heading, rows, signed, table
from engine.core.narration import money, plain
from engine.core.projection import state_file_name
from engine.store.schema import LOG_NAME

if TYPE_CHECKING:
    from engine.runtime.bot import Bot
    from engine.runtime.supervisor import Outcome
    from engine.runtime.world import World


def show_summary(directory: Path, outcome: "Outcome", *, as_json: bool) -> None:
    """Print the summary of a run."""
    if as_json:
        echo_json({"summary": [_numbers(world, reason) for world, reason in _pairs(outcome)]})
        return
    for world, reason in _pairs(outcome):
        click.echo()
        click.echo(heading(f"Stopped: {reason}") + dim(f"  at market time {clock_text(world.clock.now_ms)} UTC"))
        table(
            ("bot", "bought", "sold", "won", "lost", "profit", "fees", "position", "open lots"),
            [_line(bot) for bot in world.bots],
        )
        calls = ", ".join(f"{kind} {count}" for kind, count in sorted(world.calls.items()))
        rows(
            [
                ("prices seen", f"{world.prices:,}"),
                ("exchange calls", calls),
                ("indicators computed", str(world.feed.indicator_calls)),
            ]
        )
    bots = [bot for world in outcome.worlds for bot in world.bots]
    _show_places(directory, bots)


def _pairs(outcome: "Outcome") -> list[tuple["World", str]]:
    return list(zip(outcome.worlds, outcome.reasons, strict=True))


def _line(bot: "Bot") -> tuple[str, ...]:
    state, stats = bot.state, bot.state.stats
    profit = signed(stats.total_profit, money(stats.total_profit.quantize(Decimal("0.01")), state.config))
    return (
        state.bot_id,
        str(stats.purchase_count),
        str(stats.winning_trades + stats.losing_trades),
        str(stats.winning_trades),
        str(stats.losing_trades),
        profit,
        money(stats.total_fees.quantize(Decimal("0.01")), state.config),
        f"{plain(state.position)} {state.config.base}",
        str(len(state.lots)),
    )


def _numbers(world: "World", reason: str) -> dict[str, object]:
    return {
        "reason": reason,
        "market_time_ms": world.clock.now_ms,
        "prices": world.prices,
        "calls": dict(world.calls),
        "indicator_calls": world.feed.indicator_calls,
        "bots": [
            {
                "bot": bot.state.bot_id,
                "stats": bot.state.stats,
                "position": bot.state.position,
                "lots": len(bot.state.lots),
            }
            for bot in world.bots
        ],
    }


def _show_places(directory: Path, bots: list["Bot"]) -> None:
    click.echo()
    places = [("the log", str(directory / LOG_NAME))]
    for bot in bots:
        path = directory / state_file_name(bot.state.bot_id)
        places.append(("state file", str(path) if path.exists() else f"{path} (written with the first purchase)"))
    rows(places)
    name = bots[0].state.bot_id
    option = "" if directory == Path("data") else f" --state-dir {directory}"
    click.echo()
    click.echo("Next:")
    rows(
        [
            (f"krypto-engine inspect-state{option} {name}", "what the bot holds"),
            (
                f"krypto-engine inspect-state{option} {name} --why stats.total_profit",
                "which event set a value, and why",
            ),
            (f"krypto-engine replay{option} {name} --redecide", "decide everything again and compare"),
            (f"krypto-engine verify{option}", "check the log byte for byte"),
        ]
    )
