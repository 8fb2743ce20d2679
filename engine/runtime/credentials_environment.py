"""Credentials in the environment: KRYPTO_<ACCOUNT>_API_KEY, _API_SECRET and _PASSPHRASE, for containers and servers.

With `_FILE` behind the name, the value is read from a file, as Docker and Kubernetes hand secrets over. Those files
belong to the system and are often links and readable by all in the container, so less is asked of them than of the file
of credentials.
"""

import os
import re
import stat
from typing import Final

from engine.core.errors import CredentialsError
from engine.core.identity import is_bot_id
from engine.exchanges.credentials import Secret
from engine.exchanges.venues import ALIASES
from engine.runtime.credentials_entry import API_KEY, API_SECRET, EXCHANGE, FIELDS, LONGEST, Fields

_FROM_FILE: Final = "_FILE"
_MAX_BYTES: Final = 4 * LONGEST
_ACCOUNT: Final = re.compile(rf"KRYPTO_([A-Z0-9][A-Z0-9_]*)_(?:{API_KEY}|{API_SECRET})(?:{_FROM_FILE})?", re.IGNORECASE)


def variable(account: str, field: str = API_KEY) -> str:
    """Name the variable that holds a field of an account."""
    return f"KRYPTO_{account}_{field}".upper().replace("-", "_").replace(".", "_")


def read_environment(account: str) -> tuple[Fields, str] | None:
    """Give the fields that the environment holds for an account, and how people would name the place.

    Raises:
        CredentialsError: a value is given twice, or its file cannot be read.
    """
    for name in (account, *(alias for alias, exchange in ALIASES.items() if exchange == account)):
        found = {field: value for field in FIELDS if (value := _value(variable(name, field))) is not None}
        if found.keys() - {EXCHANGE}:
            return found, f"the environment ({variable(name)})"
    return None


def environment_accounts() -> list[str]:
    """List the accounts that the environment holds something for; a - in a name is a _ there."""
    matches = (_ACCOUNT.fullmatch(name) for name, value in sorted(os.environ.items()) if name.isupper() and value)
    names = (match[1].lower() for match in matches if match)
    return list(dict.fromkeys(ALIASES.get(name, name) for name in names if is_bot_id(name)))


def environment_exchange(account: str) -> Secret | None:
    """Give the exchange that the environment names for an account, if it does."""
    return _value(variable(account, EXCHANGE))


def _value(name: str) -> Secret | None:
    """Give the value of a variable, or of the file that it names; None if it is not set, or empty."""
    from_file = name + _FROM_FILE
    if not os.environ.get(from_file):
        return Secret(os.environ[name]) if os.environ.get(name) else None
    if os.environ.get(name):
        raise CredentialsError(f"{name} and {from_file} are both set: unset one of them")
    return _read(from_file)


def _read(name: str) -> Secret:
    path = os.environ[name]
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            fault = _mistrust(os.fstat(descriptor))
            if fault is None:
                with os.fdopen(descriptor, "rb", closefd=False) as file:
                    return Secret(file.read(_MAX_BYTES).decode("utf-8-sig"))
        finally:
            os.close(descriptor)
    except UnicodeDecodeError:
        fault = "is not UTF-8 text"
    except OSError as error:
        fault = f"cannot be read ({error.strerror})"
    raise CredentialsError(f"{path}, named by {name}, {fault}")


def _mistrust(found: os.stat_result) -> str | None:
    if not stat.S_ISREG(found.st_mode):
        return "is not a regular file"
    if found.st_mode & stat.S_IWOTH:
        return "may be changed by anyone: chmod o-w it"
    if found.st_size > _MAX_BYTES:
        return f"is larger than {_MAX_BYTES // 1024} KiB, which no key is"
    return None
