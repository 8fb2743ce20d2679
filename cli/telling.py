"""What `run` prints while it runs: the story of each bot from its events, and a few lines about the program."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cli.render import as_json, attention, clean, clock_text, dim, signed, wrapped
from engine.core.config import BotConfig
from engine.core.events import (
    BackoffStarted,
    ConfigChanged,
    ConnectivityChecked,
    ConnectivityRestored,
    DiscrepancyFound,
    Event,
    KillSwitchEngaged,
    LimitReached,
    OrderOutcomeUnknown,
    OrderRejected,
    OutageDeclared,
    SaleRecorded,
    StopLossTriggered,
    TrailingWatermarkMoved,
)
from engine.core.identity import bot_stream
from engine.core.narration import counted, line, narrate

if TYPE_CHECKING:
    from engine.runtime.bot import Bot
    from engine.runtime.journal import Published
    from engine.runtime.supervisor import Engine
    from engine.runtime.world import World

ALARMING: Final = (
    OutageDeclared,
    BackoffStarted,
    OrderRejected,
    OrderOutcomeUnknown,
    DiscrepancyFound,
    LimitReached,
    StopLossTriggered,
    KillSwitchEngaged,
)


def coloured(event: Event, text: str) -> str:
    """Give a line the colour of what it tells: gains and losses, trouble, routine."""
    if isinstance(event, SaleRecorded):
        return signed(event.profit, text)
    if isinstance(event, ALARMING):
        return attention(text)
    if isinstance(event, TrailingWatermarkMoved):
        return dim(text)
    if isinstance(event, ConnectivityChecked):
        return dim(text) if event.reachable else attention(text)
    if isinstance(event, ConnectivityRestored):
        return click.style(text, fg="green")
    return text


def is_routine(event: Event) -> bool:
    """Tell whether an event is told only when routine is asked for: a check that passed."""
    return isinstance(event, ConnectivityChecked) and event.reachable


def _holes(world: "World") -> str:
    """Say for which times the recording has nothing, if there are such; they pass without a price."""
    holes = world.holes
    if not holes:
        return ""
    from_ms, to_ms = max(holes, key=lambda hole: hole[1] - hole[0])
    longest = f"the longest from {clock_text(from_ms)} to {clock_text(to_ms)}"
    return f"the recording has {counted(len(holes), 'hole')}, {longest}; time passes there without a price"


def _recovered(bot: "Bot") -> str:
    """Say how a bot stood at the end of its log."""
    state = bot.state
    found = ((state.lots, "lot"), (state.orders, "open order"), (state.trails, "trail"))
    what = ", ".join(counted(len(things), noun) for things, noun in found)
    paused = dim(", ") + attention("paused") if state.paused else ""
    killed = "" if state.guard.kill is None else dim(", ") + attention("kill switch engaged")
    return dim(line(state.bot_id, f"Recovered from the log at event {bot.sequence}: {what}")) + paused + killed


class Teller:
    """Prints events as lines or as JSON.

    Routine lines (see `is_routine`; and cache use, periodic saves) are left out unless `routine`. When standard
    output fails, nothing more is printed, and the engine is asked to end in order.
    """

    def __init__(self, configs: Sequence[BotConfig], *, quiet: bool, routine: bool, json_lines: bool) -> None:
        """Take the bots and how much to print."""
        self._configs: Final = {bot_stream(config.bot_id): config for config in configs}
        self._quiet: Final = quiet
        self._json_lines: Final = json_lines
        self._routine: Final = routine
        self._fault: OSError | None = None
        self._held: list[str] | None = []
        self._engine: Engine | None = None

    def listen(self, published: "Published") -> None:
        """Tell a durable event."""
        config = self._configs.get(published.stream)
        if config is None:
            return
        event = published.event
        if isinstance(event, ConfigChanged):
            self._configs[published.stream] = event.config
        if self._quiet:
            return
        if self._json_lines:
            self._echo(
                as_json({"bot": config.bot_id, "sequence": published.sequence, "at": published.at_ms, "event": event})
            )
            return
        if not self._routine and is_routine(event):
            return
        text = narrate(event, config)  # type: ignore[arg-type]
        if text is not None:
            self._print(published.at_ms, coloured(event, line(config.bot_id, clean(text))))

    def say(self, at_ms: int, bot_id: str, text: str, routine: bool) -> None:
        """Tell a line about the program."""
        if not self._quiet and not self._json_lines and (self._routine or not routine):
            self._print(at_ms, dim(line(bot_id, clean(text))))

    def announce(self, directory: Path, engine: "Engine") -> None:
        """Say what runs, with whose money, and what was recovered from the log."""
        from engine.runtime.connections import stake_of

        held, self._held, self._engine = self._held or [], None, engine
        self._stop_unheard()
        if self._json_lines or self._quiet:
            for note in engine.notes:
                click.echo(attention(clean(note)), err=True)
            return
        bots = [bot for world in engine.worlds for bot in world.bots]
        self._echo(dim(f"krypto-engine runs {counted(len(bots), 'bot')} in {directory}; stop with Ctrl-C"))
        if not self._routine:
            self._echo(dim("left out (see --routine): passed checks, cache use, periodic saves"))
        for text in (*engine.notes, *map(_holes, engine.worlds)):
            for part in wrapped(clean(text)) if text else []:
                self._echo(attention(part))
        for bot in bots:
            if not bot.state.config.paper_trading:
                self._echo(attention(line(bot.state.bot_id, f"Trades {stake_of(bot.state.config)}")))
            if bot.sequence > 1:
                self._echo(_recovered(bot))
        for told in held:
            self._echo(told)

    def close(self) -> None:
        """End the telling.

        Raises:
            OSError: what befell standard output while it was told.
        """
        if self._fault is not None:
            raise self._fault

    def _print(self, at_ms: int, text: str) -> None:
        """Print a line; before the announcement, keep it for behind it."""
        told = f"{dim(clock_text(at_ms))}  {text}"
        if self._held is None:
            self._echo(told)
        else:
            self._held.append(told)

    def _echo(self, text: str) -> None:
        """Print; when that fails, as behind `| head` or on a full disk, ask the engine for an orderly end."""
        if self._fault is not None:
            return
        try:
            click.echo(text)
        except OSError as error:
            self._fault = error
            self._stop_unheard()

    def _stop_unheard(self) -> None:
        if self._fault is not None and self._engine is not None:
            self._engine.stop("output closed", "engine")
