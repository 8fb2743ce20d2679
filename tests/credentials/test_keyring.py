"""The keyring: machines without one, one that is locked or broken, and entries that are not ours."""

import json
import subprocess
import sys
from typing import Any

import keyring
import keyring.core
import keyring.errors
import pytest

from engine.core.errors import CredentialsError
from engine.runtime.credentials import (
    delete_credentials,
    find_credentials,
    known_accounts,
    load_credentials,
    store_credentials,
)
from engine.runtime.keychain import SERVICE, keyring_place
from tests.credentials.canaries import API_KEY, API_SECRET, KEYS, PASSPHRASE, seen, told_by
from tests.credentials.keyrings import (
    FailingKeyring,
    ForgetfulKeyring,
    MemoryKeyring,
    PlainFileKeyring,
    WriteFailingKeyring,
    switched_off,
    without,
)

LOADED = "import sys, engine.runtime.credentials; sys.exit('keyring' in sys.modules)"


def test_account_in_the_keyring_is_one_entry_of_json(memory: MemoryKeyring) -> None:
    store_credentials("main", KEYS, "keyring", "okx")
    assert json.loads(memory.held[SERVICE, "main"]) == {
        "exchange": "okx",
        "api_key": API_KEY,
        "api_secret": API_SECRET,
        "passphrase": PASSPHRASE,
    }
    assert memory.held.keys() == {(SERVICE, "main"), (SERVICE, ".accounts")}
    delete_credentials("main")
    assert memory.held.keys() == {(SERVICE, ".accounts")}


@pytest.mark.spec("a machine without a keyring is no fault", section="Files and interfaces")
@pytest.mark.parametrize(
    "backend",
    [without, switched_off, PlainFileKeyring],
    ids=lambda kind: kind.__name__,
)
def test_machine_without_a_keyring_uses_the_other_places_silently(backend: Any, capfd: Any) -> None:
    keyring.set_keyring(backend())
    assert keyring_place() is None
    assert store_credentials("okx", KEYS)[0] == "file"
    assert find_credentials("okx").where == "file"
    assert [each.where for each in known_accounts()] == ["file"]
    assert len(delete_credentials("okx")) == 1
    with pytest.raises(CredentialsError, match="no keyring"):
        store_credentials("okx", KEYS, "keyring")
    assert tuple(capfd.readouterr()) == ("", "")


@pytest.mark.spec("a locked or broken keyring gives one sentence and no secret", section="Files and interfaces")
@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (keyring.errors.KeyringLocked, "locked"),
        (keyring.errors.InitError, "InitError"),
        (RuntimeError, "RuntimeError"),
        (OSError, "OSError"),
    ],
)
def test_keyring_that_fails_gives_one_sentence_with_a_remedy(kind: type[Exception], word: str) -> None:
    keyring.set_keyring(FailingKeyring(kind))
    calls: list[Any] = [
        lambda: load_credentials("okx"),
        lambda: store_credentials("okx", KEYS),
        lambda: delete_credentials("okx"),
        known_accounts,
    ]
    for call in calls:
        with pytest.raises(CredentialsError, match=word) as caught:
            call()
        assert "PYTHON_KEYRING_BACKEND=keyring.backends.null.Keyring" in str(caught.value)
        assert seen(told_by(caught.value)) == []


def test_keyring_that_quotes_the_password_in_its_fault_is_not_passed_on() -> None:
    keyring.set_keyring(WriteFailingKeyring())
    with pytest.raises(CredentialsError, match="PasswordSetError") as caught:
        store_credentials("okx", KEYS)
    assert seen(told_by(caught.value)) == []


def test_keyring_that_forgets_to_delete_is_found_out() -> None:
    keyring.set_keyring(ForgetfulKeyring())
    store_credentials("okx", KEYS)
    with pytest.raises(CredentialsError, match="still holds okx"):
        delete_credentials("okx")


def test_keyring_that_cannot_be_loaded_gives_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring.core, "_keyring_backend", None)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "no.such.Keyring")
    with pytest.raises(CredentialsError, match="cannot be used") as caught:
        load_credentials("okx")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", [API_KEY, "", "[]", '{"api_key": 5}', '{"api_key": "a"', '{"api_key": "a"}', "[" * 100_000], ids=len
)
def test_entry_that_is_not_ours_is_refused_and_can_be_replaced(memory: MemoryKeyring, text: str) -> None:
    memory.set_password(SERVICE, "okx", text)
    with pytest.raises(CredentialsError, match="okx: give both") as caught:
        load_credentials("okx")
    assert seen(told_by(caught.value)) == []
    store_credentials("okx", KEYS, "keyring")
    assert load_credentials("okx")[0] == KEYS


@pytest.mark.parametrize("text", ["", "x", "[]", '{"accounts": 5}', '{"accounts": ["..", "gone", 5]}', "{}"], ids=repr)
def test_list_of_accounts_that_is_damaged_is_made_anew(memory: MemoryKeyring, text: str) -> None:
    memory.set_password(SERVICE, ".accounts", text)
    assert known_accounts() == []
    store_credentials("okx", KEYS, "keyring")
    assert [each.account for each in known_accounts()] == ["okx"]


def test_account_removed_by_another_program_is_not_listed(memory: MemoryKeyring) -> None:
    store_credentials("okx", KEYS, "keyring")
    store_credentials("gate", KEYS, "keyring")
    memory.delete_password(SERVICE, "okx")
    assert [each.account for each in known_accounts()] == ["gate"]


def test_keyring_library_is_loaded_on_first_use_only() -> None:
    assert subprocess.run([sys.executable, "-c", LOADED], timeout=30, check=False).returncode == 0
