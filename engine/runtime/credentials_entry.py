"""What is kept for one account: its name, its exchange and its keys, checked before anything uses them.

Owns the names of accounts and the rules for pasted keys. A fault here names the account, the place and the field, never
what stands in it; the text of a key exists only inside a `Secret`, so that no traceback can show it as a local.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from engine.core.errors import CredentialsError
from engine.core.identity import is_bot_id
from engine.exchanges.credentials import Credentials, Secret
from engine.exchanges.venues import ALIASES

LONGEST: Final = 4096
"""Characters of a key; the longest in use are private keys of some 1,700."""

EXCHANGE: Final = "exchange"
API_KEY: Final = "api_key"
API_SECRET: Final = "api_secret"  # noqa: S105 - the name of a field
PASSPHRASE: Final = "passphrase"  # noqa: S105 - the name of a field
FIELDS: Final = (EXCHANGE, API_KEY, API_SECRET, PASSPHRASE)

Fields = Mapping[str, Secret]
"""The fields of an account as they were found, not yet checked."""

_WORDS: Final = {API_KEY: "API key", API_SECRET: "API secret", PASSPHRASE: "passphrase"}


class Entry(NamedTuple):
    """The keys of an account, and the exchange that they are for."""

    exchange: str
    credentials: Credentials


def account_name(text: str) -> str:
    """Give the name of an account as it is kept; one that users know an exchange by becomes the exchange's id.

    Raises:
        CredentialsError: it is no name. What it is instead is not shown: it could be a key in the wrong place.
    """
    name = ALIASES.get(text, text)
    if not is_bot_id(name):
        raise CredentialsError(
            "that is no name of an account: it has up to 64 lowercase letters, digits, - and _, such as binanceus"
        )
    return name


def checked(credentials: Credentials, account: str, place: str) -> Credentials:
    """Give keys without the blanks around them that pasting leaves.

    Raises:
        CredentialsError: one is missing, too long, or holds what no key holds.
    """
    given = {API_KEY: credentials.api_key, API_SECRET: credentials.secret}
    if credentials.passphrase is not None:
        given[PASSPHRASE] = credentials.passphrase
    return entry_of(given, account, place, account).credentials


def entry_of(fields: Fields, account: str, place: str, exchange: str) -> Entry:
    """Check the fields found for an account; `exchange` is the one it is for unless a field says otherwise.

    Raises:
        CredentialsError: a key is missing, or one cannot be right; names account, place and field.
    """
    stripped = {name: _unwrapped(value) for name, value in fields.items()}
    if not stripped.get(API_KEY) or not stripped.get(API_SECRET):
        has, lacks = (API_KEY, API_SECRET) if stripped.get(API_KEY) else (API_SECRET, API_KEY)
        given = f"an {_WORDS[has]} but no {_WORDS[lacks]}" if stripped.get(has) else "neither API key nor API secret"
        raise CredentialsError(f"{place} holds {given} for {account}: give both")
    for name, word in _WORDS.items():
        fault = _fault(stripped.get(name), may_have_spaces=name == PASSPHRASE)
        if fault is not None:
            raise CredentialsError(f"the {word} of {account} from {place} {fault}: copy it again")
    named = stripped.get(EXCHANGE)
    if named and not is_bot_id(ALIASES.get(named.reveal(), named.reveal())):
        raise CredentialsError(f"{place} names no exchange for {account}: give its id, such as binanceus")
    return Entry(
        account_name(named.reveal()) if named else exchange,
        Credentials(stripped[API_KEY], stripped[API_SECRET], stripped.get(PASSPHRASE) or None),
    )


def fields_of(entry: Entry) -> dict[str, Secret]:
    """Give the fields under which an entry is kept."""
    fields = {
        EXCHANGE: Secret(entry.exchange),
        API_KEY: entry.credentials.api_key,
        API_SECRET: entry.credentials.secret,
    }
    if entry.credentials.passphrase is not None:
        fields[PASSPHRASE] = entry.credentials.passphrase
    return fields


def _unwrapped(value: Secret) -> Secret:
    """Take off the blanks around a key; in a private key, give back the line breaks that JSON files write out."""
    text = Secret(value.reveal().strip())
    return Secret(text.reveal().replace("\\n", "\n").replace("\r\n", "\n").strip()) if _is_private_key(text) else text


def _is_private_key(value: Secret) -> bool:
    """Tell whether a key is one in PEM form, of several lines, as Coinbase gives out."""
    return value.reveal().startswith("-----BEGIN ")


def _fault(value: Secret | None, *, may_have_spaces: bool) -> str | None:
    """Say what is wrong with a key, if anything."""
    if not value:
        return None
    if len(value.reveal()) > LONGEST:
        return f"is longer than {LONGEST} characters"
    if _is_private_key(value):
        is_whole = value.reveal().endswith("-----") and value.reveal().replace("\n", "").isprintable()
        return None if is_whole and value.reveal().isascii() else "is a private key that is not whole"
    if not value.reveal().isprintable():
        return "holds a line break or another control character"
    if not may_have_spaces and (" " in value.reveal() or not value.reveal().isascii()):
        return "holds a blank or a letter that no key has"
    return None
