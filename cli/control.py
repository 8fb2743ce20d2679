"""`pause`, `kill`, `stop` and their like: commands to the engine that runs in a state directory."""

import getpass
import os
from pathlib import Path

import click

from cli.options import json_option, state_dir_option
from cli.render import echo_json
from engine.runtime.control import Request, send_command


def _send(command: str, bot: str | None, state_dir: Path, done: str, *, as_json: bool) -> None:
    reply = send_command(state_dir, Request(command, bot, by=_operator()))
    if as_json:
        echo_json({"command": command, "bots": reply.bots})
    else:
        click.echo(f"{done}: {', '.join(reply.bots)}")


def _operator() -> str:
    """Name who asks, even where the user has no name, as in a bare container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


@click.command(epilog="Example:  krypto-engine pause btc-dca")
@click.argument("bot", required=False)
@state_dir_option
@json_option
def pause(bot: str | None, state_dir: Path, as_json: bool) -> None:
    """Stop a running BOT from trading; what rests at the exchange stays there, fills are still booked."""
    _send("pause", bot, state_dir, "paused", as_json=as_json)


@click.command(epilog="Example:  krypto-engine resume btc-dca")
@click.argument("bot", required=False)
@state_dir_option
@json_option
def resume(bot: str | None, state_dir: Path, as_json: bool) -> None:
    """Let a paused BOT trade again."""
    _send("resume", bot, state_dir, "resumed", as_json=as_json)


@click.command("reset-trailing", epilog="Example:  krypto-engine reset-trailing btc-dca")
@click.argument("bot", required=False)
@state_dir_option
@json_option
def reset_trailing(bot: str | None, state_dir: Path, as_json: bool) -> None:
    """Forget the watermarks of a running BOT; lots still to be sold wait for their targets anew."""
    _send("reset-trailing", bot, state_dir, "trailing reset", as_json=as_json)


@click.command(epilog="Example:  krypto-engine kill btc-dca")
@click.argument("bot", required=False)
@state_dir_option
@json_option
def kill(bot: str | None, state_dir: Path, as_json: bool) -> None:
    """Stop a running BOT from buying until `revive`; open buys are cancelled, lots are still sold as usual."""
    _send("kill", bot, state_dir, "kill switch engaged", as_json=as_json)


@click.command(epilog="Example:  krypto-engine flatten btc-dca")
@click.argument("bot", required=False)
@state_dir_option
@json_option
def flatten(bot: str | None, state_dir: Path, as_json: bool) -> None:
    """Sell all that a running BOT holds at market now, at a loss too, and stop it from buying until `revive`.

    Resting orders are cancelled and trails dropped; each lot is sold when its own order is off the book. A pause ends.
    """
    _send("flatten", bot, state_dir, "kill switch engaged, selling everything", as_json=as_json)


@click.command(epilog="Example:  krypto-engine revive btc-dca")
@click.argument("bot", required=False)
@state_dir_option
@json_option
def revive(bot: str | None, state_dir: Path, as_json: bool) -> None:
    """Release the kill switch of a running BOT: it may buy again; the drawdown is counted from now."""
    _send("revive", bot, state_dir, "kill switch released", as_json=as_json)


@click.command(epilog="Example:  krypto-engine stop")
@state_dir_option
@json_option
def stop(state_dir: Path, as_json: bool) -> None:
    """Stop the engine in order: every bot is laid down and its state saved."""
    _send("stop", None, state_dir, "stopped", as_json=as_json)
