"""Credentials in the environment, and in the files that containers are handed."""

import os
from pathlib import Path

import pytest

from engine.core.errors import CredentialsError
from engine.exchanges.credentials import Credentials, Secret
from engine.runtime.credentials import find_credentials, known_accounts, load_credentials
from tests.credentials.canaries import API_KEY, API_SECRET, KEYS, PASSPHRASE, seen, told_by

Patch = pytest.MonkeyPatch


def secret_file(folder: Path, name: str, text: str | bytes, mode: int = 0o444) -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return str(path)


def test_keys_in_variables_are_found(monkeypatch: Patch) -> None:
    monkeypatch.setenv("KRYPTO_MY_OKX_API_KEY", API_KEY)
    monkeypatch.setenv("KRYPTO_MY_OKX_API_SECRET", API_SECRET)
    monkeypatch.setenv("KRYPTO_MY_OKX_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("KRYPTO_MY_OKX_EXCHANGE", "okx")
    for account in ("my_okx", "my-okx"):
        found = find_credentials(account)
        assert (found.account, found.exchange, found.credentials) == (account, "okx", KEYS)
        assert found.place == "the environment (KRYPTO_MY_OKX_API_KEY)"
    assert [each.account for each in known_accounts()] == ["my_okx"]


@pytest.mark.parametrize("mode", [0o400, 0o444, 0o600, 0o644])
def test_keys_in_files_that_variables_name_are_found_also_through_links(
    tmp_path: Path, monkeypatch: Patch, mode: int
) -> None:
    key = secret_file(tmp_path, "key", API_KEY + "\n", mode)
    (tmp_path / "link").symlink_to(key)
    monkeypatch.setenv("KRYPTO_OKX_API_KEY_FILE", str(tmp_path / "link"))
    monkeypatch.setenv("KRYPTO_OKX_API_SECRET_FILE", secret_file(tmp_path, "secret", f"\ufeff{API_SECRET}\r\n", mode))
    monkeypatch.setenv("KRYPTO_OKX_PASSPHRASE", PASSPHRASE)
    assert load_credentials("okx") == (KEYS, "the environment (KRYPTO_OKX_API_KEY)")
    assert [each.account for each in known_accounts()] == ["okx"]


def test_variable_that_is_empty_counts_as_not_set(monkeypatch: Patch) -> None:
    for name in ("API_KEY", "API_SECRET", "PASSPHRASE", "API_KEY_FILE"):
        monkeypatch.setenv(f"KRYPTO_OKX_{name}", "")
    assert known_accounts() == []
    with pytest.raises(CredentialsError, match="there are no keys for okx"):
        load_credentials("okx")


@pytest.mark.parametrize("spelling", ["BINANCE_US", "BINANCEUS"])
def test_account_under_any_name_of_its_exchange_is_found(monkeypatch: Patch, spelling: str) -> None:
    monkeypatch.setenv(f"KRYPTO_{spelling}_API_KEY", "k")
    monkeypatch.setenv(f"KRYPTO_{spelling}_API_SECRET", "s")
    assert load_credentials("binanceus")[0] == Credentials(Secret("k"), Secret("s"))
    assert [each.account for each in known_accounts()] == ["binanceus"]


@pytest.mark.parametrize(
    ("given", "lacks"),
    [("API_KEY", "no API secret"), ("API_SECRET", "no API key"), ("PASSPHRASE", "neither")],
)
def test_keys_given_by_half_are_refused(monkeypatch: Patch, given: str, lacks: str) -> None:
    monkeypatch.setenv(f"KRYPTO_OKX_{given}", API_KEY)
    with pytest.raises(CredentialsError, match=lacks) as caught:
        load_credentials("okx")
    assert "KRYPTO_OKX_API_KEY" in str(caught.value)
    assert seen(told_by(caught.value)) == []


def test_value_given_twice_is_refused(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setenv("KRYPTO_OKX_API_KEY", API_KEY)
    monkeypatch.setenv("KRYPTO_OKX_API_KEY_FILE", secret_file(tmp_path, "key", API_KEY))
    with pytest.raises(CredentialsError, match="both set") as caught:
        load_credentials("okx")
    assert seen(told_by(caught.value)) == []


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("missing", "No such file"),
        ("folder", "not a regular file"),
        ("pipe", "not a regular file"),
        ("loose", "changed by anyone"),
        ("large", "16 KiB"),
        ("bytes", "UTF-8"),
    ],
)
def test_file_of_a_variable_that_cannot_be_used_is_refused(
    tmp_path: Path, monkeypatch: Patch, kind: str, word: str
) -> None:
    path = tmp_path / "key"
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "loose":
            secret_file(tmp_path, "key", API_KEY, 0o666)
        case "large":
            secret_file(tmp_path, "key", API_KEY * 2000)
        case "bytes":
            secret_file(tmp_path, "key", b"\xff" + API_KEY.encode())
        case _:
            assert kind == "missing"
    monkeypatch.setenv("KRYPTO_OKX_API_KEY_FILE", str(path))
    with pytest.raises(CredentialsError, match=word) as caught:
        load_credentials("okx")
    assert "KRYPTO_OKX_API_KEY_FILE" in str(caught.value)
    assert seen(told_by(caught.value)) == []


@pytest.mark.parametrize(
    "name", ["KRYPTO_API_KEY", "KRYPTO__API_KEY", "krypto_okx_api_key", "KRYPTO_CREDENTIALS_FILES"]
)
def test_variable_that_names_no_account_is_left_alone(monkeypatch: Patch, name: str) -> None:
    monkeypatch.setenv(name, "x")
    assert known_accounts() == []
