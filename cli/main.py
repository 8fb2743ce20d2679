"""The command line: one file per verb, each loaded only when asked for.

Owns the group, the exit codes and the one way errors are shown. Looking verbs start without an event loop, an exchange
library or a data frame.
"""

import gc
import importlib
import io
import os
import sys
import threading
from types import TracebackType
from typing import Any, Final, NoReturn

import click

from engine.core.errors import EngineError

VERBS: Final = {
    "run": "cli.run",
    "replay": "cli.replay",
    "inspect-state": "cli.inspect_state",
    "verify": "cli.verify",
    "backup": "cli.backup",
    "restore": "cli.backup",
    "recover": "cli.recover",
    "validate-config": "cli.validate_config",
    "doctor": "cli.doctor",
    "pause": "cli.control",
    "resume": "cli.control",
    "reset-trailing": "cli.control",
    "kill": "cli.control",
    "flatten": "cli.control",
    "revive": "cli.control",
    "stop": "cli.control",
    "prove": "cli.prove",
    "credentials": "cli.credentials",
}


PIPE_CLOSED: Final = 141


class LazyGroup(click.Group):
    """Finds a verb's module by name and imports it on first use.

    When nobody reads the output any more, it ends quietly with the code that shells know.
    """

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        """Read the command line; `--help` and `--version` are answered here."""
        try:
            return super().make_context(*args, **options)
        except BrokenPipeError:
            sys.exit(PIPE_CLOSED)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            ctx.exit(PIPE_CLOSED)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the verbs in the order a newcomer meets them."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module and give its command."""
        del ctx
        module = VERBS.get(cmd_name)
        if module is None:
            return None
        gc.disable()  # loading makes no garbage, and what is loaded stays: looking through it takes longer than a look
        command: click.Command = getattr(importlib.import_module(module), cmd_name.replace("-", "_"))
        gc.freeze()
        gc.enable()
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Say which verb was probably meant when there is none of that name."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], VERBS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        from engine import __version__

        click.echo(f"krypto-engine {__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with:  krypto-engine run -c docs/examples/first-bot.yml --speed 720 --for 12h",
)
@click.option(
    "-v", "--verbose", is_flag=True, expose_value=False, help="Show a traceback when something unexpected fails."
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Trade by an event log: every decision is recorded, replayable, and survives any crash.

    The log is the bot. `run` trades, `inspect-state` shows what the bot holds and why, `replay` tells its story and
    proves that deciding again gives the same.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def _help_hint(error: click.ClickException) -> str:
    """Say where to read on about a command that was typed wrong."""
    context = getattr(error, "ctx", None)
    return "" if context is None else f" (see {context.command_path} --help)"


def main() -> NoReturn:
    """Run the command line; faults become one sentence on stderr and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    sys.excepthook = _show_traceback
    threading.excepthook = _show_fault_of_thread
    sys.exit(_exit_code(verbose=bool({"-v", "--verbose"} & set(sys.argv[1:2]))))


def _show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show what Python would, without the control characters that an error may quote from outside."""
    import traceback

    _complain("".join(traceback.format_exception(kind, error, trace)).rstrip())


def _complain(text: str) -> None:
    """Print on stderr what may quote somebody else: a configuration, a file, an exchange."""
    from cli.render import clean_lines

    click.echo(clean_lines(text), err=True)


def _sentence(error: Exception, *, verbose: bool) -> str:
    """Say in one sentence what was wrong."""
    if isinstance(error, EngineError):
        return str(error)
    if isinstance(error, OSError) and _is_of_output(error):
        return f"standard output could not be written ({error.strerror}); what was asked for may be done all the same"
    remedy = "" if verbose else " (krypto-engine -v VERB shows the traceback)"
    return f"unexpected {type(error).__name__}: {error}{remedy}"


def _is_of_output(error: BaseException) -> bool:
    """Tell whether it was raised in the midst of printing."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code is click.echo.__code__


def _show_fault_of_thread(fault: threading.ExceptHookArgs) -> None:
    """Tell of a fault in a thread; but one that reports to a loop which Ctrl-C has ended is none."""
    if not (isinstance(fault.exc_value, RuntimeError) and "loop is closed" in str(fault.exc_value)):
        _show_traceback(fault.exc_type, fault.exc_value or fault.exc_type(), fault.exc_traceback)


def _exit_code(*, verbose: bool) -> int:
    color = False if os.environ.get("NO_COLOR") else None
    try:
        result: Any = cli.main(prog_name="krypto-engine", standalone_mode=False, color=color)
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        _complain(f"Error: {error.format_message()}{_help_hint(error)}")
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - nobody else is left to tell of it
        if verbose:
            _show_traceback(type(error), error, error.__traceback__)
        _complain(f"Error: {_sentence(error, verbose=verbose)}")
        return error.exit_code if isinstance(error, EngineError) else 1
    return result if isinstance(result, int) else 0
