"""docs/cli.md from click itself: the help of the program and of every verb, as the terminal shows it."""

from typing import Final

import click

from cli.main import VERBS, cli

PROGRAM: Final = "krypto-engine"
WIDTH: Final = 100


def reference() -> str:
    """Write the help of the program and of each verb."""
    return "\n\n".join([_help(PROGRAM, cli), *(_section(verb) for verb in VERBS)])


def command(verb: str) -> click.Command:
    """Give the command of a verb."""
    found = cli.get_command(click.Context(cli), verb)
    assert found is not None, verb
    return found


def context(name: str, verb: click.Command) -> click.Context:
    """Give the context in which a terminal would show or read a command."""
    return click.Context(verb, info_name=name, terminal_width=WIDTH, help_option_names=["-h", "--help"])


def _section(verb: str) -> str:
    return f"## {verb}\n\n" + _help(f"{PROGRAM} {verb}", command(verb))


def _help(name: str, verb: click.Command) -> str:
    return f"```text\n{verb.get_help(context(name, verb)).rstrip()}\n```"
