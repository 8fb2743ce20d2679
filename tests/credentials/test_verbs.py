"""`credentials set|check|delete|list`: what they store, show and refuse, and with which exit code."""

import io
import json
import sys
from pathlib import Path
from typing import Any, ClassVar

import keyring
import keyring.errors
import pytest

from cli.main import cli
from cli.options import Outside
from engine.core.errors import CredentialsError, RateLimitedError, UnreachableError
from engine.exchanges.credentials import Credentials
from engine.exchanges.port import AccountIdentity
from engine.runtime.credentials import find_credentials, store_credentials
from tests.cli.terminal import Result, krypto
from tests.credentials.canaries import API_KEY, API_SECRET, KEYS, LINES, seen
from tests.credentials.keyrings import FailingKeyring, MemoryKeyring

IDENTITY = AccountIdentity("1a2b3c4d", "account", may_trade=True, may_withdraw=False)


class StandIn:
    """An exchange in memory: says who the keys belong to, or fails as it was told."""

    asked: ClassVar[list[tuple[str, str, Credentials]]] = []

    def __init__(self, answer: AccountIdentity | Exception) -> None:
        self.answer = answer
        self.asked.clear()

    def __call__(self, account: str, exchange: str, credentials: Credentials, /) -> AccountIdentity:
        self.asked.append((account, exchange, credentials))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def credentials(*arguments: object, lines: str | bytes = "", exchange: StandIn | None = None) -> Result:
    """Run a command with lines on standard input and an exchange to ask; see that it shows no key."""
    raw = lines if isinstance(lines, bytes) else lines.encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        patch.setitem(cli.context_settings, "obj", Outside(identify=exchange))
        result = krypto("credentials", *arguments)
    assert seen(result.out + result.err) == []
    assert "Traceback" not in result.err
    return result


def test_set_from_stdin_stores_in_the_file_and_says_where(file: Path) -> None:
    result = credentials("set", "okx", "--from-stdin", lines=LINES)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"stored  the keys of okx in the file {file}\n")
    assert "forbid them withdrawals and every address but this machine's" in result.out
    assert "krypto-engine credentials check okx" in result.out
    assert find_credentials("okx").credentials == KEYS


@pytest.mark.usefixtures("memory")
def test_set_on_a_machine_with_a_keyring_stores_there_unless_told_otherwise(file: Path) -> None:
    assert "in the keyring" in credentials("set", "okx", "--from-stdin", lines=LINES).out
    assert not file.exists()
    result = credentials("set", "okx", "--where", "file", "--from-stdin", "--json", lines=LINES)
    assert result.json["where"] == "file"
    (note,) = result.json["notes"]
    assert "goes before it" in note
    assert file.exists()


@pytest.mark.parametrize(
    ("lines", "passphrase"),
    [
        (f"{API_KEY}\n{API_SECRET}", None),
        (f"{API_KEY}\r\n{API_SECRET}\r\n\r\n", None),
        (f"\ufeff{API_KEY}\n  {API_SECRET}  \n \n\n", None),
        (f"{API_KEY}\n{API_SECRET}\nthree words here\n", "three words here"),
    ],
    ids=repr,
)
def test_set_takes_two_lines_or_three(lines: str, passphrase: str | None) -> None:
    assert credentials("set", "okx", "--from-stdin", lines=lines).code == 0
    found = find_credentials("okx").credentials
    assert (found.api_key, found.secret) == (KEYS.api_key, KEYS.secret)
    assert (found.passphrase and found.passphrase.reveal()) == passphrase


@pytest.mark.parametrize(
    ("lines", "code", "word"),
    [
        ("", 4, "neither"),
        (API_KEY, 4, "no API secret"),
        (f"\n{API_SECRET}", 4, "no API key"),
        (LINES + "x\n", 2, "at most 3 lines"),
        (LINES * 5000, 2, "at most 3 lines"),
        (f"{API_KEY}\n{API_SECRET}{'x' * 100_000}", 4, "longer than 4096"),
        (f"{API_KEY}\x00\n{API_SECRET}", 4, "control character"),
        (b"\xff\xfe" + API_KEY.encode(), 2, "lines of text"),
    ],
    ids=lambda value: str(value)[:20] if isinstance(value, str | int) else "bytes",
)
def test_set_given_something_else_refuses_it(file: Path, lines: str | bytes, code: int, word: str) -> None:
    result = credentials("set", "okx", "--from-stdin", lines=lines)
    assert (result.code, result.out) == (code, "")
    assert word in result.err
    assert len(result.err.splitlines()) == 1
    assert not file.exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["set", "okx"], "--from-stdin"),
        (["set", "okx", API_KEY, API_SECRET], "never given as arguments"),
        (["set", "--from-stdin"], "which account"),
        (["set", API_KEY, "--from-stdin"], "no name of an account"),
        (["set", "okx", "--exchange", "O K", "--from-stdin"], "no name of an account"),
        (["set", "okx", "--where", "environment"], "environment"),
        (["check"], "which account"),
        (["check", "Okx"], "no name of an account"),
        (["delete"], "which account"),
        (["show"], "No such command"),
    ],
    ids=lambda value: (
        " ".join(value).replace(API_KEY, "KEY").replace(API_SECRET, "SECRET") if isinstance(value, list) else None
    ),
)
def test_usage_error_says_what_is_wrong(file: Path, arguments: list[str], word: str) -> None:
    result = credentials(*arguments, lines=LINES)
    assert (result.code, result.out) == (2, "")
    assert word in result.err
    assert not file.exists()


def test_check_offline_shows_where_the_keys_are_and_four_characters(file: Path) -> None:
    store_credentials("main", KEYS, "file", "okx")
    result = credentials("check", "main", "--offline")
    assert (result.code, result.err) == (0, "")
    for word in ("main", "okx", str(file), API_KEY[:4] + "…"):
        assert word in result.out
    assert API_KEY[:5] not in result.out
    assert credentials("check", "main", "--offline", "--json").json == {
        "account": "main",
        "exchange": "okx",
        "where": "file",
        "place": f"the file {file}",
        "api_key": API_KEY[:4] + "…",
        "has_passphrase": True,
        "identity": None,
        "warnings": [],
    }


@pytest.mark.parametrize(("key", "shown"), [("k" * 12, "set, not shown"), ("k" * 13, "kkkk…")])
def test_check_of_a_short_key_shows_nothing_of_it(key: str, shown: str) -> None:
    credentials("set", "okx", "--from-stdin", lines=f"{key}\nsecret")
    assert credentials("check", "--offline", "--json").json["api_key"] == shown


@pytest.mark.spec("keys are checked against the exchange", section="Files and interfaces")
def test_check_asks_the_exchange_whose_keys_they_are(file: Path) -> None:
    store_credentials("main", KEYS, "file", "okx")
    exchange = StandIn(IDENTITY)
    result = credentials("check", "main", exchange=exchange)
    assert (result.code, result.err) == (0, "")
    assert exchange.asked == [("main", "okx", KEYS)]
    words = [line.split(maxsplit=2) for line in result.out.splitlines()]
    assert ["may", "trade", "yes"] in words
    assert ["may", "withdraw", "no"] in words
    assert "1a2b3c4d" in result.out
    assert "note" not in result.out
    assert credentials("check", "--json", exchange=exchange).json["identity"] == {
        "fingerprint": "1a2b3c4d",
        "basis": "account",
        "may_trade": True,
        "may_withdraw": False,
    }


@pytest.mark.spec("keys that may withdraw are refused", section="Files and interfaces")
def test_check_of_keys_that_may_withdraw_refuses_them() -> None:
    store_credentials("okx", KEYS, "file")
    exchange = StandIn(AccountIdentity("1a2b", "key", may_trade=True, may_withdraw=True))
    for flags in ([], ["--json"]):
        result = credentials("check", "okx", *flags, exchange=exchange)
        assert result.code == 4
        assert "may withdraw" in result.err
        assert len(result.err.splitlines()) == 1
        assert "1a2b" in result.out
    assert json.loads(result.out)["identity"]["may_withdraw"] is True


@pytest.mark.parametrize(
    ("may_trade", "may_withdraw", "word"),
    [(False, False, "may not trade"), (True, None, "does not say whether the keys may withdraw")],
)
def test_check_of_keys_that_want_a_look_warns(may_trade: bool | None, may_withdraw: bool | None, word: str) -> None:
    store_credentials("okx", KEYS, "file")
    exchange = StandIn(AccountIdentity("1a2b", "key", may_trade=may_trade, may_withdraw=may_withdraw))
    result = credentials("check", exchange=exchange)
    assert (result.code, result.err) == (0, "")
    assert word in " ".join(result.out.split())
    (warning,) = credentials("check", "--json", exchange=exchange).json["warnings"]
    assert word in warning


@pytest.mark.parametrize(
    ("fault", "code", "word"),
    [
        (UnreachableError("okx did not answer in 10 s"), 5, "did not answer"),
        (RateLimitedError("okx wants silence", 1), 5, "silence"),
        (CredentialsError("okx refuses these keys"), 4, "refuses"),
        (ValueError(f"GET /x?apiKey={API_KEY} {API_SECRET}"), 1, "ValueError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_check_that_gets_no_answer_leaves_with_the_code_of_its_cause(fault: Exception, code: int, word: str) -> None:
    store_credentials("okx", KEYS, "file")
    for flags in ([], ["--json"]):
        result = credentials("check", *flags, exchange=StandIn(fault))
        assert result.code == code
        assert word in result.err
        assert len(result.err.splitlines()) == 1
    assert result.out == ""


def test_check_without_keys_says_how_to_give_them() -> None:
    result = credentials("check", "okx", exchange=StandIn(IDENTITY))
    assert (result.code, result.out) == (4, "")
    assert "krypto-engine credentials set okx" in result.err
    assert StandIn.asked == []


def test_delete_forgets_and_says_where(memory: MemoryKeyring, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for where in ("keyring", "file"):
        credentials("set", "okx", "--where", where, "--from-stdin", lines=LINES)
    monkeypatch.setenv("KRYPTO_OKX_API_KEY", API_KEY)
    result = credentials("delete", "okx", "--json")
    assert result.json["places"] == ["the keyring (keyrings MemoryKeyring)", f"the file {file}"]
    assert result.json["notes"] == ["the environment still gives keys for okx"]
    assert [name for _, name in memory.held] == [".accounts"]
    assert not file.exists()
    again = credentials("delete", "okx")
    assert again.code == 4
    assert "unset KRYPTO_OKX_API_KEY" in again.err


def test_account_left_out_is_the_only_one_there_is() -> None:
    credentials("set", "okx", "--from-stdin", lines=LINES)
    assert credentials("set", "--from-stdin", "--json", lines=LINES).json["account"] == "okx"
    assert credentials("check", "--offline", "--json").json["account"] == "okx"
    credentials("set", "kraken", "--from-stdin", lines=LINES)
    result = credentials("check", "--offline")
    assert result.code == 2
    assert "kraken, okx" in result.err
    credentials("delete", "kraken")
    assert credentials("delete").code == 0


def test_list_names_accounts_and_places(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No account" in credentials("list").out
    assert credentials("list", "--json").json == []
    store_credentials("okx", KEYS, "file")
    monkeypatch.setenv("KRYPTO_OKX_API_KEY", API_KEY)
    monkeypatch.setenv("KRYPTO_GATE_API_KEY", API_KEY)
    monkeypatch.setenv("KRYPTO_GATE_EXCHANGE", "kraken")
    lines = [" ".join(line.split()) for line in credentials("list").out.splitlines()]
    assert lines[0] == "gate the environment, for kraken"
    story = " ".join(lines)
    assert f"okx the file {file} okx the environment (not used: the place above goes before it)" in story
    listed = credentials("list", "--json").json
    assert [(each["account"], each["is_used"]) for each in listed] == [("gate", True), ("okx", True), ("okx", False)]
    assert listed[1] == {
        "account": "okx",
        "exchange": "okx",
        "where": "file",
        "place": f"the file {file}",
        "is_used": True,
    }


@pytest.mark.parametrize(
    "arguments", [["set", "okx", "--from-stdin"], ["check", "okx"], ["delete", "okx"], ["list"]], ids=" ".join
)
def test_command_with_a_locked_keyring_gives_one_sentence(arguments: list[str]) -> None:
    keyring.set_keyring(FailingKeyring(keyring.errors.KeyringLocked))
    result = credentials(*arguments, lines=LINES)
    assert (result.code, result.out) == (4, "")
    assert result.err.startswith("Error: the keyring is locked")
    assert len(result.err.splitlines()) == 1


def test_set_into_the_file_past_a_locked_keyring_stores_and_tells(file: Path) -> None:
    keyring.set_keyring(FailingKeyring(keyring.errors.KeyringLocked))
    result: Any = credentials("set", "okx", "--where", "file", "--from-stdin", lines=LINES)
    assert result.code == 0
    assert "cannot be used yet: the keyring is locked" in result.out
    assert file.exists()


def test_group_alone_shows_its_help() -> None:
    result = credentials()
    assert result.code == 0
    assert [line.split()[0] for line in result.out.partition("Commands:\n")[2].splitlines()[:4]] == [
        "set",
        "check",
        "delete",
        "list",
    ]
