"""Hostile names and planted files: no id leaves the state directory, and nothing planted there is opened."""

import os
import random
import re
import stat
from collections.abc import Callable
from pathlib import Path, PureWindowsPath

import pytest

from engine.core.errors import ConfigError, StorageError
from engine.core.identity import is_bot_id
from engine.core.projection import state_file_name
from engine.runtime.config_file import parse_config
from engine.runtime.control import SOCKET_NAME
from engine.runtime.projection_writer import read_file, replace_file
from engine.store.schema import DRAFT_NAME, FILE_NAMES, WITNESS_DRAFT_NAME, WITNESS_NAME
from engine.store.witness import read_witness
from tests.cli.terminal import LIVELY, bot_file, krypto

SPEC = pytest.mark.spec
IDS = 10_000
PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
PIECES = (
    *("..", ".", "/", "\\", "\0", "\n", "\r", " ", "~", "$HOME", "%2e%2e", "%00", ":", "*", "?", "|", "a/../../etc/x"),
    *(
        "con",
        "CON",
        "nul",
        "prn",
        "aux",
        "com1",
        "lpt9",
        "COM1",
        "con.json",
        "a",
        "bot",
        "Bot",
        "0",
        "-",
        "_",
        "x" * 63,
    ),
    *(
        "\u202e",
        "\u200b",
        "\u0130",
        "\u212a",
        "\u00df",
        "\ufb00",
        "\uff0e\uff0e\uff0f",
        "\U0001f600",
        "\x1b[2J",
        "\x9b",
    ),
)
"""Parts of ids: ways out of a folder, devices, characters that fold to others, and honest ones."""


def _hostile_ids() -> list[str]:
    """Give ids of one to four parts, some of them cut, some of arbitrary characters; always the same ones."""
    chance, ids = random.Random("hostile ids"), []
    for _ in range(IDS):
        text = "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 4)))
        if chance.random() < 0.3:
            text = "".join(chr(chance.choice((chance.randrange(0x80), chance.randrange(0xD800)))) for _ in text)
        if chance.random() < 0.3:
            text = "".join(chance.choice("abcxyz019_-") for _ in range(chance.randint(1, 70)))
        ids.append(text)
    return ids


@SPEC("of 10,000 hostile bot ids those taken keep to the pattern and to the directory", section="Names and paths")
def test_hostile_bot_ids_are_refused_or_stay_in_the_directory(tmp_path: Path) -> None:
    ids = _hostile_ids()
    taken = [each for each in ids if is_bot_id(each)]
    assert 500 < len(taken) < len(ids) - 500
    for each in taken:
        assert PATTERN.fullmatch(each)
        path = tmp_path / state_file_name(each)
        assert path.resolve().parent == tmp_path.resolve()
        for windows in (PureWindowsPath(each), PureWindowsPath(path.name)):
            assert windows.name == str(windows)
            assert windows.stem.upper() not in {"CON", "PRN", "AUX", "NUL", *(f"COM{n}" for n in range(1, 10))}
    refused = [each for each in ids if not is_bot_id(each)]
    devices = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
    assert [each for each in refused if PATTERN.fullmatch(each) and each not in devices] == []


@SPEC("no two bot ids differ in capitals alone", section="Names and paths")
def test_bot_ids_that_are_taken_stay_themselves_when_case_is_folded() -> None:
    taken = {each for each in _hostile_ids() if is_bot_id(each)}
    assert {each.casefold() for each in taken} == taken
    assert len({state_file_name(each).casefold() for each in taken}) == len(taken)


@pytest.mark.parametrize("symbol", ["../USD", "BTC/../../x", "/USD", "BTC/US\0D", "btc/usd", "BTC/U\u202eSD"])
def test_config_whose_symbol_would_make_a_hostile_id_is_refused(symbol: str) -> None:
    with pytest.raises(ConfigError, match=r"symbol|bot_id"):
        parse_config(f"exchange: simulated\nsymbol: {symbol!r}\n", "test")


def test_config_with_a_symbol_without_end_has_an_id_that_fits() -> None:
    assert is_bot_id(parse_config(f"exchange: simulated\nsymbol: {'A' * 90}/B\n", "test").config.bot_id)


# --- what is planted in the directory


def _link(path: Path, target: Path) -> None:
    path.symlink_to(target)


def _hard_link(path: Path, target: Path) -> None:
    path.hardlink_to(target)


def _pipe(path: Path, _target: Path) -> None:
    os.mkfifo(path)


def _loose_file(path: Path, _target: Path) -> None:
    path.write_text("old")
    path.chmod(0o666)


PLANTS: dict[str, Callable[[Path, Path], None]] = {
    "link": _link,
    "hard link": _hard_link,
    "pipe": _pipe,
    "loose file": _loose_file,
}


@SPEC("what is planted under the name of a state file, final or temporary, is not opened", section="Names and paths")
@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS)
@pytest.mark.parametrize("name", ["state.json", ".state.json.new"])
def test_state_file_is_written_past_what_was_planted(
    tmp_path: Path, name: str, plant: Callable[[Path, Path], None]
) -> None:
    target, path = tmp_path / "target", tmp_path / "state.json"
    target.write_text("precious")
    plant(tmp_path / name, target)
    replace_file(path, b"new", synced=False)
    found = path.lstat()
    assert stat.S_ISREG(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert (path.read_bytes(), target.read_text()) == (b"new", "precious")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["state.json", "target"]


def test_state_file_whose_temporary_name_is_a_directory_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / ".state.json.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        replace_file(tmp_path / "state.json", b"new", synced=False)
    assert not (tmp_path / "state.json").exists()


@pytest.mark.parametrize("plant", [_link, _pipe], ids=["link", "pipe"])
def test_reader_of_a_planted_file_neither_waits_nor_follows(
    tmp_path: Path, plant: Callable[[Path, Path], None]
) -> None:
    target, path = tmp_path / "target", tmp_path / WITNESS_NAME
    target.write_text("precious")
    plant(path, target)
    assert read_file(path) is None
    with pytest.raises(StorageError, match=r"events\.head could not be read"):
        read_witness(path)


@SPEC("a run past planted files trades, keeps its state file, and touches nothing else", section="Names and paths")
@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS)
def test_run_in_a_directory_with_planted_state_files_ends_well(
    tmp_path: Path, plant: Callable[[Path, Path], None]
) -> None:
    state, target = tmp_path / "state", tmp_path / "target"
    state.mkdir()
    target.write_text("precious")
    for name in ("bot_state_bot.json", ".bot_state_bot.json.new", DRAFT_NAME, WITNESS_DRAFT_NAME):
        plant(state / name, target)
    path = bot_file(tmp_path, **LIVELY)
    assert krypto("run", "-c", path, "--speed", "max", "--for", "1h").code == 0
    assert krypto("replay", "bot", "--verify", "--state-dir", state).code == 0
    found = (state / "bot_state_bot.json").lstat()
    assert (stat.S_ISREG(found.st_mode), stat.S_IMODE(found.st_mode)) == (True, 0o600)
    left = {each.name: stat.S_IMODE(each.lstat().st_mode) for each in state.iterdir()}
    assert left.keys() <= {*FILE_NAMES, "bot_state_bot.json"}
    assert set(left.values()) == {0o600}
    assert target.read_text() == "precious"


@pytest.mark.parametrize("plant", [_link, _pipe, _loose_file], ids=["link", "pipe", "file"])
def test_run_with_something_in_place_of_the_control_socket_is_refused(
    tmp_path: Path, plant: Callable[[Path, Path], None]
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "target").write_text("precious")
    plant(tmp_path / "state" / SOCKET_NAME, tmp_path / "target")
    result = krypto("run", "-c", bot_file(tmp_path), "--speed", "max", "--for", "1m")
    assert (result.code, len(result.err.splitlines())) == (1, 1)
    assert "control socket" in result.err
    assert (tmp_path / "target").read_text() == "precious"
