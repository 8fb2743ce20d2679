"""The file of credentials: who may read it, where it may not be, what is no such file, and how it is replaced."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.core.errors import CredentialsError
from engine.exchanges.credentials import Credentials, Secret
from engine.runtime.credentials import delete_credentials, find_credentials, known_accounts, store_credentials
from engine.runtime.credentials_file import MAX_BYTES, credentials_path
from tests.cli.terminal import umask
from tests.credentials.canaries import API_KEY, API_SECRET, KEYS, PASSPHRASE, seen, told_by
from tests.credentials.conftest import FileOf

GOOD: dict[str, object] = {"okx": {"api_key": API_KEY, "api_secret": API_SECRET, "passphrase": PASSPHRASE}}
HEAD = "okx:\n  api_key: a\n  api_secret: "
STORE_MANY = """
import sys
from engine.exchanges.credentials import Credentials, Secret
from engine.runtime.credentials import store_credentials
for number in range(20):
    store_credentials(f"{sys.argv[1]}{number}", Credentials(Secret("k"), Secret("s")), "file")
"""


def refused(*names: str) -> None:
    """Check that the file is refused at every use, in one sentence with these words and without keys."""
    calls: list[Any] = [
        lambda: find_credentials("okx"),
        known_accounts,
        lambda: store_credentials("okx", KEYS, "file"),
        lambda: delete_credentials("okx"),
    ]
    for call in calls:
        with pytest.raises(CredentialsError) as caught:
            call()
        told = str(caught.value)
        assert "\n" not in told
        for name in names:
            assert name in told
        assert seen(told_by(caught.value)) == []


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.spec("the file of keys is open to its owner alone", section="Files and interfaces")
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_file_as_written_is_open_to_its_owner_alone(file: Path, mask: int) -> None:
    file.parent.parent.mkdir()
    if mask != 0o777:
        with umask(mask):
            store_credentials("okx", KEYS, "file")
        assert mode_of(file.parent) == 0o700
    else:
        file.parent.mkdir()
        with umask(mask):
            store_credentials("okx", KEYS, "file")
    store_credentials("kraken", KEYS, "file")
    assert mode_of(file) == 0o600
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_file_that_only_its_owner_can_read_is_taken(write: FileOf, mode: int) -> None:
    write(GOOD, mode)
    assert find_credentials("okx").credentials == KEYS


@pytest.mark.spec("keys that others could read are refused", section="Files and interfaces")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o602, 0o610, 0o700, 0o4600, 0o777], ids=oct)
def test_file_that_others_may_use_is_refused(write: FileOf, mode: int) -> None:
    path = write(GOOD, mode)
    refused(str(path), f"{mode:04o}", "chmod 600")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_file_of_somebody_else_is_refused(write: FileOf) -> None:
    os.chown(write(GOOD), 12345, -1)
    refused("belongs to user 12345")


@pytest.mark.parametrize("is_dangling", [False, True])
def test_file_that_is_a_link_is_refused(write: FileOf, tmp_path: Path, is_dangling: bool) -> None:
    path = write(GOOD)
    target = tmp_path / "elsewhere.yml"
    path.rename(target)
    path.symlink_to(target)
    if is_dangling:
        target.unlink()
    refused("symbolic link", "KRYPTO_CREDENTIALS_FILE")


def test_file_that_is_a_folder_or_a_pipe_is_refused_at_once(file: Path) -> None:
    file.mkdir(parents=True)
    refused("not a regular file")
    file.rmdir()
    os.mkfifo(file, 0o600)
    refused("not a regular file")


@pytest.mark.spec("keys inside a git work tree are refused", section="Files and interfaces")
@pytest.mark.parametrize("kind", ["repository", "worktree", "through a link"])
def test_file_in_a_git_work_tree_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: FileOf, kind: str
) -> None:
    tree = tmp_path / "project"
    (tree / "deep" / "er").mkdir(parents=True)
    if kind == "worktree":
        (tree / ".git").write_text("gitdir: elsewhere")
    else:
        (tree / ".git").mkdir()
    folder = tree / "deep" / "er"
    if kind == "through a link":
        (tmp_path / "link").symlink_to(folder)
        folder = tmp_path / "link"
    monkeypatch.setenv("KRYPTO_CREDENTIALS_FILE", str(folder / "keys.yml"))
    with pytest.raises(CredentialsError, match="git work tree"):
        store_credentials("okx", KEYS, "file")
    assert not (folder / "keys.yml").exists()
    write(GOOD).rename(folder / "keys.yml")
    refused("git work tree", str(tree), "KRYPTO_CREDENTIALS_FILE")


def test_file_is_the_named_one_or_that_of_the_desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert credentials_path() == tmp_path / "config/krypto-engine/credentials.yml"
    for base in ("", "relative/path"):
        monkeypatch.setenv("XDG_CONFIG_HOME", base)
        assert credentials_path() == tmp_path / ".config/krypto-engine/credentials.yml"
    monkeypatch.setenv("KRYPTO_CREDENTIALS_FILE", "~/keys.yml")
    assert credentials_path() == tmp_path / "keys.yml"
    store_credentials("okx", KEYS, "file")
    assert find_credentials("okx").place == f"the file {tmp_path}/keys.yml"
    assert mode_of(tmp_path / "keys.yml") == 0o600


TEXTS: list[Any] = [
    pytest.param("just words", ["accounts"], id="words"),
    pytest.param("- okx", ["accounts"], id="list"),
    pytest.param(f"okx: {API_SECRET}x", ["line 1"], id="key for fields"),
    pytest.param(HEAD + f"[{API_KEY}, b", ["line", "YAML"], id="bracket left open"),
    pytest.param(HEAD + f"'{API_KEY}", ["line", "YAML"], id="quote left open"),
    pytest.param(HEAD + f"*{API_KEY}", ["YAML"], id="alias of a key"),
    pytest.param(HEAD + f"&{API_KEY} b", ["YAML"], id="anchor of a key"),
    pytest.param(HEAD + "&a b\nkraken:\n  api_key: *a", ["quotes"], id="alias"),
    pytest.param(HEAD + f"%{API_KEY}", ["YAML"], id="directive"),
    pytest.param(HEAD + f"{API_KEY}\n  api_key: {API_KEY}", ["line 4", "once"], id="key twice"),
    pytest.param("okx: {}\nokx: {}", ["line 2", "once"], id="account twice"),
    pytest.param("binance_us: {}\nbinanceus: {}", ["line 2", "twice"], id="account twice by two names"),
    pytest.param(f"okx:\n  {API_KEY}: x", ["line 2", "api_key, api_secret, passphrase"], id="unknown field"),
    pytest.param(f"okx:\n  api_key: [{API_KEY}]", ["line 2", "one value"], id="list for a key"),
    pytest.param(f"{API_KEY}:\n  api_key: x", ["line 2", "account"], id="key for a name"),
    pytest.param("a.b: {}", ["account"], id="name with a point"),
    pytest.param(HEAD + "{a: " * 9 + "1" + "}" * 9, ["deep"], id="too deep"),
    pytest.param("[" * 30_000, ["deep"], id="very deep"),
    pytest.param("okx: {}\n---\nkraken: {}", ["YAML"], id="two documents"),
    pytest.param(HEAD + "a\n\tb: c", ["YAML"], id="tab"),
    pytest.param(HEAD + "a\0", ["YAML"], id="zero"),
    pytest.param(b"okx:\n  api_key: \xff\xfe", ["UTF-8"], id="bytes"),
    pytest.param("#" * (MAX_BYTES + 1), ["64 KiB"], id="too large"),
]


@pytest.mark.parametrize(("text", "names"), TEXTS)
def test_file_that_holds_no_accounts_is_refused_without_quoting_it(
    write: FileOf, text: str | bytes, names: list[str]
) -> None:
    path = write(text)
    before = path.read_bytes()
    refused(str(path), *names)
    assert path.read_bytes() == before


def test_file_with_a_python_object_runs_nothing(write: FileOf, tmp_path: Path) -> None:
    write(f"okx:\n  api_key: !!python/object/apply:os.mkdir [{tmp_path}/made]\n  api_secret: s")
    refused("line 2")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "~", "null", "{}"], ids=repr)
def test_file_with_nothing_in_it_is_no_fault(write: FileOf, text: str) -> None:
    write(text)
    assert known_accounts() == []
    store_credentials("okx", KEYS, "file")
    assert find_credentials("okx").credentials == KEYS


@pytest.mark.parametrize(
    "text", ["0123", "1e5", "1_000", "yes", "0x10", "12:30", "2025-01-01", "1.50", "'~'"], ids=repr
)
def test_value_that_yaml_would_change_stays_as_it_was_written(write: FileOf, text: str) -> None:
    write(f"okx:\n  api_key: {text}\n  api_secret: {text}\n  passphrase: null\n")
    assert find_credentials("okx").credentials == Credentials(Secret(text.strip("'")), Secret(text.strip("'")))


def test_account_with_half_its_keys_is_refused_and_does_not_hide_others(write: FileOf) -> None:
    write({**GOOD, "kraken": {"api_key": API_KEY}, "gate": {"api_secret": API_SECRET}, "bybit": {}})
    assert find_credentials("okx").credentials == KEYS
    assert len(known_accounts()) == 4
    for name, lacks in {"kraken": "no API secret", "gate": "no API key", "bybit": "neither"}.items():
        with pytest.raises(CredentialsError, match=lacks) as caught:
            find_credentials(name)
        assert name in str(caught.value)
        assert seen(told_by(caught.value)) == []


def test_file_is_gone_with_its_last_account(file: Path) -> None:
    store_credentials("okx", KEYS, "file")
    store_credentials("kraken", KEYS, "file")
    delete_credentials("okx")
    assert [each.account for each in known_accounts()] == ["kraken"]
    delete_credentials("kraken")
    assert list(file.parent.iterdir()) == []


def test_rest_of_a_crash_is_replaced_and_no_trap(file: Path, tmp_path: Path) -> None:
    file.parent.mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (file.parent / ".credentials.new").symlink_to(victim)
    store_credentials("okx", KEYS, "file")
    assert victim.read_text() == "mine"
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_file_that_cannot_be_replaced_stays_and_nothing_is_left_beside_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_credentials("okx", KEYS, "file")
    before = file.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CredentialsError, match="No space left") as caught:
        store_credentials("kraken", KEYS, "file")
    assert seen(told_by(caught.value)) == []
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_commands_that_store_at_once_lose_nothing(file: Path) -> None:
    running = [subprocess.Popen([sys.executable, "-c", STORE_MANY, name]) for name in ("a", "b", "c")]
    assert [each.wait(30) for each in running] == [0, 0, 0]
    assert len(known_accounts()) == 60
    assert mode_of(file) == 0o600
