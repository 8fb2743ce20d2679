"""`credentials set|check|delete|list`: the keys of exchange accounts, kept outside of every configuration.

Keys are typed unseen or piped in, never given as an argument, where every user of the machine could read them. Nothing
here prints one: of an API key at most its first four characters are shown, to tell it from another.
"""

import asyncio
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from cli.options import Decorator, Outside, json_option, outside
from cli.render import attention, clean, dim, echo_json, heading, rows, status
from engine.core.errors import ConfigError, CredentialsError, EngineError, UsageError
from engine.exchanges.credentials import Credentials, Secret
from engine.exchanges.port import AccountIdentity
from engine.exchanges.venues import live_venue_of
from engine.runtime.credentials import (
    Found,
    Known,
    Store,
    delete_credentials,
    find_credentials,
    known_accounts,
    store_credentials,
)
from engine.runtime.credentials_entry import LONGEST, account_name
from engine.runtime.lockdown import lock_down

if TYPE_CHECKING:
    from engine.runtime.connections import Wiring

SHOWN: Final = 4
SHOWN_FROM: Final = 12
"""The first four characters of an API key are shown if it is longer than twelve."""

_LINES: Final = 3


account_argument: Decorator = click.argument("account", required=False)


class _InOrder(click.Group):
    """Names its commands in the order in which they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names as they were defined."""
        del ctx
        return list(self.commands)


@click.group(cls=_InOrder, invoke_without_command=True, epilog="Example:  krypto-engine credentials set binanceus")
@click.pass_context
def credentials(ctx: click.Context) -> None:
    """Keep the keys of exchange accounts in the keyring or a private file, never in a configuration.

    Without ACCOUNT, the only account that there is. Every one of these commands takes --json.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@credentials.command(
    "set",
    epilog="Example:  krypto-engine credentials set binanceus",
    context_settings={"allow_extra_args": True},  # refused below, without printing what could be a key
)
@account_argument
@click.option("--exchange", metavar="ID", help="The exchange, if the account is not named after it.")
@click.option(
    "--where",
    type=click.Choice(["keyring", "file"]),
    help="Where to keep the keys. [default: the keyring, or the file where there is none]",
)
@click.option(
    "--from-stdin", is_flag=True, help="Read API key, API secret and passphrase from lines of standard input."
)
@json_option
@click.pass_context
def set_(
    ctx: click.Context,
    account: str | None,
    exchange: str | None,
    where: Store | None,
    from_stdin: bool,
    as_json: bool,
) -> None:
    """Store the keys of ACCOUNT, usually the exchange's id; they are typed unseen.

    The passphrase may be left empty: few exchanges have one.
    """
    lock_down()
    if ctx.args:
        raise UsageError(
            "keys are never given as arguments, where other users and the shell's history keep them: leave them out, "
            "you are asked for them; and make new ones if those were real"
        )
    name = _account(account)
    for_exchange = None if exchange is None else _named(exchange)
    keys = _piped() if from_stdin else _typed(name)
    stored, place = store_credentials(name, keys, where, for_exchange)
    notes = [*_unknown(name, for_exchange), *_shadowed(name, stored)]
    if as_json:
        echo_json({"account": name, "where": stored, "place": place, "notes": notes})
        return
    click.echo(f"{status('stored', good=True)}  the keys of {name} in {place}")
    _tell(notes)
    click.echo(dim("    At the exchange, forbid them withdrawals and every address but this machine's."))
    click.echo(dim(f"    See what they may do:  krypto-engine credentials check {name}"))


@credentials.command(epilog="Example:  krypto-engine credentials check binanceus")
@account_argument
@click.option("--offline", is_flag=True, help="Only look where the keys are; do not ask the exchange.")
@json_option
@click.pass_context
def check(ctx: click.Context, account: str | None, offline: bool, as_json: bool) -> None:
    """Show where the keys of ACCOUNT are found, and ask the exchange what they may do.

    Keys that may withdraw are refused with exit code 4.
    """
    lock_down()
    found = find_credentials(_account(account))
    if not as_json:
        _show(found)
    identity = None if offline else _identity(found, outside(ctx.obj))
    warnings = [] if identity is None else _warnings(identity)
    if as_json:
        echo_json(_record(found, identity, warnings))
    elif identity is not None:
        _show_identity(identity)
        _tell(warnings)
    if identity is not None and identity.may_withdraw:
        raise CredentialsError(
            f"the keys of {found.account} may withdraw money: take that right from them at the exchange, or make others"
        )


@credentials.command(epilog="Example:  krypto-engine credentials delete binanceus")
@account_argument
@json_option
def delete(account: str | None, as_json: bool) -> None:
    """Forget the keys of ACCOUNT, in the keyring and in the file; the exchange still accepts them."""
    name = _account(account)
    places = delete_credentials(name)
    left = [each.place for each in known_accounts() if each.account == name]
    notes = [f"{place} still gives keys for {name}" for place in left]
    if as_json:
        echo_json({"account": name, "places": places, "notes": notes})
        return
    click.echo(f"{status('deleted', good=True)}  the keys of {name} from {' and '.join(places)}")
    _tell(notes)
    click.echo(dim("    Delete the key at the exchange, too, if nothing else uses it."))


@credentials.command("list", epilog="Example:  krypto-engine credentials list")
@json_option
def list_(as_json: bool) -> None:
    """Name the accounts that have keys, and where; shows no keys."""
    known = known_accounts()
    if as_json:
        echo_json([each._asdict() for each in known])
        return
    if not known:
        click.echo("No account has keys. Store some with:  krypto-engine credentials set binanceus")
        return
    rows((each.account, _kept(each)) for each in known)


# --- which account ---------------------------------------------------------------------------------------------------


def _account(given: str | None) -> str:
    """Give the account that is meant: the named one, or the only one there is."""
    if given is not None:
        return _named(given)
    names = sorted({each.account for each in known_accounts()})
    if len(names) == 1:
        return names[0]
    raise UsageError(
        f"which account? Name one of {', '.join(names)}" if names else "which account? Name it, such as binanceus"
    )


def _named(text: str) -> str:
    fault = None
    try:
        return account_name(text)
    except CredentialsError as error:
        fault = str(error)
    raise UsageError(fault)


# --- taking keys in --------------------------------------------------------------------------------------------------


def _typed(account: str) -> Credentials:
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to type keys in: pipe them in with --from-stdin")
    return Credentials(
        _prompted(f"API key of {account} (not shown)"),
        _prompted("API secret (not shown)"),
        _prompted("Passphrase, if the exchange gave or asked for one (not shown)", default="") or None,
    )


def _prompted(text: str, default: str | None = None) -> Secret:
    return Secret(click.prompt(text, default=default, hide_input=True, show_default=False, err=True))


def _piped() -> Credentials:
    if sys.stdin.isatty():
        raise UsageError("--from-stdin reads lines from a pipe: leave it out to type the keys unseen")
    lines = _stdin_lines()
    if lines is None:
        raise UsageError(f"--from-stdin expects at most {_LINES} lines of text: API key, API secret, passphrase")
    key, secret, passphrase = lines
    return Credentials(key, secret, passphrase or None)


def _stdin_lines() -> Sequence[Secret] | None:
    """Read the three lines, empty ones for what is not given; None if they are not what is expected."""
    try:
        text = sys.stdin.buffer.read(_LINES * LONGEST * 4) if hasattr(sys.stdin, "buffer") else b""
        lines = [Secret(line) for line in text.decode("utf-8-sig").rstrip().split("\n")]
    except UnicodeDecodeError:
        return None
    return None if len(lines) > _LINES else [*lines, *(Secret("") for _ in range(_LINES - len(lines)))]


# --- what is shown ---------------------------------------------------------------------------------------------------


def _unknown(account: str, exchange: str | None) -> list[str]:
    """Say that an account is for no exchange that can be traded at, as after a slip of the pen."""
    try:
        live_venue_of(exchange or account)
    except ConfigError as error:
        hint = "" if exchange else f" (if {account} is a name of your own, say --exchange, too)"
        return [f"{error}{hint}"]
    return []


def _shadowed(account: str, stored: Store) -> list[str]:
    """Say what stands in the way of the keys that were just stored."""
    try:
        found = find_credentials(account)
    except CredentialsError as error:
        return [f"they cannot be used yet: {error}"]
    if found.where == stored:
        return []
    return [f"{found.place} goes before it and has keys for {account}: those are used until they are deleted"]


def _kept(known: Known) -> str:
    """Say where an account's keys are, and for which exchange if its name does not."""
    exchange = "" if known.exchange == known.account else f", for {known.exchange}"
    unused = "" if known.is_used else attention(" (not used: the place above goes before it)")
    return f"{clean(known.place)}{exchange}{unused}"


def _masked(key: Secret) -> str:
    return key.reveal()[:SHOWN] + "…" if len(key.reveal()) > SHOWN_FROM else "set, not shown"


def _show(found: Found) -> None:
    click.echo(heading(found.account))
    rows(
        [
            ("exchange", found.exchange),
            ("found in", clean(found.place)),
            ("API key", _masked(found.credentials.api_key)),
            ("API secret", "set, not shown"),
            ("passphrase", "none" if found.credentials.passphrase is None else "set, not shown"),
        ]
    )


def _show_identity(identity: AccountIdentity) -> None:
    basis = "of the account" if identity.basis == "account" else "of the key: the exchange names no account"
    rows(
        [
            ("may trade", _permission(allowed=identity.may_trade, wanted=True)),
            ("may withdraw", _permission(allowed=identity.may_withdraw, wanted=False)),
            ("fingerprint", f"{clean(identity.fingerprint)} ({basis})"),
        ]
    )


def _permission(*, allowed: bool | None, wanted: bool) -> str:
    if allowed is None:
        return attention("the exchange does not say")
    return status("yes" if allowed else "no", good=allowed == wanted)


def _warnings(identity: AccountIdentity) -> list[str]:
    warnings = []
    if identity.may_trade is False:
        warnings.append("the keys may not trade: allow spot trading at the exchange")
    if identity.may_withdraw is None:
        warnings.append("the exchange does not say whether the keys may withdraw: see there that they may not")
    return warnings


def _record(found: Found, identity: AccountIdentity | None, warnings: Sequence[str]) -> dict[str, Any]:
    return {
        "account": found.account,
        "exchange": found.exchange,
        "where": found.where,
        "place": found.place,
        "api_key": _masked(found.credentials.api_key),
        "has_passphrase": found.credentials.passphrase is not None,
        "identity": identity,
        "warnings": warnings,
    }


def _tell(notes: Sequence[str]) -> None:
    for note in notes:
        click.echo(f"{attention('note')}    {clean(note)}")


# --- asking the exchange ---------------------------------------------------------------------------------------------


def _identity(found: Found, given: Outside) -> AccountIdentity:
    """Ask the exchange; of a fault only our own sentence is passed on, because others may quote a signed request."""
    identify = given.identify or partial(_connected_identify, given.wiring)
    try:
        return identify(found.account, found.exchange, found.credentials)
    except EngineError as error:
        fault = error.with_traceback(None)
        fault.__context__ = None
    except Exception as error:  # noqa: BLE001 - whatever an exchange library raises
        fault = EngineError(f"asking {found.exchange} about the keys failed unexpectedly ({type(error).__name__})")
    raise fault from None


def _connected_identify(
    wiring: "Wiring | None", _account: str, exchange: str, credentials: Credentials
) -> AccountIdentity:
    from engine.runtime.connections import identify

    return asyncio.run(identify(exchange, credentials, wiring=wiring))
