"""Whether the head witness vouches for an order that leaves: read from the files, not asked of the engine.

Owns the look into the log and its witness while an engine writes them. Source: design, "Storage".
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from engine.store.schema import LOG_NAME, WITNESS_NAME
from engine.store.witness import read_witness

_SENT: Final = (
    "SELECT row_id FROM event WHERE tag = 'order_sent' AND instr(body, ?) ORDER BY row_id DESC LIMIT 1"  # the newest
)


def is_vouched_for(folder: Path, client_order_id: str) -> bool:
    """Tell whether the witness covers the row that says that an order was sent; one that has no row has none."""
    mark, position = read_witness(folder / WITNESS_NAME).mark, position_of_sent(folder, client_order_id)
    return position is not None and mark is not None and position <= mark.position


def position_of_sent(folder: Path, client_order_id: str) -> int | None:
    """Give the position of the row that says that an order was sent, None if the log holds none."""
    uri = f"{(folder / LOG_NAME).resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        found = connection.execute(_SENT, (client_order_id,)).fetchone()
    return None if found is None else int(found[0])
