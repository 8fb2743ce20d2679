"""The layer under SQLite: every write, sync and removal of watched files passes through a disk of ours first.

Owns the C side. The struct of SQLite's own "unix" layer is copied and made the default of the process; files in a
folder that somebody watches get a copy of their table of methods in which those that change a file are ours. All the
rest, locks and shared memory too, stays SQLite's own, on real files. Files in other folders are not touched.
"""

import ctypes
import os
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, Protocol

from engine.core.errors import EngineError

OK: Final = 0
FULL: Final = 13
IOERR: Final = 10
IOERR_READ: Final = IOERR | 1 << 8
IOERR_WRITE: Final = IOERR | 3 << 8
IOERR_FSYNC: Final = IOERR | 4 << 8
IOERR_TRUNCATE: Final = IOERR | 6 << 8
IOERR_DELETE: Final = IOERR | 10 << 8
_MAY_CREATE: Final = 4

_int, _long, _pointer, _text = ctypes.c_int, ctypes.c_int64, ctypes.c_void_p, ctypes.c_char_p

# The callbacks take the interpreter's lock; the functions called from them keep it.
_OPEN = (_int, _pointer, _pointer, _pointer, _int, _pointer)  # the path stays a pointer: SQLite's layer keeps it
_DELETE = (_int, _pointer, _pointer, _int)
_RANDOMNESS = (_int, _pointer, _int, _pointer)
_CLOSE = (_int, _pointer)
_TRANSFER = (_int, _pointer, _pointer, _int, _long)
_TRUNCATE = (_int, _pointer, _long)
_SYNC = (_int, _pointer, _int)


class NoLayerError(EngineError):
    """This Python's SQLite does not show the functions that a simulated disk needs."""


class Watcher(Protocol):
    """A disk that is asked before anything changes in its folder, and answers with a code of SQLite."""

    @property
    def watches_reads(self) -> bool:
        """Tell whether it is asked about reads."""

    def opened(self, name: str, *, may_create: bool) -> object:
        """Take notice that a file is open; give what stands for it in later calls."""

    def wrote(self, file: Any, content: bytes, offset: int) -> tuple[int, int]:
        """Give how many bytes of a write take effect, and its code."""

    def truncated(self, file: Any, size: int) -> int:
        """Give the code of a truncation, which takes effect only if that is 0."""

    def synced(self, file: Any) -> int:
        """Give the code of a sync."""

    def read(self, file: Any) -> int:
        """Give the code of a read, which takes effect only if that is 0."""

    def deleted(self, name: str) -> int:
        """Give the code of a removal, which takes effect only if that is 0."""


class _Vfs(ctypes.Structure):
    _fields_ = (
        ("version", _int),
        ("file_size", _int),
        ("longest_path", _int),
        ("next", _pointer),
        ("name", _text),
        ("data", _pointer),
        ("open", _pointer),
        ("delete", _pointer),
        ("access", _pointer),
        ("full_path", _pointer),
        ("dynamic", _pointer * 4),
        ("randomness", _pointer),
        ("others", _pointer * 7),
    )


class _Methods(ctypes.Structure):
    _fields_ = (
        ("version", _int),
        ("close", _pointer),
        ("read", _pointer),
        ("write", _pointer),
        ("truncate", _pointer),
        ("sync", _pointer),
        ("others", _pointer * 13),
    )


class _File(ctypes.Structure):
    _fields_ = (("methods", ctypes.POINTER(_Methods)),)


class _Table:
    """SQLite's own methods of a kind of file, and the copy with ours among them."""

    def __init__(self, own: _Methods, callbacks: dict[str, Any], *, with_reads: bool) -> None:
        self.close: Final[Callable[..., int]] = ctypes.PYFUNCTYPE(*_CLOSE)(own.close)
        self.read: Final[Callable[..., int]] = ctypes.PYFUNCTYPE(*_TRANSFER)(own.read)
        self.write: Final[Callable[..., int]] = ctypes.PYFUNCTYPE(*_TRANSFER)(own.write)
        self.truncate: Final[Callable[..., int]] = ctypes.PYFUNCTYPE(*_TRUNCATE)(own.truncate)
        self.copy: Final = _Methods.from_buffer_copy(own)
        for name, callback in callbacks.items():
            if name == "read" and not with_reads:
                continue
            setattr(self.copy, name, ctypes.cast(callback, _pointer))
        self.pointer: Final = ctypes.pointer(self.copy)


class Layer:
    """The layer of this process. There is one, made by `layer`."""

    def __init__(self) -> None:
        """Find SQLite, copy its layer and become the default."""
        self._mistakes: Final[list[BaseException]] = []
        self._watchers: Final[dict[str, Watcher]] = {}
        self._open_files: Final[dict[int, tuple[Watcher, object, _Table]]] = {}
        self._tables: Final[dict[tuple[int, bool], _Table]] = {}
        self._seed = b""
        self._drawn = 0
        self._sqlite: Final = _library()
        own = self._sqlite.sqlite3_vfs_find(None)
        if own is None or own.contents.name != b"unix":
            raise NoLayerError("SQLite's default layer is not the one for Unix files: run the simulation on Linux")
        self._own: Final = own.contents
        self._own_open: Final[Callable[..., int]] = ctypes.PYFUNCTYPE(*_OPEN)(self._own.open)
        self._own_delete: Final[Callable[..., int]] = ctypes.PYFUNCTYPE(*_DELETE)(self._own.delete)
        self._own_randomness: Final[Callable[..., int]] = ctypes.PYFUNCTYPE(*_RANDOMNESS)(self._own.randomness)
        self._callbacks: Final = {
            "close": ctypes.CFUNCTYPE(*_CLOSE)(self._close),
            "read": ctypes.CFUNCTYPE(*_TRANSFER)(self._guarded(self._read, IOERR_READ)),
            "write": ctypes.CFUNCTYPE(*_TRANSFER)(self._guarded(self._write, IOERR_WRITE)),
            "truncate": ctypes.CFUNCTYPE(*_TRUNCATE)(self._guarded(self._truncate, IOERR_TRUNCATE)),
            "sync": ctypes.CFUNCTYPE(*_SYNC)(self._guarded(self._sync, IOERR_FSYNC)),
        }
        self._hooks: Final = (
            ctypes.CFUNCTYPE(*_OPEN)(self._guarded(self._open, IOERR)),
            ctypes.CFUNCTYPE(*_DELETE)(self._guarded(self._delete, IOERR_DELETE)),
            ctypes.CFUNCTYPE(*_RANDOMNESS)(self._randomness),
        )
        self._vfs: Final = _Vfs.from_buffer_copy(self._own)
        self._vfs.name = b"watched"
        opening, deleting, drawing = (ctypes.cast(hook, _pointer) for hook in self._hooks)
        self._vfs.open, self._vfs.delete, self._vfs.randomness = opening, deleting, drawing
        self._sqlite.sqlite3_vfs_register(ctypes.byref(self._vfs), 1)

    def watch(self, folder: Path, watcher: Watcher) -> None:
        """Let a disk be asked about what happens in a folder."""
        self._watchers[os.path.realpath(folder)] = watcher

    def unwatch(self, folder: Path) -> None:
        """Let a folder alone again. Files that are still open go on asking."""
        self._watchers.pop(os.path.realpath(folder), None)

    def reseed(self, seed: bytes) -> None:
        """Begin SQLite's own chance anew, from a seed: the salts of its WAL come from there."""
        self._seed, self._drawn = seed, 0
        self._sqlite.sqlite3_randomness(0, None)

    def confess(self) -> None:
        """Raise the first mistake that a disk or a plan has made since this was last asked, if there was one."""
        mistakes, self._mistakes[:] = [*self._mistakes], []
        if mistakes:
            raise mistakes[0]

    def forget(self) -> None:
        """Forget what was not asked about: the world or schedule that made it is over, and told as broken."""
        self._mistakes.clear()

    def _guarded(self, work: Callable[..., int], failure: int) -> Callable[..., int]:
        """Turn a mistake of ours into a failed operation, and keep it: C would take it for success."""

        def guarded(*args: Any) -> int:
            try:
                return work(*args)
            except BaseException as error:  # noqa: BLE001 - see above
                self._mistakes.append(error)
                return failure

        return guarded

    def _open(self, vfs: int, path: int | None, file: int, flags: int, out: int) -> int:
        code = self._own_open(vfs, path, file, flags, out)
        if path is None or code != OK:
            return code
        folder, _, name = _text_at(path).rpartition("/")
        watcher = self._watchers.get(folder)
        if watcher is None:
            return code
        opened = _File.from_address(file)
        own = opened.methods.contents
        key = ctypes.addressof(own), watcher.watches_reads
        table = self._tables.get(key)
        if table is None:
            table = self._tables[key] = _Table(own, self._callbacks, with_reads=watcher.watches_reads)
        opened.methods = table.pointer
        self._open_files[file] = (watcher, watcher.opened(name, may_create=bool(flags & _MAY_CREATE)), table)
        return code

    def _close(self, file: int) -> int:
        _watcher, _named, table = self._open_files.pop(file)
        return table.close(file)

    def _read(self, file: int, buffer: int, amount: int, offset: int) -> int:
        watcher, named, table = self._open_files[file]
        return watcher.read(named) or table.read(file, buffer, amount, offset)

    def _write(self, file: int, buffer: int, amount: int, offset: int) -> int:
        watcher, named, table = self._open_files[file]
        kept, code = watcher.wrote(named, ctypes.string_at(buffer, amount), offset)
        if kept:
            return table.write(file, buffer, kept, offset) or code
        return code

    def _truncate(self, file: int, size: int) -> int:
        watcher, named, table = self._open_files[file]
        return watcher.truncated(named, size) or table.truncate(file, size)

    def _sync(self, file: int, flags: int) -> int:
        del flags
        watcher, named, _table = self._open_files[file]
        return watcher.synced(named)

    def _delete(self, vfs: int, path: int, sync_folder: int) -> int:
        folder, _, name = _text_at(path).rpartition("/")
        watcher = self._watchers.get(folder)
        code = watcher.deleted(name) if watcher is not None else OK
        return code or self._own_delete(vfs, path, sync_folder)

    def _randomness(self, vfs: int, amount: int, out: int) -> int:
        if not self._seed:
            return self._own_randomness(vfs, amount, out)
        drawn = b""
        while len(drawn) < amount:
            self._drawn += 1
            drawn += blake2b(b"%b/%d" % (self._seed, self._drawn)).digest()
        ctypes.memmove(out, drawn, amount)
        return amount


def _text_at(address: int) -> str:
    return os.fsdecode(ctypes.string_at(address))


def _library() -> Any:
    """Give the SQLite that `sqlite3` uses: its functions are found through that module. Raises NoLayerError."""
    import _sqlite3

    try:
        sqlite = ctypes.CDLL(_sqlite3.__file__)
        sqlite.sqlite3_vfs_find.argtypes, sqlite.sqlite3_vfs_find.restype = [_text], ctypes.POINTER(_Vfs)
        sqlite.sqlite3_vfs_register.argtypes, sqlite.sqlite3_vfs_register.restype = [ctypes.POINTER(_Vfs), _int], _int
        sqlite.sqlite3_randomness.argtypes, sqlite.sqlite3_randomness.restype = [_int, _pointer], None
    except (AttributeError, OSError) as error:
        raise NoLayerError(
            f"this Python hides the functions of its SQLite ({error}): run the simulation with one that links SQLite "
            "as a shared library"
        ) from error
    return sqlite


_layer: list[Layer] = []


def layer() -> Layer:
    """Give the layer of this process, making it the first time. Raises NoLayerError."""
    if not _layer:
        _layer.append(Layer())
    return _layer[0]
