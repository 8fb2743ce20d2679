"""Loading the program asks nobody and reads nothing but code; few packages come with it, and nothing is run by name."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from engine.core.errors import ConfigError
from engine.runtime.config_file import parse_config
from engine.strategies.catalogue import STRATEGIES
from tests.cli.terminal import bot_file, krypto
from tests.tidy import rules

SPEC = pytest.mark.spec
CODE = rules.python_files("engine", "cli")
PROGRAM = [path for path in CODE if not path.startswith("engine/testing/")]  # which is for tests, and not loaded by it
MODULES = sorted(path.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for path in PROGRAM)
MOST_PACKAGES = 10

WATCH = """
import json, sys
seen = []

def hook(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork",
                         "urllib.", "http.", "ftplib.", "smtplib.", "os.remove", "os.rename", "os.mkdir", "os.chmod")):
        seen.append([event, repr(arguments[:2])])
    elif event == "open" and isinstance(arguments[0], (str, bytes)):
        seen.append([event, str(arguments[0]), str(arguments[1])])

sys.addaudithook(hook)
sys.argv[1:] = []
import importlib
for name in {modules!r}:
    importlib.import_module(name)
print(json.dumps(seen), file=sys.stderr)
"""
CODE_FILES = (".py", ".pyc", ".so", ".dylib")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """Load every module of the program in a process of its own; give what the interpreter was asked to do."""
    source = WATCH.replace("{modules!r}", repr(MODULES))
    environment = {**os.environ, "PYTHONPATH": str(rules.ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout == ""
    found: list[list[str]] = json.loads(done.stderr.splitlines()[-1])
    return found


@SPEC("loading every module opens no socket and starts no program", section="What is loaded")
def test_import_of_every_module_reaches_for_no_network_and_no_program(seen: list[list[str]]) -> None:
    assert len(MODULES) > 150
    assert [each for each in seen if each[0] not in {"open", "socket.gethostname"}] == []


@SPEC("loading every module reads code alone and writes nothing", section="What is loaded")
def test_import_of_every_module_reads_no_file_but_code(seen: list[list[str]]) -> None:
    opened = [(path, mode) for event, path, *mode in seen if event == "open"]
    assert len(opened) > 500
    places = tuple(str(Path(place).resolve()) for place in (sys.prefix, sys.base_prefix, rules.ROOT))
    odd = [
        (path, mode)
        for path, mode in opened
        if "w" in "".join(mode) or not (path.endswith(CODE_FILES) and path.startswith((sys.prefix, *places)))
    ]
    assert odd == []


@SPEC("at most ten packages are needed to run", section="What is loaded")
def test_packages_that_the_program_needs_are_few_and_bounded() -> None:
    project = tomllib.loads(rules.source("pyproject.toml"))["project"]
    needed = project["dependencies"]
    assert 0 < len(needed) <= MOST_PACKAGES
    assert [each for each in needed if not re.fullmatch(r"[A-Za-z0-9_.-]+>=[\d.]+,<[\d.]+", each)] == []


# --- code from outside


RUNS_TEXT = frozenset(
    {"eval", "exec", "compile", "__import__", "import_module", "entry_points", "spec_from_file_location"}
)
UNPICKLES = frozenset({"pickle", "marshal", "shelve", "dill", "runpy", "imp", "pkgutil"})
OWN_TABLE = ("cli/main.py", "import_module")
"""The verbs, which are loaded by the names in a table of the program."""


def _loads_code(path: str) -> list[str]:
    tree = ast.parse(rules.source(path))
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {(each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", ""), each) for each in calls}
    ran = [
        name
        for name, function in names
        if name in RUNS_TEXT
        and (path, name) != OWN_TABLE
        and not (name == "compile" and isinstance(function, ast.Attribute) and ast.unparse(function) == "re.compile")
    ]
    return ran + [name for _, name in rules.imported_modules(tree) if name.partition(".")[0] in UNPICKLES]


@SPEC("no code is run by a name or a path from a configuration, a log or an exchange", section="Code from outside")
@pytest.mark.parametrize("path", CODE)
def test_module_runs_no_text_and_unpickles_nothing(path: str) -> None:
    assert _loads_code(path) == []


@SPEC("a strategy is one of the program's own; anything else is refused unread", section="Code from outside")
@pytest.mark.parametrize(
    "strategy",
    ["evil.py", "./evil.py", "{folder}/evil.py", "evil:Strategy", "os.system", "engine.strategies.dca", "Dca", ""],
)
def test_strategy_that_is_not_the_programs_own_is_refused_unread(tmp_path: Path, strategy: str) -> None:
    trace = tmp_path / "it-ran"
    (tmp_path / "evil.py").write_text(f"open({str(trace)!r}, 'w')\n")
    named = strategy.replace("{folder}", str(tmp_path))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.syspath_prepend(str(tmp_path))
        result = krypto("run", "-c", bot_file(tmp_path, strategy=named), "--speed", "max", "--for", "1m")
    assert result.code == 4
    assert "strategy" in result.err
    assert not trace.exists()


def test_strategies_are_those_of_the_package() -> None:
    assert {each.__module__.partition(".")[0] for each in STRATEGIES.values()} == {"engine"}
    with pytest.raises(ConfigError, match="plugins is no key that exists"):
        parse_config("exchange: simulated\nsymbol: BTC/USD\nplugins: [{path: x.py, sha256: abc}]\n", "test")
