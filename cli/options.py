"""Options that several verbs share, and the way into a log that is only looked at."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from engine.core.errors import ConfigError, UsageError
from engine.store.reader import LogReader

if TYPE_CHECKING:
    from engine.exchanges.credentials import Credentials
    from engine.exchanges.port import AccountIdentity
    from engine.runtime.clock import RealTime
    from engine.runtime.config_file import LoadedConfig
    from engine.runtime.connections import Wiring
    from engine.runtime.examine import Moment

MOST_AT: Final = 40
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class StateDir(click.Path):
    """A folder; an empty name, as of a variable of the shell that is not set, is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the option."""
        if value == "":
            self.fail("it is empty: name a folder", param, ctx)
        return super().convert(value, param, ctx)


state_dir_option: Decorator = click.option(
    "--state-dir",
    type=StateDir(path_type=Path, file_okay=False),
    default=Path("data"),
    show_default=True,
    help="The folder with the log and the state files.",
)
configured_state_dir_option: Decorator = click.option(
    "--state-dir",
    type=StateDir(path_type=Path),
    metavar="DIRECTORY",
    help="The folder with the log. [default: that of the configurations, or data]",
)
json_option: Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


def config_option(words: str = "", *, required: bool = False) -> Decorator:
    """Give the option that names the files of bots; `words` say what for."""
    return click.option(
        "-c",
        "--config",
        "paths",
        type=click.Path(path_type=Path, readable=False),  # whether it can be read is told when it is
        multiple=True,
        required=required,
        help=f"A bot's YAML file{words}; may be repeated.",
    )


def check_each(loaded: Sequence["LoadedConfig"]) -> None:
    """Check several bots each alone, so that the file of one that cannot run is named. Raises ConfigError."""
    from engine.runtime.bootstrap import check_configs

    for each in loaded if len(loaded) > 1 else ():
        try:
            check_configs([each.config])
        except ConfigError as error:
            raise type(error)(f"{each.source}: {error}") from error


class Outside(NamedTuple):
    """How verbs reach the outside world, if otherwise than usual: click's context object, for tests.

    `identify` asks an exchange whose keys these are: by account, exchange and credentials. `real_time` is what a
    recovery waits in.
    """

    wiring: "Wiring | None" = None
    identify: "Callable[[str, str, Credentials], AccountIdentity] | None" = None
    real_time: "RealTime | None" = None


def outside(ctx_obj: object) -> Outside:
    """Give how the outside world is reached."""
    return ctx_obj if isinstance(ctx_obj, Outside) else Outside()


def moment_of(at: str | None) -> "Moment | None":
    """Read `--at`. Raises UsageError."""
    from engine.runtime.examine import Moment

    if at is not None and len(at) > MOST_AT:
        raise UsageError(f"--at has {len(at)} characters: give a sequence such as 120, or a UTC time")
    return None if at is None else Moment.parse(at)


def require_reached(reader: LogReader, bot_id: str, until: "Moment | None") -> None:
    """Refuse an event that a bot does not have yet, such as a time that was given as a number. Raises UsageError."""
    from engine.core.identity import bot_stream

    last = reader.head(bot_stream(bot_id)).sequence
    if until is not None and until.sequence is not None and until.sequence > last:
        raise UsageError(
            f"--at is {until.sequence}, and {bot_id} has {last} events: name one of them, or give a UTC time such as "
            "2025-11-03T10:30:00Z"
        )


@contextmanager
def open_log(state_dir: Path) -> Iterator[LogReader]:
    """Open the log of a state directory for reading."""
    reader = LogReader.open(state_dir)
    try:
        yield reader
    finally:
        reader.close()
