"""`backup` and `restore`: whole copies of the log, made while an engine runs and put back while none does."""

import asyncio
from pathlib import Path

import click

from cli.options import json_option, state_dir_option
from cli.recover import require_own, show_mend
from cli.render import attention, clean, echo_json, quoted, rows, status
from engine.core.narration import counted
from engine.runtime.clock import SystemTime


@click.command(epilog="Examples:\n\n  krypto-engine backup\n\n  krypto-engine backup /mnt/other-disk/krypto --keep 14")
@click.argument("dest", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option("--keep", type=click.IntRange(min=1), metavar="N", help="Remove this log's oldest backups beyond N.")
@state_dir_option
@json_option
def backup(dest: Path | None, keep: int | None, state_dir: Path, as_json: bool) -> None:
    """Copy the log into a new folder, and check the copy; an engine may be running.

    The folder is named by the time, below DEST, or else below `backups` in the state directory. It is a state directory
    of its own: `verify --state-dir` checks it at any later time.
    """
    from engine.store.backup import back_up

    made = back_up(state_dir, dest, SystemTime().wall_ms(), keep=keep)
    if as_json:
        echo_json(
            {
                "folder": str(made.folder),
                "rows": made.rows,
                "streams": made.streams,
                "head": made.head,
                "bytes": made.bytes,
                "removed": [str(folder) for folder in made.removed],
            }
        )
        return
    click.echo(f"{status('backed up', good=True)}  {clean(str(made.folder))}")
    held = f"{counted(made.rows, 'event')} in {counted(made.streams, 'stream')}, checked after copying"
    size = f"{made.bytes / 1_000_000:,.1f} MB"
    removed = [("removed", clean(str(folder))) for folder in made.removed]
    rows([("holds", held), ("head", made.head or "none"), ("size", size), *removed])


@click.command(epilog="Example:  krypto-engine restore data/backups/2025-11-03T10-30-00.000Z")
@click.argument("backup", type=click.Path(path_type=Path))
@state_dir_option
@json_option
def restore(backup: Path, state_dir: Path, as_json: bool) -> None:
    """Make BACKUP the log of a state directory in which no engine runs.

    What stood there is kept in `quarantine`. A backup that holds less than the log did is refused: `recover` keeps what
    is sound, and asks the exchange for the rest. Its bots trade only after `recover`, too, for they may have traded on.
    """
    from engine.runtime.recovery_log import restore as put_back

    require_own(state_dir, is_begun=True)
    real_time = SystemTime()
    mend = asyncio.run(put_back(state_dir, backup, real_time.wall_ms(), real_time.sleep))
    if as_json:
        echo_json({"rows": mend.kept, "quarantine": None if mend.quarantine is None else str(mend.quarantine)})
        return
    show_mend("restored", state_dir, mend, is_lost_shown=False)  # a backup that holds less than the log is refused
    click.echo(attention(f"No bot trades yet: krypto-engine recover --state-dir {quoted(state_dir)}"))
