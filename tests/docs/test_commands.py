"""What the pages tell people to type exists: verbs, options, make targets and configurations."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli.main import VERBS, cli
from engine.runtime.config_file import load_config, parse_config
from tests.docs.command_line import PROGRAM, command, commands, context
from tests.docs.pages import ROOT
from tests.tidy.links import markdown_files

PAGES = [path.relative_to(ROOT).as_posix() for path in markdown_files(ROOT)]
EXAMPLES = sorted((ROOT / "docs/examples").glob("*.yml"))
MINIMAL = "exchange: simulated\nsymbol: BTC/USD\n"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(rf"`((?:{PROGRAM}|make) [^`\n]+)`")
_LINE = re.compile(rf"^(?:\$ |ExecStart\w*=\S*/|  )((?:{PROGRAM}|make) [a-z-].*)$", re.MULTILINE)
_PLACEHOLDER = re.compile(r"…|\.\.\.")


def _commands(text: str) -> Iterator[str]:
    """Yield the command lines of a page: those in code spans, and those at the beginning of a line in a block."""
    yield from _INLINE.findall(_FENCE.sub("", text))
    for _, block in _FENCE.findall(text):
        for line in _LINE.findall(block):
            yield line.split("   ")[0]


def _known(line: str) -> str | None:
    """Say what is wrong with a command line, or None."""
    words = shlex.split(line, comments=True)
    if words[0] == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        targets = [word for word in words[1:] if "=" not in word]
        missing = [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)]
        return f"no make target {missing}" if missing else None
    while words[1:] and words[1] in {"-v", "--verbose", "--version", "--help", "-h", "[OPTIONS]"}:
        words.pop(1)
    if not words[1:] or words[1].isupper():
        return None
    if words[1] not in VERBS:
        return f"no verb {words[1]}"
    name = " ".join(words[1:3]) if " ".join(words[1:3]) in commands() else words[1]
    verb = command(name)
    if isinstance(verb, click.Group) and words[2:]:
        return f"no command {words[2]} of {name}"
    try:
        verb.make_parser(context(name, verb)).parse_args(words[1 + len(name.split()) :])
    except click.ClickException as error:
        return error.format_message()
    return None


@pytest.mark.parametrize("page", PAGES)
def test_command_on_a_page_exists_with_its_options(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    faults = {line: fault for line in _commands(text) if not _PLACEHOLDER.search(line) and (fault := _known(line))}
    assert faults == {}


def test_command_of_the_readme_is_seen_by_this_check() -> None:
    found = list(_commands((ROOT / "README.md").read_text(encoding="utf-8")))
    assert "make run" in found
    assert "make test" in found
    assert {line.split()[1] for line in found if line.startswith(PROGRAM)} >= {"run", "inspect-state", "replay"}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        pytest.param("krypto-engine trade", "no verb trade", id="verb"),
        pytest.param("krypto-engine run -c a.yml --fast", "No such option", id="option"),
        pytest.param("krypto-engine credentials show", "no command show", id="below-a-group"),
        pytest.param("krypto-engine credentials set okx --where file", None, id="good-below-a-group"),
        pytest.param("krypto-engine credentials set --key x", "No such option", id="option-below-a-group"),
        pytest.param("make profit", "no make target", id="target"),
        pytest.param("krypto-engine run -c a.yml --speed max", None, id="good"),
    ],
)
def test_check_of_commands_given_a_line_tells_good_from_bad(line: str, fault: str | None) -> None:
    found = _known(line)
    assert found is None if fault is None else found is not None and fault in found


@pytest.mark.parametrize("verb", commands())
@pytest.mark.spec("every verb teaches by example, and its page shows every option", section="Files and interfaces")
def test_verb_as_documented_shows_every_option_and_an_example(verb: str) -> None:
    found = command(verb)
    page = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    _, _, entry = page.partition(f"# {verb}\n")
    entry = entry.partition("\n##")[0]
    assert entry
    for parameter in found.params:
        if isinstance(parameter, click.Option):
            assert max(parameter.opts, key=len) in entry
    assert f"{PROGRAM} {verb}" in (found.epilog or ""), f"{verb} has no example"


def test_program_without_a_verb_offers_every_verb() -> None:
    assert cli.list_commands(click.Context(cli)) == list(VERBS)


def _yaml_blocks() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        blocks = _FENCE.findall((ROOT / page).read_text(encoding="utf-8"))
        for number, block in enumerate((text for kind, text in blocks if kind == "yaml"), start=1):
            yield f"{page}-{number}", block


@pytest.mark.parametrize("block", [pytest.param(text, id=name) for name, text in _yaml_blocks()])
def test_configuration_on_a_page_loads(block: str) -> None:
    whole = block if re.search(r"^exchange:", block, re.MULTILINE) else MINIMAL + block
    assert parse_config(whole, "page").config.symbol


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_as_shipped_loads_and_names_its_bot_after_the_file(path: Path) -> None:
    assert load_config(path).config.bot_id == path.stem


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_as_shipped_says_how_to_run_it(path: Path) -> None:
    comments = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    lines = re.findall(rf"{PROGRAM} run [^\n]*", "\n".join(comments))
    assert lines
    assert [fault for line in lines if (fault := _known(line))] == []
    assert any(path.name in line for line in lines)
