"""The summary that a run ends with: what was traded, what it cost, where everything is, what to type next."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.amounts import dust_words, gain, open_lots
from cli.render import attention, clock_text, dim, echo_json, heading, quoted, rows, table
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
        click.echo(heading(f"Stopped: {reason}") + dim(f" at {clock_text(world.clock.now_ms)} UTC"))
        table(
            ("whole life", "bought", "sold", "won", "lost", "realised", "fees", "position"),
            [_line(bot) for bot in world.bots],
        )
        price = world.feed.view.price
        for bot in world.bots:
            lots = open_lots(bot.state, None if price is None else price.last)
            rows([(f"open lots of {bot.state.bot_id}", lots)])
            if bot.state.dust.quantity:
                rows([(f"dust of {bot.state.bot_id}", dust_words(bot.state))])
        click.echo()
        table(
            ("this run", "count"),
            [
                ("prices seen", f"{world.prices:,}"),
                ("indicators computed", f"{world.feed.indicator_calls:,}"),
                *((f"exchange call {kind}", f"{count:,}") for kind, count in sorted(world.calls.items())),
            ],
        )
    bots = [bot for world in outcome.worlds for bot in world.bots]
    _show_places(directory, bots)


def _pairs(outcome: "Outcome") -> list[tuple["World", str]]:
    return list(zip(outcome.worlds, outcome.reasons, strict=True))


def _line(bot: "Bot") -> tuple[str, ...]:
    state, stats = bot.state, bot.state.stats
    return (
        state.bot_id
        + (attention(" (paused)") if state.paused else "")
        + (attention(" (kill switch)") if state.guard.kill is not None else ""),
        str(stats.purchase_count),
        str(stats.winning_trades + stats.losing_trades),
        str(stats.winning_trades),
        str(stats.losing_trades),
        gain(stats.total_profit, state.config),
        money(stats.total_fees, state.config),
        f"{plain(state.position)} {state.config.base}",
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
    option = "" if directory == Path("data") else f" --state-dir {quoted(directory)}"
    click.echo()
    click.echo("Next:")
    for what, command in (
        ("what the bot holds", f"inspect-state{option} {name}"),
        ("which event set a value, and why", f"inspect-state{option} {name} --why stats.total_profit"),
        ("decide everything again and compare", f"replay{option} {name} --redecide"),
        ("check the log byte for byte", f"verify{option}"),
    ):
        click.echo(dim(f"  # {what}"))
        click.echo(f"  krypto-engine {command}")
