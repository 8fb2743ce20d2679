"""Hostile configuration text: refused at once, in one sentence, with nothing run and nothing expanded."""

import time
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import yaml

from engine.core.config import BotConfig, Fees, Risk
from engine.core.config_rules import RANGES, STRATEGY_RANGES
from engine.core.errors import ConfigError
from engine.core.events import BotCreated
from engine.runtime.config_file import MAX_BYTES, MAX_RECORDED, parse_config
from engine.runtime.exact_yaml import MAX_DEPTH
from engine.store.codec import MAX_BODY_BYTES, encode
from engine.store.port import Entry
from engine.store.reader import LogReader
from tests.cli.terminal import bot_file, krypto

SPEC = pytest.mark.spec
HEAD = "exchange: simulated\nsymbol: BTC/USD\n"
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{now}: &{now} [{', '.join([f'*{before}'] * 9)}]\n" for before, now in zip("abcdefgh", "bcdefghi", strict=True)
)

BOMBS: dict[str, tuple[str, str]] = {
    "laughs": (LAUGHS + HEAD, "aliases"),
    "an alias to itself": (HEAD + "market: &m {a: *m}", "aliases"),
    "a merge": (HEAD + "<<: {budget: 500}", "merges"),
    "a merge of many": (HEAD + "fees: {<<: [{maker: 1}, {maker: 2}]}", "merges"),
    "deep flow": (HEAD + "market: " + "[" * 30_000, f"{MAX_DEPTH} levels"),
    "deep blocks": (HEAD + "".join(" " * at + "a:\n" for at in range(200)), "levels"),
    "too large": (HEAD + "#" * MAX_BYTES, "64 KiB"),
    "too many keys": (HEAD + "market: {" + ", ".join(f"{at:x}: 1" for at in range(7_000)) + "}", "4096 keys"),
    "one key many times": (HEAD + "fees: {" + "maker: 1, " * 1_500 + "}", "twice"),
    "a key twice in other words": (HEAD + "budget: 500\n'budget': 600", "twice"),
    "escapes that grow": (HEAD + 'name: "' + "\\e" * 30_000 + '"', "KiB"),
    "hosts that grow": (HEAD + f"connectivity_hosts: [{', '.join(['a' * 14 + ':1'] * 3_000)}]", "KiB"),
    "python": (HEAD + "name: !!python/object/apply:os.system ['echo x']", "YAML"),
    "python name": (HEAD + "name: !!python/name:os.system", "YAML"),
    "python new": (HEAD + "name: !!python/object/new:os.system [x]", "YAML"),
    "a tag of its own": (HEAD + "name: !run 'x'", "YAML"),
    "environment": (HEAD + "name: !!env HOME", "YAML"),
    "a file": (HEAD + "name: !include /etc/passwd", "YAML"),
    "a digit too many": (HEAD + "budget: " + "9" * 10_000, "value"),
    "an exponent": (HEAD + "budget: 1.0e+999999999", "finite"),
    "an exponent as text": (HEAD + "budget: '1e999999999'", "finite"),
}


@SPEC("YAML that grows, nests, merges, repeats or names code is refused quickly", section="Configuration text")
@pytest.mark.parametrize(("text", "word"), BOMBS.values(), ids=BOMBS)
def test_configuration_bomb_is_refused_quickly_in_one_sentence(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "bomb.yml"
    path.write_text(text)
    begun = time.process_time()
    result = krypto("validate-config", "-c", path)
    assert time.process_time() - begun < 10
    assert (result.code, result.out, len(result.err.splitlines())) == (4, "", 1), result
    assert word in result.err
    assert "Traceback" not in result.err


def test_time_to_look_for_repeated_keys_grows_with_their_number_only() -> None:
    def seconds(keys: int) -> float:
        text = HEAD + "market: {" + ", ".join(f"k{at}: " for at in range(keys)) + "}"
        begun = time.process_time()
        with pytest.raises(ConfigError):
            parse_config(text, "test")
        return time.process_time() - begun

    few, many = min(seconds(200) for _ in range(3)), min(seconds(1_600) for _ in range(3))
    assert many < 24 * few  # 8 times as many; by comparing all with all it was over 50 times as long


@SPEC("a configuration that is taken fits the event that records it", section="Configuration text")
def test_largest_configuration_that_is_taken_can_be_recorded(tmp_path: Path) -> None:
    def with_name(length: int) -> BotConfig:
        return parse_config(HEAD + f"name: {'x' * length}\n", "test").config

    least, most = 1, MAX_RECORDED
    while least + 1 < most:
        middle = (least + most) // 2
        try:
            with_name(middle)
        except ConfigError:
            most = middle
        else:
            least = middle
    assert least > MAX_RECORDED - 4_096
    assert len(encode(Entry(BotCreated("0" * 10, with_name(least), "f" * 64), 9_999_999_999_999))) < MAX_BODY_BYTES
    path = bot_file(tmp_path, name="x" * (least - 600))
    assert krypto("run", "-c", path, "--speed", "max", "--for", "1m").code == 0


@SPEC("every number of a configuration has bounds, and its unit in name or range", section="Configuration text")
def test_number_of_a_configuration_has_bounds() -> None:
    sections: dict[str, type] = {"": BotConfig, "fees.": Fees, "risk.": Risk}
    numbers = {
        prefix + name
        for prefix, section in sections.items()
        for name, hint in get_type_hints(section).items()
        if {int, Decimal} & {hint, *get_args(hint)}
    }
    assert numbers == RANGES.keys()
    for path, allowed in {**RANGES, **STRATEGY_RANGES}.items():
        assert allowed.least <= allowed.most, path
        assert allowed.unit or path.endswith("threshold"), path


@SPEC("the digest of the configuration in force stands in the log", section="Configuration text")
def test_digest_of_the_configuration_is_recorded_and_changes_with_it(tmp_path: Path) -> None:
    digests = []
    for profit in (0.3, 0.4):
        assert krypto("run", "-c", bot_file(tmp_path, profit_target=profit), "--speed", "max", "--for", "1m").code == 0
        with LogReader.open(tmp_path / "state") as reader:
            told: list[Any] = [each.event for each in reader.read("bot:bot") if hasattr(each.event, "digest")]
            digests.append([event.digest for event in told if hasattr(event, "config")][-1])
    assert len(set(digests)) == 2
    assert all(len(digest) >= 16 for digest in digests)


def test_name_with_control_characters_reaches_no_terminal(tmp_path: Path) -> None:
    hostile = "\x1b]52;c;ZXZpbA==\x07\x9b31m\u202eevil"
    path = tmp_path / "bot.yml"
    text = {**yaml.safe_load(bot_file(tmp_path).read_text()), "name": hostile}
    path.write_text(yaml.safe_dump(text))
    state = ("--state-dir", tmp_path / "state")
    told = [krypto("validate-config", "-c", path, *flags) for flags in ((), ("--json",))]
    told += [krypto("run", "-c", path, "--speed", "max", "--for", "1m", *flags) for flags in ((), ("--json",))]
    told += [krypto("replay", "bot", *flags, *state) for flags in ((), ("--json",), ("--events",))]
    told += [krypto("inspect-state", *flags, *state) for flags in ((), ("--json",))]
    for result in told:
        assert result.code == 0
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(result.out + result.err)
    assert told[1].json[0]["config"]["name"] == hostile
