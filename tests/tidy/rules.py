"""The rules of the tree that no linter knows, as functions from source text to sentences about what breaks them.

Owns the table of adapters: the only modules that may ask the world for time, chance or a file. Never imports the code
that it judges.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

Capability = Literal["time", "chance", "files"]

ROOT: Final = Path(__file__).resolve().parents[2]

# Where the outside world comes in. A path that ends in a slash means the whole folder.
ADAPTERS: Final[tuple[tuple[str, frozenset[Capability], str], ...]] = (
    ("engine/runtime/clock.py", frozenset({"time"}), "the one source of time and pauses"),
    ("engine/runtime/entropy.py", frozenset({"chance"}), "the one source of chance: a new log's id"),
    ("engine/runtime/config_file.py", frozenset({"files"}), "reads the configuration that the operator wrote"),
    ("engine/runtime/control.py", frozenset({"files"}), "owns the control socket in the state directory"),
    ("engine/runtime/credentials_file.py", frozenset({"files"}), "reads and replaces the private file of credentials"),
    ("engine/runtime/credentials_environment.py", frozenset({"files"}), "reads secrets that a container is handed"),
    ("engine/runtime/projection_writer.py", frozenset({"files"}), "replaces the state file"),
    ("engine/testing/digest.py", frozenset({"files"}), "reads the source files that it gives the digest of"),
    ("engine/testing/simulation/", frozenset({"files", "time"}), "plays the disk and the time of a simulated world"),
    ("cli/prove.py", frozenset({"files"}), "writes the report of a campaign, and reads the tape of one world"),
    ("cli/replay.py", frozenset({"files"}), "reads the state file to hold it against the log"),
    ("engine/feeds/recorded.py", frozenset({"files"}), "reads recorded markets"),
    ("engine/testing/simulation/exchange/line.py", frozenset({"time"}), "lets virtual time pass, which is its latency"),
    ("engine/testing/simulation/disk.py", frozenset({"files"}), "writes down what a crash leaves of the files"),
    ("engine/testing/independent/", frozenset({"files"}), "reads the state directory that it judges"),
    ("engine/store/", frozenset({"files"}), "owns the log, its witness and the lock of the state directory"),
)

BANNED_MODULES: Final[dict[str, Capability]] = {
    "time": "time",
    "random": "chance",
    "secrets": "chance",
    "uuid": "chance",
    "tempfile": "files",
    "shutil": "files",
}
BANNED_CALLS: Final[dict[str, Capability]] = {
    "asyncio.sleep": "time",
    "date.today": "time",
    "datetime.now": "time",
    "datetime.today": "time",
    "datetime.utcnow": "time",
    "os.urandom": "chance",
    "open": "files",
    "io.open": "files",
    "os.fdopen": "files",
    "os.open": "files",
}
# Methods of pathlib.Path that read or write, whatever the path is called.
BANNED_METHODS: Final[dict[str, Capability]] = {
    "read_bytes": "files",
    "read_text": "files",
    "write_bytes": "files",
    "write_text": "files",
}

# What the pure part may import besides itself: the whole list, where import-linter has only a list of what it may not.
PURE_FOLDERS: Final = ("engine/core/", "engine/strategies/")
PURE_IMPORTS: Final = frozenset(
    ["collections", "datetime", "decimal", "engine", "enum", "functools", "hashlib", "itertools", "msgspec", "typing"],
)

# The emoji that stand in the log texts of the specification: check mark, warning sign, emoji presentation.
LOG_TEXT_EMOJI: Final = frozenset("\u2713\u26a0\ufe0f")
_EMOJI_RANGES: Final = ((0x2600, 0x27BF), (0x2B00, 0x2BFF), (0xFE00, 0xFE0F), (0x1F000, 0x1FAFF))


def python_files(*folders: str) -> list[str]:
    """List the Python files under folders of the project, as paths relative to its root."""
    return sorted(
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if "__pycache__" not in path.parts
    )


def source(path: str) -> str:
    """Return the text of a file of the project."""
    return (ROOT / path).read_text(encoding="utf-8")


def allowed_capabilities(path: str) -> frozenset[Capability]:
    """Return what a module may ask the outside world for, by the table of adapters."""
    granted: frozenset[Capability] = frozenset()
    for place, capabilities, _reason in ADAPTERS:
        if path == place or (place.endswith("/") and path.startswith(place)):
            granted |= capabilities
    return granted


def imported_modules(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and full name of every module that a source imports, at its top or anywhere below."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module


def dotted_name(node: ast.expr) -> str:
    """Return the last two parts of a called name: `datetime.now` for `datetime.datetime.now`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = node.value
        if isinstance(owner, ast.Name):
            return f"{owner.id}.{node.attr}"
        if isinstance(owner, ast.Attribute):
            return f"{owner.attr}.{node.attr}"
        return f".{node.attr}"
    return ""


def outside_world(text: str) -> Iterator[tuple[int, str, Capability]]:
    """Yield line, name and capability of every import or call through which a source asks the outside world."""
    tree = ast.parse(text)
    for line, module in imported_modules(tree):
        if capability := BANNED_MODULES.get(module.partition(".")[0]):
            yield line, module, capability
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if capability := BANNED_CALLS.get(f"{node.module}.{alias.name}"):
                    yield node.lineno, alias.name, capability
        elif isinstance(node, ast.Call):
            name = dotted_name(node.func)
            if capability := BANNED_CALLS.get(name) or BANNED_METHODS.get(name.rpartition(".")[2]):
                yield node.lineno, name, capability


def outside_world_faults(path: str, text: str) -> list[str]:
    """List where a module asks the outside world for what the table of adapters does not grant it."""
    granted = allowed_capabilities(path)
    return [
        f"{path}:{line}: {name} asks for {capability}; pass it in, or name an adapter in tests/tidy/rules.py"
        for line, name, capability in outside_world(text)
        if capability not in granted
    ]


def impure_imports(path: str, text: str) -> list[str]:
    """List the imports of a pure module that are not on the short list."""
    return [
        f"{path}:{line}: {module} is not on the list of what core and strategies may import"
        for line, module in imported_modules(ast.parse(text))
        if module.partition(".")[0] not in PURE_IMPORTS
    ]


def long_functions(path: str, text: str, limit: int) -> list[str]:
    """List the functions of a source that are longer than a number of lines, decorators left out."""
    return [
        f"{path}:{node.lineno}: {node.name} has {length} lines, more than {limit}"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > limit
    ]


def emoji(text: str) -> set[str]:
    """Return the emoji of a text beyond those that stand in the log texts of the specification."""
    return {
        character
        for character in text
        if any(low <= ord(character) <= high for low, high in _EMOJI_RANGES) and character not in LOG_TEXT_EMOJI
    }
