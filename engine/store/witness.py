"""The head witness: a small file beside the log that says how far the log had come.

Neither the chain nor SQLite can see that the end of a log is gone: what is left is a sound log of an earlier time. The
witness can, being another file. Owns its format and the comparison; never writes, and never mends either.
Source: design, "Storage" (`events.head`).
"""

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

from engine.core.errors import LogDamagedError, StorageError
from engine.store.directory import read_regular
from engine.store.faults import is_unreadable

_SLOT: Final = Struct("<8sQQ16s16s8x")  # magic, generation, position, checksum of that row, digest of what precedes
_MAGIC: Final = b"krlg-hd1"
_SIGNED_BYTES: Final = 40


class Mark(NamedTuple):
    """How far the log had come: the position of a committed row, and its checksum; 0 and nothing before the first."""

    generation: int
    position: int
    checksum: bytes

    def packed(self) -> tuple[int, bytes]:
        """Give the half of the file that this mark goes to, as offset and bytes: each generation spares the last."""
        signed = _SLOT.pack(_MAGIC, *self, b"")[:_SIGNED_BYTES]
        return self.generation % 2 * _SLOT.size, _SLOT.pack(_MAGIC, *self, _digest(signed))


class Sighting(NamedTuple):
    """What a witness file says: the newest sound mark, if any, and how many of its two halves are unsound."""

    mark: Mark | None
    unsound: int


def read_witness(path: Path) -> Sighting:
    """Read a witness file; one that is missing or was never written says nothing, one on a bad sector is damaged.

    Raises StorageError.
    """
    try:
        content = read_regular(path)
    except (FileNotFoundError, NotADirectoryError):
        return Sighting(None, 0)
    except OSError as error:
        if is_unreadable(error):
            return Sighting(None, 2)
        raise StorageError(f"{path} could not be read ({error.strerror}): see to its permissions") from error
    halves = [half for half in (content[: _SLOT.size], content[_SLOT.size :]) if half.strip(b"\0")]
    marks = [mark for half in halves if (mark := _mark_of(half)) is not None]
    return Sighting(max(marks, default=None), len(halves) - len(marks))


def compare(sighting: Sighting, last_position: int, checksum_at: Callable[[int], bytes | None], path: Path) -> None:
    """Raise LogDamagedError if the log, which ends at `last_position`, is not the one that the witness saw."""
    mark = sighting.mark
    if mark is None:
        if sighting.unsound:
            raise LogDamagedError(
                f"{path} is damaged, so nothing shows whether the log has its end: krypto-engine recover "
                f"--state-dir {path.parent}"
            )
        return
    if mark.position > last_position:
        raise LogDamagedError(
            f"the log beside {path} lost its end: it had {mark.position} rows and has {last_position}, so rows "
            f"{last_position + 1} to {mark.position} are gone; put the file back, or krypto-engine "
            f"recover --state-dir {path.parent} (nothing was changed)"
        )
    if mark.position and checksum_at(mark.position) != mark.checksum:
        raise LogDamagedError(
            f"row {mark.position} of the log beside {path} is not the row that was written: the log is damaged or is "
            f"another one; krypto-engine recover --state-dir {path.parent} (nothing was changed)"
        )


def _mark_of(half: bytes) -> Mark | None:
    if len(half) != _SLOT.size:
        return None
    magic, generation, position, checksum, digest = _SLOT.unpack(half)
    is_sound = magic == _MAGIC and digest == _digest(half[:_SIGNED_BYTES])
    return Mark(generation, position, checksum) if is_sound else None


def _digest(signed: bytes) -> bytes:
    return blake2b(signed, digest_size=16).digest()
