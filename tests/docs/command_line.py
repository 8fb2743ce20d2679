"""docs/cli.md from click itself: the help of the program and of every verb, as the terminal shows it."""

from typing import Final

import click

from cli.main import VERBS, cli

PROGRAM: Final = "krypto-engine"
WIDTH: Final = 100


def reference() -> str:
    """Write the help of the program and of each verb."""
    return "\n\n".join([_help(PROGRAM, cli), *map(_section, commands())])


def command(name: str) -> click.Command:
    """Give the command of a verb, or of one below it: `run`, `credentials set`."""
    found: click.Command = cli
    for word in name.split():
        assert isinstance(found, click.Group), name
        below = found.get_command(click.Context(found), word)
        assert below is not None, name
        found = below
    return found


def context(name: str, verb: click.Command) -> click.Context:
    """Give the context in which a terminal would show or read a command."""
    return click.Context(verb, info_name=name, terminal_width=WIDTH, help_option_names=["-h", "--help"])


def commands() -> list[str]:
    """List all that can be typed: the verbs, and those of a group below it, as in `credentials set`."""
    return [name for verb in VERBS for name in (verb, *(f"{verb} {below}" for below in _below(verb)))]


def _below(verb: str) -> list[str]:
    found = cli.get_command(click.Context(cli), verb)
    return list(found.commands) if isinstance(found, click.Group) else []


def _section(name: str) -> str:
    depth = "##" if name in VERBS else "###"
    return f"{depth} {name}\n\n" + _help(f"{PROGRAM} {name}", command(name))


def _help(name: str, verb: click.Command) -> str:
    return f"```text\n{verb.get_help(context(name, verb)).rstrip()}\n```"
