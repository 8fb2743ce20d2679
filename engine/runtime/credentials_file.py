"""The file of credentials: YAML that only its owner may read, for machines without a keyring.

Owns where the file is, what is refused about it, and how it is replaced. It is refused if it is a link, belongs to
somebody else, lets others in, or lies in a git work tree, where a careless commit would publish it. Everything is asked
of the open file, not of its name. A fault names the line, never what stands in it.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import yaml

from engine.core.errors import CredentialsError
from engine.core.identity import is_bot_id
from engine.exchanges.credentials import Secret
from engine.exchanges.venues import ALIASES
from engine.runtime.credentials_entry import FIELDS, Fields

FILE_VARIABLE: Final = "KRYPTO_CREDENTIALS_FILE"
MAX_BYTES: Final = 64 * 1024
_MAX_DEPTH: Final = 4
_PRIVATE: Final = 0o600
_PRIVATE_FOLDER: Final = 0o700
_NULLS: Final = frozenset({"", "~", "null"})
_NEW: Final = ".credentials.new"
_HEAD: Final = "# Keys of exchange accounts, written by krypto-engine credentials; comments are not kept.\n"

Accounts = dict[str, Fields]


def credentials_path() -> Path | None:
    """Give the place of the file; None for a user without a home."""
    named = os.environ.get(FILE_VARIABLE)
    base = os.environ.get("XDG_CONFIG_HOME", "")
    try:
        if named:
            return Path(named).expanduser()
        folder = Path(base) if Path(base).is_absolute() else Path.home() / ".config"
    except RuntimeError:
        return None
    return folder / "krypto-engine" / "credentials.yml"


def file_place(path: Path) -> str:
    """Name the file for people."""
    return f"the file {path}"


def read_accounts() -> Accounts:
    """Give the accounts of the file with their fields; none if there is no file.

    Raises:
        CredentialsError: the file cannot be trusted, or is no file of credentials.
    """
    path = credentials_path()
    return {} if path is None else _read_accounts(path)


def write_account(account: str, fields: Fields) -> str:
    """Keep an account in the file, which is made if it is missing, and name the file."""
    return _change(lambda accounts: {**accounts, account: fields})


def delete_account(account: str) -> str | None:
    """Take an account out of the file, and name the file; None if it was not there."""
    if account not in read_accounts():
        return None
    return _change(lambda accounts: {name: fields for name, fields in accounts.items() if name != account})


# --- reading ---------------------------------------------------------------------------------------------------------


def _read_accounts(path: Path) -> Accounts:
    text = _read_private(path)
    if text is None:
        return {}
    try:
        return _parsed(text)
    except (yaml.YAMLError, RecursionError, _OddFileError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else getattr(error, "line", None)
        what = error.what if isinstance(error, _OddFileError) else "this is not valid YAML: put the value in quotes"
    raise CredentialsError(f"{path}: {'' if line is None else f'line {line}: '}{what}")


def _read_private(path: Path) -> Secret | None:
    """Read the file if it can be trusted; None if there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CredentialsError(f"{path} {_open_fault(error)}") from None
    try:
        fault = _mistrust(path, os.fstat(descriptor))
        if fault is not None:
            raise CredentialsError(f"{path} {fault}")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return _text(path, file.read)
    finally:
        os.close(descriptor)


def _text(path: Path, read: Callable[[int], bytes]) -> Secret:
    try:
        return Secret(read(MAX_BYTES).decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        what = f"cannot be read ({error.strerror})" if isinstance(error, OSError) else "is not UTF-8 text"
    raise CredentialsError(f"{path} {what}")


def _open_fault(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return f"is a symbolic link: put the file itself there, or name it in {FILE_VARIABLE}"
    return f"cannot be read ({error.strerror}): allow it, or name another file in {FILE_VARIABLE}"


def _mistrust(path: Path, found: os.stat_result) -> str | None:
    """Say why an open file is not trusted, if it is not."""
    mode = stat.S_IMODE(found.st_mode)
    tree = _work_tree(path)
    if not stat.S_ISREG(found.st_mode):
        return "is not a regular file: put a file there"
    if found.st_uid != os.geteuid():
        return f"belongs to user {found.st_uid}, not to you (user {os.geteuid()}): use a file of your own"
    if mode & ~_PRIVATE:
        return f"may be used by others (mode {mode:04o}): chmod 600 it, and make new keys if others could have read it"
    if found.st_size > MAX_BYTES:
        return f"is larger than {MAX_BYTES // 1024} KiB, which no file of credentials is"
    return None if tree is None else _in_tree(tree)


def _in_tree(tree: Path) -> str:
    return f"lies in the git work tree {tree}, from where keys get published: name another file in {FILE_VARIABLE}"


def _work_tree(path: Path) -> Path | None:
    """Find the git work tree around a file, through any links that lead to its folder."""
    folder = path.absolute().parent.resolve()
    return next((each for each in (folder, *folder.parents) if os.path.lexists(each / ".git")), None)


# --- the YAML in it --------------------------------------------------------------------------------------------------


class _OddFileError(Exception):
    """The file does not hold accounts; says on which line, and quotes nothing."""

    def __init__(self, what: str, node: yaml.Node | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.line = None if node is None else node.start_mark.line + 1


class _TextLoader(yaml.BaseLoader):
    """YAML without aliases whose values are all text, so that 0123 stays a key."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse aliases and nesting, then build the node."""
        if self.check_event(yaml.AliasEvent):
            raise _OddFileError("a value that begins with * needs quotes")
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise _OddFileError("the file nests too deep: it holds accounts, and their keys below each")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _parsed(text: Secret) -> Accounts:
    root = yaml.compose(text.reveal(), _TextLoader)
    if root is None or (isinstance(root, yaml.ScalarNode) and root.value in _NULLS):
        return {}
    accounts: Accounts = {}
    for name, node in _pairs(root, "the file holds accounts, and their keys below each"):
        account = ALIASES.get(name, name)
        if not is_bot_id(account) or account in accounts:
            raise _OddFileError("the name of an account, such as binanceus, is missing or given twice", node)
        accounts[account] = _fields(node)
    return accounts


def _fields(node: yaml.Node) -> Fields:
    fields: dict[str, Secret] = {}
    for name, value in _pairs(node, f"below an account stand {', '.join(FIELDS)}"):
        if name not in FIELDS or not isinstance(value, yaml.ScalarNode):
            raise _OddFileError(f"below an account stand {', '.join(FIELDS)}, each with one value", value)
        is_null = value.style is None and value.value in _NULLS
        fields[name] = Secret("" if is_null else str(value.value))
    return fields


def _pairs(node: yaml.Node, expected: str) -> Iterator[tuple[str, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        raise _OddFileError(expected, node)
    seen: set[str] = set()
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.value in seen:
            raise _OddFileError(f"{expected}, each once", key)
        seen.add(str(key.value))
        yield str(key.value), value


# --- writing ---------------------------------------------------------------------------------------------------------


def _change(change: Callable[[Accounts], Accounts]) -> str:
    """Replace the file by a changed one, while no other command does."""
    path = credentials_path()
    if path is None:
        raise CredentialsError(f"there is no home for a file of credentials: name one in {FILE_VARIABLE}")
    tree = _work_tree(path)
    if tree is not None:
        raise CredentialsError(f"{path} {_in_tree(tree)}")
    try:
        with _locked_folder(path.parent) as folder:
            accounts = change(_read_accounts(path))
            if accounts:
                _replace(folder, path.name, _yaml(accounts))
            else:
                os.unlink(path.name, dir_fd=folder)
            os.fsync(folder)
    except OSError as error:
        what = error.strerror
    else:
        return file_place(path)
    raise CredentialsError(f"{path} cannot be written ({what}): allow it, or name another file in {FILE_VARIABLE}")


@contextmanager
def _locked_folder(path: Path) -> Iterator[int]:
    path.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(folder)


def _replace(folder: int, name: str, text: Secret) -> None:
    """Write a new file beside the old one and give it the name; a crash leaves one or the other, both private."""
    with suppress(FileNotFoundError):
        os.unlink(_NEW, dir_fd=folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(_NEW, flags, _PRIVATE, dir_fd=folder), "wb") as file:
            os.fchmod(file.fileno(), _PRIVATE)
            file.write(text.reveal().encode())
            file.flush()
            os.fsync(file.fileno())
        os.rename(_NEW, name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(_NEW, dir_fd=folder)


def _yaml(accounts: Accounts) -> Secret:
    plain = {
        account: {name: value.reveal() for name, value in fields.items() if value}
        for account, fields in accounts.items()
    }
    return Secret(_HEAD + yaml.safe_dump(plain, width=float("inf"), sort_keys=False, allow_unicode=True))
