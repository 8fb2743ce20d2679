"""Where the keys of an exchange account come from: the keyring, else a private file, else the environment.

Owns the order of the three places, and what is said when keys are missing. Keys never stand in a configuration, an
event or a log line, and only leave this module inside a `Secret`. An account is named by the operator, or after its
exchange.
Source: decisions.md, "Files and interfaces".
"""

from typing import Final, Literal, NamedTuple

from engine.core.errors import CredentialsError
from engine.exchanges.credentials import Credentials, Secret
from engine.runtime.credentials_entry import (
    API_SECRET,
    EXCHANGE,
    Entry,
    Fields,
    account_name,
    checked,
    entry_of,
    fields_of,
)
from engine.runtime.credentials_environment import (
    environment_accounts,
    environment_exchange,
    read_environment,
    variable,
)
from engine.runtime.credentials_file import (
    credentials_path,
    delete_account,
    file_place,
    read_accounts,
    write_account,
)
from engine.runtime.keychain import delete_entry, entry_names, keyring_place, read_entry, write_entry

Where = Literal["keyring", "file", "environment"]
Store = Literal["keyring", "file"]


class Found(NamedTuple):
    """The keys of an account, where they were found, and the name of that place for people."""

    account: str
    exchange: str
    where: Where
    place: str
    credentials: Credentials


class Known(NamedTuple):
    """An account that a place holds something for; `is_used` unless an earlier place holds it too."""

    account: str
    exchange: str
    where: Where
    place: str
    is_used: bool


def load_credentials(account: str) -> tuple[Credentials, str]:
    """Give the keys of an account, and the name of the place they came from.

    Raises:
        CredentialsError: there are none, or the place that has them cannot be used; says how to give them.
    """
    found = find_credentials(account)
    return found.credentials, found.place


def find_credentials(account: str) -> Found:
    """Give the keys of an account with all that is known of it; raises as `load_credentials`."""
    account = account_name(account)
    for where in _PLACES:
        found = _look(account, where)
        if found is not None:
            fields, place = found
            entry = entry_of(fields, account, place, account)
            return Found(account, entry.exchange, where, place, entry.credentials)
    raise CredentialsError(
        f"there are no keys for {account} in the keyring, in {credentials_path() or 'a file'} or in the environment "
        f"({variable(account)} and {variable(account, API_SECRET)}): "
        f"store them with krypto-engine credentials set {account}"
    )


def store_credentials(
    account: str, credentials: Credentials, where: Store | None = None, exchange: str | None = None
) -> tuple[Store, str]:
    """Keep the keys of an account, and say where: in the keyring if there is one and nothing else is asked for.

    `exchange` is remembered with the keys; without it, the one remembered so far, or else the account's name.

    Raises:
        CredentialsError: a key cannot be right, or the place cannot keep it.
    """
    account = account_name(account)
    where = where or ("file" if keyring_place() is None else "keyring")
    credentials = checked(credentials, account, "what was given")
    exchange = account_name(exchange) if exchange else _exchange(account, _remembered(_look(account, where)))
    fields = fields_of(Entry(exchange, credentials))
    return where, write_entry(account, fields) if where == "keyring" else write_account(account, fields)


def delete_credentials(account: str) -> tuple[str, ...]:
    """Forget the keys of an account wherever they are stored, and name the places.

    Raises:
        CredentialsError: none are stored, or a place cannot be changed.
    """
    account = account_name(account)
    places = tuple(place for place in (delete_entry(account), delete_account(account)) if place is not None)
    if not places:
        in_environment = account in environment_accounts()
        remedy = f": unset {variable(account)} where it is set" if in_environment else ""
        raise CredentialsError(f"no keys are stored for {account}{remedy}")
    return places


def known_accounts() -> list[Known]:
    """List the accounts of all places, without their keys, by name; of several places, the one that is used first."""
    keyring, path, known = keyring_place(), credentials_path(), list[Known]()
    places: tuple[tuple[Where, str, dict[str, Secret | None]], ...] = (
        ("keyring", keyring or "", {name: _remembered(read_entry(name)) for name in entry_names()}),
        (
            "file",
            file_place(path) if path else "",
            {name: each.get(EXCHANGE) for name, each in read_accounts().items()},
        ),
        ("environment", "the environment", {name: environment_exchange(name) for name in environment_accounts()}),
    )
    for where, place, accounts in places:
        for account, exchange in accounts.items():
            is_used = all(each.account != account for each in known)
            known.append(Known(account, _exchange(account, exchange), where, place, is_used))
    return sorted(known, key=lambda each: each.account)  # stable: the place that is used stays first


_PLACES: Final[tuple[Where, ...]] = ("keyring", "file", "environment")


def _look(account: str, where: Where) -> tuple[Fields, str] | None:
    """Give what one place holds for an account, unchecked, and the name of the place."""
    if where == "keyring":
        return read_entry(account)
    if where == "environment":
        return read_environment(account)
    fields = read_accounts().get(account)
    path = credentials_path()
    return None if fields is None or path is None else (fields, file_place(path))


def _remembered(found: tuple[Fields, str] | None) -> Secret | None:
    """Give the exchange that a place remembers for an account, if it does."""
    return None if found is None else found[0].get(EXCHANGE)


def _exchange(account: str, remembered: Secret | None) -> str:
    """Give the exchange that an account is for: the remembered one, or else the one of its name."""
    try:
        return account_name(remembered.reveal()) if remembered else account
    except CredentialsError:
        return account
