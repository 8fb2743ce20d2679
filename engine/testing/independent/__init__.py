"""A second checker, which shares nothing with the engine: it judges a state directory by the documents alone.

Owns the judgement of a finished run from what it left: the log's raw bytes, the witness, the state files, and the
exchange's own history. Never imports the engine, so that no mistake of the engine is repeated here; an import contract
holds it. Sources: docs/storage.md, docs/events.md, docs/state-file.md, docs/decisions.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import localcontext
from pathlib import Path
from typing import Any, Final

from engine.testing.independent.bots import BotBook, read_bot
from engine.testing.independent.canaries import canary_violations
from engine.testing.independent.chain import chain_violations, time_violations, witness_violations
from engine.testing.independent.decided import end_violations
from engine.testing.independent.exchange import exchange_violations, left_violations
from engine.testing.independent.exposure import exposure_violations
from engine.testing.independent.history import History
from engine.testing.independent.ledger import is_close
from engine.testing.independent.rows import BOT, Row, Unreadable, by_stream, read_rows
from engine.testing.independent.state_file import StateFile

DIGITS: Final = 60
RULES: Final = (
    *("chain", "witness", "time", "intent", "trade", "position", "statistics", "trail", "pause", "exposure"),
    *("secret", "order"),
)
"""Every violation begins with one of these words and a colon."""


def check(directory: Path, history: Sequence[Mapping[str, Any]] | None, terms: Mapping[str, Any]) -> list[str]:
    """Give every violation that a state directory and the exchange's history show, one line each; none if all is well.

    Without a `history` only what the directory itself shows is judged. `terms` may say:

    - `bots`: by bot id, `budget` and `max_open_lots` (left out: the widest that the log's configurations allow).
    - `canaries`: secrets that must stand in no file.
    - `quiet` (default true): the run ended at rest, so every trade is booked and nothing is under way.
    - `stopped` (default false): the last engine ended in order, so the witness has seen all.
    - `position_tolerance` (default "0"), in base.
    - `signing_tolerance_ms`: how far a signature may be from `order_sent`; not compared if left out.
    - `clock_tolerance_ms`: how far the exchange's clock and the log's may be apart; not compared if left out.

    The records of the history are described in `engine.testing.independent.history`.
    """
    with localcontext() as context:
        context.prec = DIGITS
        found = list(_of_directory(directory, history, terms))
    found.extend(canary_violations(directory, terms.get("canaries", ())))
    return found


def _of_directory(
    directory: Path, records: Sequence[Mapping[str, Any]] | None, terms: Mapping[str, Any]
) -> Iterator[str]:
    try:
        rows = read_rows(directory)
    except Unreadable as fault:
        yield f"chain: the log cannot be read: {fault}"
        return
    streams = by_stream(rows)
    yield from chain_violations(rows)
    yield from witness_violations(directory, rows, is_stopped=bool(terms.get("stopped", False)))
    yield from time_violations(streams)
    history = None if records is None else History(records)
    yield from _shared_ids(rows)
    for name, own in streams.items():
        if name.startswith(BOT):
            yield from _of_bot(directory, own, streams, history, terms)


def _shared_ids(rows: Sequence[Row]) -> Iterator[str]:
    """Say which bots would give their orders the same ids."""
    owners: dict[str, str] = {}
    for row in rows:
        if row.tag == "bot_created":
            owner = owners.setdefault(str(row.says.get("log_id")), row.stream)
            if owner != row.stream:
                yield f"intent: {row.stream} has the log id of {owner}: their orders would bear the same ids"


def _of_bot(
    directory: Path,
    rows: Sequence[Row],
    streams: Mapping[str, Sequence[Row]],
    history: History | None,
    terms: Mapping[str, Any],
) -> Iterator[str]:
    if rows[0].tag != "bot_created":
        yield f"chain: {rows[0].stream} begins with {rows[0].tag}"
        return
    bot = rows[0].stream.removeprefix(BOT)
    shown = StateFile(directory / f"bot_state_{bot}.json", bot)
    book = read_bot(rows, streams, shown.place, shown.compare)
    shown.against(rows, is_stopped=bool(terms.get("stopped", False)))
    yield from book.violations
    yield from shown.wrong
    if terms.get("stopped", False):
        yield from end_violations(rows)
    yield from _books_agree(book)
    if history is not None and terms.get("quiet", True):
        yield from left_violations(book)
    if history is not None and book.orders.is_live:
        yield from exchange_violations(book, history, terms)
        yield from exposure_violations(book, history, terms)


def _books_agree(book: BotBook) -> Iterator[str]:
    """Hold the two ways to know position and profit against each other: by fills, and by what was recorded of them."""
    ledger = book.ledger
    if ledger.position != ledger.recorded_position:
        yield f"position: {book.bot}: the fills leave {ledger.position:f}, lots and dust {ledger.recorded_position:f}"
    if not is_close(ledger.profit_of_cash, ledger.recorded_profit):
        told, cash = ledger.recorded_profit, ledger.profit_of_cash
        yield f"position: {book.bot}: the sales tell a profit of {told:f}, the cash that moved gives {cash:f}"
