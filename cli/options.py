"""Options that several verbs share, and the way into a log that is only looked at."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from engine.store.reader import LogReader

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

state_dir_option: Decorator = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data"),
    show_default=True,
    help="The folder with the log and the state files.",
)
json_option: Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


@contextmanager
def open_log(state_dir: Path) -> Iterator[LogReader]:
    """Open the log of a state directory for reading."""
    reader = LogReader.open(state_dir)
    try:
        yield reader
    finally:
        reader.close()
