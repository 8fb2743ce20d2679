"""The keyring of the operating system: one entry of JSON per account, and one that lists the names of the accounts.

The one door to the keyring library, which is loaded on first use. A machine without a keyring is no fault; one whose
keyring is locked or broken is, because it may hold the keys that are asked for. What a backend says of its fault is not
passed on: nobody knows what it quotes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from engine.core.errors import CredentialsError
from engine.core.identity import is_bot_id
from engine.exchanges.credentials import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyring.backend import KeyringBackend

    from engine.runtime.credentials_entry import Fields

SERVICE: Final = "krypto-engine"
INDEX: Final = ".accounts"
"""The entry that lists the accounts, since keyrings cannot be listed; no account can have this name."""

_WITHOUT: Final = "set PYTHON_KEYRING_BACKEND=keyring.backends.null.Keyring to go without it"
_RECOMMENDED: Final = 1
"""The priority from which the keyring library recommends a backend; below are none at all and plain files."""

T = TypeVar("T")


def keyring_place() -> str | None:
    """Name the keyring for people; None if this machine has none that keeps a secret."""
    backend = _backend()
    return None if backend is None else _place(backend)


def read_entry(account: str) -> tuple[dict[str, Secret], str] | None:
    """Give the fields that the keyring holds for an account, and its name; None if it holds none."""
    backend = _backend()
    if backend is None:
        return None
    text = _get(backend, account)
    if text is None:
        return None
    try:
        fields = {
            name: Secret(value) for name, value in msgspec.json.decode(text.reveal(), type=dict[str, str]).items()
        }
    except (msgspec.DecodeError, RecursionError):
        fields = {}
    return fields, _place(backend)


def write_entry(account: str, fields: Fields) -> str:
    """Keep the fields of an account, and give the name of the keyring. The list comes first: it may name too many."""
    backend = _backend()
    if backend is None:
        raise CredentialsError("this machine has no keyring: choose --where file")
    names = _names(backend)
    if account not in names:
        _set(backend, INDEX, _json({"accounts": [*names, account]}))
    _set(backend, account, _json({name: value.reveal() for name, value in fields.items()}))
    return _place(backend)


def delete_entry(account: str) -> str | None:
    """Forget an account, and give the name of the keyring; None if it held nothing."""
    backend = _backend()
    if backend is None or _get(backend, account) is None:
        return None
    _tried(lambda: backend.delete_password(SERVICE, account))
    left = [name for name in _names(backend) if name != account]
    _set(backend, INDEX, _json({"accounts": left}))
    if _get(backend, account) is not None:
        raise CredentialsError(f"{_place(backend)} still holds {account} after deleting it: delete it there by hand")
    return _place(backend)


def entry_names() -> list[str]:
    """List the accounts that the keyring holds."""
    backend = _backend()
    return [] if backend is None else [name for name in _names(backend) if _get(backend, name) is not None]


def _names(backend: KeyringBackend) -> list[str]:
    text = _get(backend, INDEX)
    if text is None:
        return []
    try:
        listed = msgspec.json.decode(text.reveal(), type=dict[str, list[str]]).get("accounts", [])
    except (msgspec.DecodeError, RecursionError):
        return []
    return [name for name in listed if is_bot_id(name)]


def _backend() -> KeyringBackend | None:
    import keyring

    backend = _tried(keyring.get_keyring)
    return backend if _tried(lambda: backend.priority) >= _RECOMMENDED else None


def _place(backend: KeyringBackend) -> str:
    return f"the keyring ({backend.name})"


def _get(backend: KeyringBackend, name: str) -> Secret | None:
    return _tried(lambda: _secret(backend.get_password(SERVICE, name)))


def _set(backend: KeyringBackend, name: str, text: Secret) -> None:
    _tried(lambda: backend.set_password(SERVICE, name, text.reveal()))


def _secret(text: str | None) -> Secret | None:
    return None if text is None else Secret(text)


def _json(value: dict[str, str] | dict[str, list[str]]) -> Secret:
    return Secret(msgspec.json.encode(value).decode())


def _tried(question: Callable[[], T]) -> T:
    """Ask the keyring; its fault becomes one sentence, raised apart from it so that nothing of it hangs on."""
    try:
        return question()
    except Exception as error:  # noqa: BLE001 - backends are many, and each fails in its own way
        kind = type(error).__name__
    if kind == "KeyringLocked":
        raise CredentialsError(f"the keyring is locked: unlock it and try again, or {_WITHOUT}")
    raise CredentialsError(f"the keyring cannot be used ({kind}): mend it, or {_WITHOUT}")
