"""Where keys are looked up, in which order, what is refused about them, and what is said when there are none."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.core.errors import CredentialsError
from engine.exchanges.credentials import Credentials, Secret
from engine.runtime.credentials import (
    delete_credentials,
    find_credentials,
    known_accounts,
    load_credentials,
    store_credentials,
)
from engine.runtime.credentials_entry import LONGEST
from tests.credentials.canaries import API_KEY, API_SECRET, KEYS, PASSPHRASE, seen, told_by
from tests.credentials.conftest import FileOf
from tests.credentials.keyrings import MemoryKeyring

PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE abc+/=\n-----END EC PRIVATE KEY-----"


def keys(text: str) -> Credentials:
    return Credentials(Secret(f"{text}-key"), Secret(f"{text}-secret"))


def in_environment(patch: pytest.MonkeyPatch, account: str, text: str) -> None:
    patch.setenv(f"KRYPTO_{account.upper()}_API_KEY", f"{text}-key")
    patch.setenv(f"KRYPTO_{account.upper()}_API_SECRET", f"{text}-secret")


@pytest.mark.spec(
    "keys come from the keyring, else a private file, else the environment", section="Files and interfaces"
)
@pytest.mark.usefixtures("memory")
def test_keys_in_several_places_are_taken_from_keyring_then_file_then_environment(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_environment(monkeypatch, "okx", "environment")
    store_credentials("okx", keys("file"), "file")
    store_credentials("okx", keys("keyring"), "keyring")
    assert [(each.where, each.is_used) for each in known_accounts()] == [
        ("keyring", True),
        ("file", False),
        ("environment", False),
    ]
    assert load_credentials("okx") == (keys("keyring"), "the keyring (keyrings MemoryKeyring)")
    assert delete_credentials("okx") == ("the keyring (keyrings MemoryKeyring)", f"the file {file}")
    assert load_credentials("okx") == (keys("environment"), "the environment (KRYPTO_OKX_API_KEY)")
    store_credentials("okx", keys("file"), "file")
    assert load_credentials("okx") == (keys("file"), f"the file {file}")


def test_keys_that_are_nowhere_give_a_sentence_with_three_ways_and_the_command(file: Path) -> None:
    with pytest.raises(CredentialsError) as caught:
        load_credentials("okx")
    told = str(caught.value)
    assert "keyring" in told
    assert str(file) in told
    assert "KRYPTO_OKX_API_KEY" in told
    assert "krypto-engine credentials set okx" in told
    assert "\n" not in told


@pytest.mark.parametrize("where", ["keyring", "file"])
@pytest.mark.usefixtures("memory")
def test_keys_stored_come_back_as_they_were(where: Any) -> None:
    store_credentials("main", KEYS, where, "binance_us")
    found = find_credentials("main")
    assert (found.account, found.exchange, found.where, found.credentials) == ("main", "binanceus", where, KEYS)
    assert seen(repr(found)) == []


@pytest.mark.usefixtures("memory")
def test_keys_stored_without_a_place_go_to_the_keyring() -> None:
    assert store_credentials("okx", KEYS)[0] == "keyring"


def test_keys_stored_without_a_place_go_to_the_file_where_there_is_no_keyring() -> None:
    assert store_credentials("okx", KEYS)[0] == "file"


def test_keys_stored_again_replace_the_old_ones_and_keep_the_exchange() -> None:
    store_credentials("main", keys("old"), "file", "kraken")
    store_credentials("main", keys("new"), "file")
    found = find_credentials("main")
    assert (found.exchange, found.credentials) == ("kraken", keys("new"))
    store_credentials("main", keys("new"), "file", "okx")
    assert find_credentials("main").exchange == "okx"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=200),
    phrase=st.text(st.characters(codec="utf-8"), max_size=50).filter(lambda text: text.isprintable()),
    where=st.sampled_from(["keyring", "file"]),
)
def test_any_printable_keys_survive_every_store(text: str, phrase: str, where: Any, memory: MemoryKeyring) -> None:
    given_keys = Credentials(Secret(text), Secret(text[::-1]), Secret(phrase))
    store_credentials("okx", given_keys, where)
    found = find_credentials("okx").credentials
    assert (found.api_key, found.secret) == (given_keys.api_key, given_keys.secret)
    assert (found.passphrase or Secret("")).reveal() == phrase.strip()
    delete_credentials("okx")
    assert memory.get_password("krypto-engine", "okx") is None


@pytest.mark.parametrize(
    "text", [f"  {API_KEY}", f"{API_KEY}\n", f"\t{API_KEY}\r\n ", f"\u00a0{API_KEY}\u2003"], ids=repr
)
def test_blanks_around_a_pasted_key_are_taken_off(text: str) -> None:
    store_credentials("okx", Credentials(Secret(text), Secret(API_SECRET + "\n"), Secret(" ")), "file")
    assert find_credentials("okx").credentials == Credentials(Secret(API_KEY), Secret(API_SECRET))


FAULTS: list[Any] = [
    pytest.param(API_KEY + "\n" + API_KEY, API_SECRET, None, "line break", id="line break"),
    pytest.param(API_KEY + "\0", API_SECRET, None, "control character", id="zero"),
    pytest.param(API_KEY, API_SECRET + "\x1b[31m.", None, "control character", id="escape"),
    pytest.param(API_KEY + "\u200b", API_SECRET, None, "control character", id="invisible"),
    pytest.param(API_KEY, API_SECRET + "\ud800", None, "control character", id="half a letter"),
    pytest.param(API_KEY, API_SECRET, PASSPHRASE + "\x07", "passphrase", id="bell in passphrase"),
    pytest.param(API_KEY + " x", API_SECRET, None, "API key", id="blank"),
    pytest.param(API_KEY, API_SECRET + "é", None, "API secret", id="letter"),
    pytest.param(API_KEY * LONGEST, API_SECRET, None, "longer than 4096", id="too long"),
    pytest.param(API_KEY, API_SECRET, PASSPHRASE * LONGEST, "longer than 4096", id="passphrase too long"),
    pytest.param(API_KEY, "", None, "no API secret", id="no secret"),
    pytest.param(" ", API_SECRET, PASSPHRASE, "no API key", id="no key"),
    pytest.param("", "", PASSPHRASE, "neither", id="passphrase alone"),
    pytest.param(API_KEY, PEM[:-9] + API_SECRET, None, "not whole", id="private key cut off"),
]


@pytest.mark.parametrize(("key", "secret", "phrase", "names"), FAULTS)
def test_keys_that_cannot_be_right_are_refused_unseen(
    file: Path, key: str, secret: str, phrase: str | None, names: str
) -> None:
    odd = Credentials(Secret(key), Secret(secret), None if phrase is None else Secret(phrase))
    with pytest.raises(CredentialsError) as caught:
        store_credentials("okx", odd, "file")
    assert names in str(caught.value)
    assert "okx" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert seen(told_by(caught.value)) == []
    assert not file.exists()


@pytest.mark.parametrize("text", [PEM, PEM.replace("\n", "\\n"), PEM.replace("\n", "\r\n") + "\n"], ids=repr)
def test_private_key_of_several_lines_is_kept_with_its_lines(text: str) -> None:
    store_credentials("coinbase", Credentials(Secret("organizations/a/apiKeys/b"), Secret(text)), "file")
    assert find_credentials("coinbase").credentials.secret.reveal() == PEM


def test_longest_key_is_taken() -> None:
    longest = Credentials(Secret("k" * LONGEST), Secret("s" * LONGEST), Secret("p" * LONGEST))
    store_credentials("okx", longest, "file")
    assert find_credentials("okx").credentials == longest


@pytest.mark.parametrize(
    "name", ["", "Okx", "a.b", "../okx", "a/b", "a b", "-a", "a" * 65, "\0", "okx\n", API_KEY, "con"]
)
def test_name_that_is_none_is_refused_without_being_shown(file: Path, name: str) -> None:
    calls: list[Any] = [
        lambda: load_credentials(name),
        lambda: store_credentials(name, KEYS, "file"),
        lambda: delete_credentials(name),
        lambda: store_credentials("okx", KEYS, "file", name or " "),
    ]
    for call in calls:
        with pytest.raises(CredentialsError, match="no name of an account") as caught:
            call()
        assert len(name) < 2 or name not in str(caught.value)
    assert not file.exists()


@pytest.mark.parametrize("spelling", ["binance_us", "binance-us", "binance.us", "binanceus"])
def test_account_under_any_name_of_its_exchange_is_one_account(spelling: str, write: FileOf) -> None:
    store_credentials(spelling, KEYS, "file")
    assert load_credentials("binanceus")[0] == load_credentials(spelling)[0] == KEYS
    write({spelling: {"api_key": "by-hand", "api_secret": "by-hand"}})
    assert load_credentials("binanceus")[0].api_key.reveal() == "by-hand"


def test_delete_of_an_account_without_keys_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CredentialsError, match="no keys are stored for okx"):
        delete_credentials("okx")
    in_environment(monkeypatch, "okx", "environment")
    with pytest.raises(CredentialsError, match="unset KRYPTO_OKX_API_KEY"):
        delete_credentials("okx")


@pytest.mark.usefixtures("memory")
def test_accounts_are_listed_with_exchange_and_place_and_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    assert known_accounts() == []
    store_credentials("one", KEYS, "keyring", "okx")
    store_credentials("two", KEYS, "file")
    in_environment(monkeypatch, "three", "environment")
    monkeypatch.setenv("KRYPTO_THREE_EXCHANGE", "kraken")
    listed = [(each.account, each.exchange, each.where, each.is_used) for each in known_accounts()]
    assert listed == [
        ("one", "okx", "keyring", True),
        ("three", "kraken", "environment", True),
        ("two", "two", "file", True),
    ]
    assert seen(repr(known_accounts())) == []
