"""Stored rows read as events: in order, without gaps and, if asked for, with their checksums computed again.

Owns the checks that every reading makes, of the file or of the twin in memory. Never fetches rows itself.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from engine.core.errors import LogDamagedError
from engine.store.codec import decode, link
from engine.store.port import Recorded

Stored = tuple[int, int, int, bytes, bytes, bytes]
"""Position, stream id, sequence, body, checksum and tag of one row."""


def recorded(
    pages: Iterable[Sequence[Stored]],
    names: Mapping[int, str],
    expected: dict[int, int],
    checksum_before: Callable[[int, int], bytes] | None,
) -> Iterator[Recorded]:
    """Give the events of stored rows.

    `expected` holds, by stream id, the sequence that must come first; a stream it does not name may begin anywhere.
    With `checksum_before` (stream id and sequence of a row to the checksum before it) each checksum is computed again.
    Raises LogDamagedError or LogTooNewError at the first row that is not what was written.
    """
    checksums: dict[int, bytes] = {}
    for page in pages:
        for position, stream_id, sequence, body, checksum, _tag in page:
            stream = names[stream_id]
            if expected.setdefault(stream_id, sequence) != sequence:
                raise LogDamagedError(
                    f"{stream} goes on with event {sequence} where {expected[stream_id]} should be: the log is "
                    "damaged: stop the engine, then krypto-engine recover"
                )
            row = decode(body, stream, sequence)
            if checksum_before is not None:
                before = checksums.get(stream_id) or checksum_before(stream_id, sequence)
                if link(before, body) != checksum:
                    raise LogDamagedError(
                        f"event {sequence} of {stream} is not what was written (its checksum differs): the log is "
                        "damaged: stop the engine, then krypto-engine recover"
                    )
                checksums[stream_id] = checksum
            yield Recorded(position, stream, sequence, row.at, row.cause, row.e, checksum)
            expected[stream_id] = sequence + 1
