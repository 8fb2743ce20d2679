"""What a power cut leaves of a file: what was synced, and any part of the rest, out of order or torn.

Owns the changes of a file that no sync has settled, and the manners in which disks lose them. Never touches a file.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from engine.testing.simulation.chance import Chance

SECTOR_BYTES: Final = 512

_MASK_BITS: Final = 48


class Change(NamedTuple):
    """A write, or a truncation (`content` is None), that no sync has settled yet, or one that a later sync settled."""

    offset: int
    content: bytes | None
    is_settled: bool = False


class DiskFile:
    """A file: its content as of the last sync, and what was done to it since."""

    def __init__(self, kind: str, durable: bytes | bytearray = b"", *, is_named: bool = False) -> None:
        """Begin with a content that is durable; `is_named` tells whether its name is durable too."""
        self.kind = kind
        self.durable = bytearray(durable)
        self.changes: list[Change] = []
        self.is_named = is_named
        self.former = ""
        self.syncs_folder = False
        self._stuck = 0

    def renamed(self, kind: str, former: str) -> "DiskFile":
        """Give the file under another name, which is not durable; `former` is the name it then still has."""
        other = self.copy()
        other.kind, other.is_named, other.former = kind, False, former
        return other

    def copy(self) -> "DiskFile":
        """Give another file in the same state."""
        other = DiskFile(self.kind, self.durable, is_named=self.is_named)
        other.changes, other._stuck, other.former = [*self.changes], self._stuck, self.former
        return other

    def settle(self) -> None:
        """Make everything durable, but for what a failed sync has let slip: the system counts that as written."""
        if not self._stuck:
            for change in self.changes:
                apply(self.durable, change)
            self.changes.clear()
        else:
            late = self.changes[self._stuck :]
            self.changes[self._stuck :] = [Change(each.offset, each.content, is_settled=True) for each in late]

    def slip(self) -> None:
        """Fail a sync: what waited for it will not be tried again."""
        self._stuck = len(self.changes)

    def survived(self, chance: Chance) -> bytes:
        """Give a content that a power cut may leave."""
        content = bytearray(self.durable)
        for change in _kept(self.changes, chance):
            apply(content, change)
        return bytes(content)


def apply(content: bytearray, change: Change) -> None:
    """Do to a content what a change does to a file."""
    offset, written, _ = change
    if written is None:
        del content[offset:]
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    if written is not None:
        content[offset : offset + len(written)] = written


def _kept(changes: list[Change], chance: Chance) -> Iterator[Change]:
    """Choose what of the changes a power cut leaves, in one of the manners in which disks lose things."""
    if not changes:
        return
    manner = chance.choose("disk/power/manner", ("all", "none", "front", "some", "torn"))
    front = chance.between("disk/power/front", 0, len(changes)) if manner == "front" else 0
    for index, change in enumerate(changes):
        if change.is_settled or manner == "all" or index < front:
            yield change
        elif manner == "torn" or (manner == "front" and index == front):
            yield from _torn(change, chance)
        elif manner == "some" and chance.happens("disk/power/some", 0.5):
            yield change


def _torn(change: Change, chance: Chance) -> Iterator[Change]:
    """Choose a part of a change: some of its sectors, or its first bytes."""
    offset, content, _ = change
    if content is None:
        if chance.happens("disk/power/cut", 0.5):
            yield change
    elif chance.choose("disk/power/tear", ("sectors", "bytes")) == "bytes":
        yield Change(offset, content[: chance.between("disk/power/bytes", 0, len(content))])
    else:
        mask = chance.between("disk/power/sectors", 0, (1 << _MASK_BITS) - 1)
        start, number = 0, 0
        while start < len(content):
            end = start + SECTOR_BYTES - (offset + start) % SECTOR_BYTES
            if mask >> number % _MASK_BITS & 1:
                yield Change(offset + start, content[start:end])
            start, number = end, number + 1
