"""The style of the tree as ordinary tests: sizes, leftovers, documentation, and who may touch the outside world.

The rules themselves stand in tests/tidy/rules.py; here they are put to every file, and to small samples that break
them.
"""

import ast
import re
import tomllib

import pytest

from tests.mutants import AREAS, ROOT
from tests.tidy import rules

CODE = rules.python_files("engine", "cli")
TESTS = rules.python_files("tests")
FILE_LINES = 350
TEST_FILE_LINES = 400
FUNCTION_LINES = 60
LEFTOVER = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X{3})\b")


def test_tree_as_found_has_code_to_judge() -> None:
    assert "engine/__init__.py" in CODE
    assert "tests/tidy/test_tidy.py" in TESTS


@pytest.mark.parametrize("path", CODE + TESTS)
def test_file_as_written_stays_short(path: str) -> None:
    lines = len(rules.source(path).splitlines())
    limit = TEST_FILE_LINES if path.startswith("tests/") else FILE_LINES
    assert lines <= limit, f"{path} has {lines} lines, more than {limit}: split it by subject"


@pytest.mark.parametrize("path", CODE + TESTS)
def test_function_as_written_fits_a_screen(path: str) -> None:
    assert rules.long_functions(path, rules.source(path), FUNCTION_LINES) == []


@pytest.mark.parametrize("path", CODE + TESTS)
def test_file_as_written_opens_with_a_docstring(path: str) -> None:
    assert ast.get_docstring(ast.parse(rules.source(path))), f"{path} does not say what it owns"


@pytest.mark.parametrize("path", CODE + TESTS)
def test_file_as_written_leaves_nothing_to_do(path: str) -> None:
    assert LEFTOVER.findall(rules.source(path)) == []


@pytest.mark.parametrize("path", CODE + TESTS)
def test_file_as_written_has_only_the_emoji_of_the_specification(path: str) -> None:
    assert rules.emoji(rules.source(path)) == set()


@pytest.mark.parametrize("path", CODE)
def test_module_outside_the_adapters_takes_the_world_as_an_argument(path: str) -> None:
    assert rules.outside_world_faults(path, rules.source(path)) == []


@pytest.mark.parametrize("path", [path for path in CODE if path.startswith(rules.PURE_FOLDERS)])
def test_pure_module_imports_only_the_short_list(path: str) -> None:
    assert rules.impure_imports(path, rules.source(path)) == []


@pytest.mark.parametrize(
    ("text", "capability"),
    [
        pytest.param("import time", "time", id="import-of-time"),
        pytest.param("def f():\n    from time import monotonic", "time", id="import-inside-a-function"),
        pytest.param("datetime.now(UTC)", "time", id="now"),
        pytest.param("datetime.datetime.utcnow()", "time", id="now-by-its-long-name"),
        pytest.param("await asyncio.sleep(1)", "time", id="sleep"),
        pytest.param("from asyncio import sleep", "time", id="sleep-by-its-short-name"),
        pytest.param("import random", "chance", id="random"),
        pytest.param("from uuid import uuid4", "chance", id="uuid"),
        pytest.param("open('x')", "files", id="open"),
        pytest.param("os.open('x', 0)", "files", id="open-of-os"),
        pytest.param("(folder / 'x').write_text('y')", "files", id="write-by-a-path"),
    ],
)
def test_rule_of_adapters_given_an_offence_names_it(text: str, capability: str) -> None:
    assert [found for _, _, found in rules.outside_world(text)] == [capability]
    assert len(rules.outside_world_faults("engine/core/sample.py", text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("store.open()", id="open-of-our-own"),
        pytest.param("clock.now_ms()", id="passed-in-clock"),
        pytest.param("datetime.fromtimestamp(at_ms / 1000, UTC)", id="time-as-data"),
    ],
)
def test_rule_of_adapters_given_an_honest_line_is_silent(text: str) -> None:
    assert list(rules.outside_world(text)) == []


@pytest.mark.parametrize(
    ("path", "text", "count"),
    [
        pytest.param("engine/store/witness.py", "open('x')", 0, id="granted-by-folder"),
        pytest.param("engine/runtime/clock.py", "import time", 0, id="granted-by-file"),
        pytest.param("engine/store/witness.py", "import time", 1, id="not-granted-here"),
    ],
)
def test_table_of_adapters_grants_each_module_its_own_capability_only(path: str, text: str, count: int) -> None:
    assert len(rules.outside_world_faults(path, text)) == count


def test_rule_of_length_given_a_long_function_names_it() -> None:
    body = "".join("    x = 1\n" for _ in range(4))
    assert rules.long_functions("a.py", f"def f():\n{body}", 4) == ["a.py:1: f has 5 lines, more than 4"]


def test_rule_of_emoji_given_a_rocket_finds_it_but_keeps_the_log_texts() -> None:
    rocket = chr(0x1F680)
    assert rules.emoji(f"\u2713 passed, \u26a0\ufe0f failed, {rocket} \u2192 \u2265") == {rocket}


def test_lock_file_names_versions_and_hashes_but_no_host() -> None:
    text = rules.source("requirements.lock")
    pins = re.findall(r"^[a-zA-Z0-9][\w.-]*.*$", text, flags=re.MULTILINE)
    assert "://" not in text
    assert len(pins) > 1
    assert all("==" in pin and pin.endswith("\\") for pin in pins), "every pin is exact and followed by its hashes"


def test_code_that_must_not_be_wrong_is_named_by_files_that_there_are() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    covered = tools["coverage"]["report"]["include"]
    assert [pattern for pattern in covered if not list(ROOT.glob(pattern))] == []
    areas = [f"engine/{file}.py" for files in AREAS.values() for file in files]
    assert sorted(tools["mutmut"]["only_mutate"]) == sorted(areas)
    chosen = tools["mutmut"]["pytest_add_cli_args_test_selection"]
    assert [path for path in (*areas, *chosen) if not (ROOT / path).exists()] == []
