"""`pause`, `kill`, `stop` and their like: commands to the engine that runs in a state directory."""

import getpass
import os
from pathlib import Path
from typing import Final

import click
import msgspec

from cli.options import json_option, state_dir_option
from cli.render import echo_json
from engine.runtime.control import Request, send_command


class _Words(msgspec.Struct, frozen=True):
    """What a command to a bot says: in its help, when it was carried out, and when the bot was so already."""

    help: str
    done: str
    already: str = ""


_VERBS: Final = {
    "pause": _Words(
        "Stop a running BOT from trading; what rests at the exchange stays there, fills are still booked.",
        "paused",
        "already paused",
    ),
    "resume": _Words("Let a paused BOT trade again.", "resumed", "not paused anyway"),
    "reset-trailing": _Words(
        "Forget the watermarks of a running BOT; lots still to be sold wait for their targets anew.", "trailing reset"
    ),
    "kill": _Words(
        "Stop a running BOT from buying until `revive`; open buys are cancelled, lots are still sold as usual.",
        "kill switch engaged",
        "kill switch already engaged",
    ),
    "flatten": _Words(
        "Sell all that a running BOT holds at market now, at a loss too, and stop it from buying until `revive`.\n\n"
        "Resting orders are cancelled and trails dropped; each lot is sold when its own order is off the book. A pause "
        "ends.",
        "kill switch engaged, selling everything",
    ),
    "revive": _Words(
        "Release the kill switch of a running BOT: it may buy again; the drawdown is counted from now.",
        "kill switch released",
        "kill switch not engaged anyway",
    ),
}


def _send(command: str, bot: str | None, state_dir: Path, words: _Words, *, as_json: bool) -> None:
    reply = send_command(state_dir, Request(command, bot, by=operator()))
    if as_json:
        echo_json({"command": command, "bots": reply.bots, "already": reply.already})
    else:
        click.echo(f"{words.already if reply.already else words.done}: {', '.join(reply.bots)}")


def operator() -> str:
    """Name who asks, even where the user has no name, as in a bare container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _verb(name: str, words: _Words) -> click.Command:
    """Make the verb of one command to a bot."""

    @click.command(name, help=words.help, epilog=f"Example:  krypto-engine {name} btc-dca")
    @click.argument("bot", required=False)
    @state_dir_option
    @json_option
    def verb(bot: str | None, state_dir: Path, as_json: bool) -> None:
        _send(name, bot, state_dir, words, as_json=as_json)

    return verb


pause, resume, reset_trailing, kill, flatten, revive = (_verb(name, words) for name, words in _VERBS.items())


@click.command(epilog="Example:  krypto-engine stop")
@state_dir_option
@json_option
def stop(state_dir: Path, as_json: bool) -> None:
    """Stop the engine in order: every bot ends and its state is saved."""
    _send("stop", None, state_dir, _Words("", "stopped"), as_json=as_json)
