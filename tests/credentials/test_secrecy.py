"""Canaries as keys, and a search for them in all that the program prints, writes and raises."""

import copy
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from cli.main import VERBS, cli
from engine.exchanges.credentials import Secret
from engine.runtime.credentials import find_credentials, known_accounts, load_credentials, store_credentials
from tests.cli.terminal import bot_file
from tests.credentials.canaries import API_KEY, API_SECRET, KEYS, LINES, PASSPHRASE, seen, spellings, told_by
from tests.credentials.conftest import FileOf

ROOT = Path(__file__).parents[2]
MAIN = "import sys; sys.argv[0] = 'krypto-engine'; from cli.main import main; main()"
BROKEN = f"okx:\n  api_key: *{API_KEY}\n  api_secret: [{API_SECRET}]\n"


def program(*arguments: str, lines: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program as a process without a keyring."""
    return subprocess.run(
        [sys.executable, "-c", MAIN, *arguments],
        input=lines,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def test_canary_is_found_in_every_spelling() -> None:
    for canary in (API_KEY, API_SECRET, PASSPHRASE):
        for spelling in spellings(canary):
            assert seen(f"before {spelling} after")
        assert seen(json.dumps({"a": [canary]}))
        assert seen(msgspec.json.encode(canary).decode())
    assert seen("an honest text") == []


@pytest.mark.spec("secrets never stand in a configuration and are never printed", section="Files and interfaces")
def test_program_with_keys_in_every_place_shows_none_in_any_command(tmp_path: Path, file: Path) -> None:
    environment = {"KRYPTO_GATE_API_KEY": API_KEY, "KRYPTO_GATE_API_SECRET": API_SECRET, "KRYPTO_GATE_PASSPHRASE": "x"}
    told = []
    for verbose, flags in ((["-v"], list[str]()), (list[str](), ["--json"])):
        runs: list[tuple[list[str], str, int]] = [
            (["set", "okx", "--from-stdin"], LINES, 0),
            (["set", "okx", "--from-stdin"], LINES + LINES, 2),
            (["set", "okx", "--from-stdin"], API_KEY, 4),
            (["set", API_KEY, API_SECRET], "", 2),
            (["check", "okx", "--offline"], "", 0),
            (["check", "gate", "--offline"], "", 0),
            (["check", "kraken", "--offline"], "", 4),
            (["list"], "", 0),
            (["delete", "okx"], "", 0),
            (["delete", "gate"], "", 4),
        ]
        for arguments, lines, code in runs:
            done = program(*verbose, "credentials", *arguments, *flags, lines=lines, **environment)
            assert done.returncode == code, done
            assert done.stderr.startswith("Traceback") == bool(verbose and code)
            told.append(done.stdout + done.stderr)
            if flags and done.stdout:
                json.loads(done.stdout)
    assert seen("\n".join(told)) == []
    assert not file.exists()
    assert list(tmp_path.rglob("*.yml")) == []


def test_program_with_a_broken_file_of_keys_quotes_none_of_it(write: FileOf) -> None:
    write(BROKEN)
    for verbose in ([], ["-v"]):
        for arguments in (["list"], ["check", "okx", "--offline"], ["delete", "okx"]):
            done = program(*verbose, "credentials", *arguments)
            assert done.returncode == 4
            assert "line 2" in done.stderr
            assert seen(done.stdout + done.stderr) == []


def test_engine_run_with_keys_at_hand_leaves_none_in_its_directory(tmp_path: Path) -> None:
    store_credentials("okx", KEYS, "file")
    names = {"KRYPTO_SIMULATED_API_KEY": API_KEY, "KRYPTO_SIMULATED_API_SECRET": API_SECRET}
    done = program("-v", "run", "-c", str(bot_file(tmp_path)), "--speed", "max", "--for", "30m", **names)
    assert done.returncode == 0, done.stderr
    files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert files
    assert seen(done.stdout + done.stderr + "".join(path.read_bytes().decode("latin-1") for path in files)) == []


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.chmod(0o644), id="loose"),
        pytest.param(lambda path: path.write_text(BROKEN), id="broken"),
        pytest.param(lambda path: path.write_bytes(b"\xff" + BROKEN.encode()), id="bytes"),
        pytest.param(lambda path: path.write_text(f"okx:\n  api_key: '{API_SECRET[:20]} {PASSPHRASE}'"), id="odd"),
        pytest.param(lambda path: path.write_text(f"okx:\n  {API_SECRET}"), id="no-fields"),
    ],
)
def test_fault_about_the_file_carries_no_key_in_any_frame(write: FileOf, spoil: Any) -> None:
    spoil(write({"okx": {"api_key": API_KEY, "api_secret": API_SECRET}}))
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any fault that comes out is judged
        load_credentials("okx")
    assert seen(told_by(caught.value)) == []


def test_what_was_found_can_be_shown_logged_and_encoded_without_keys() -> None:
    store_credentials("okx", KEYS, "file")
    found = find_credentials("okx")
    texts = [repr(found), str(found), f"{found}", f"{found.credentials!r:>50}", repr(known_accounts())]
    for encode in (msgspec.json.encode, json.dumps, pickle.dumps, copy.deepcopy, msgspec.to_builtins):
        with pytest.raises(TypeError) as caught:
            encode(found.credentials)
        texts.append(f"{caught.value} {caught.value.args}")
    assert isinstance(found.credentials.secret, Secret)
    assert seen("\n".join(texts)) == []


def test_no_verb_takes_a_key_as_an_option() -> None:
    group = cli.get_command(click.Context(cli), "credentials")
    assert isinstance(group, click.Group)
    assert "credentials" in VERBS
    for command in group.commands.values():
        options = {option for parameter in command.params for option in parameter.opts}
        assert options <= {"account", "--exchange", "--where", "--from-stdin", "--offline", "--json"}
