"""What the tests of credentials share: places of their own for keys, and no keyring."""

from collections.abc import Callable, Iterator
from pathlib import Path

import keyring
import pytest
import yaml

from tests.credentials.keyrings import MemoryKeyring, without

FileOf = Callable[..., Path]


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the place of the file of credentials, which is not there yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "krypto-engine" / "credentials.yml"


@pytest.fixture(autouse=True)
def no_keyring() -> Iterator[None]:
    """Begin and end every test on a machine without a keyring."""
    keyring.set_keyring(without())
    yield
    keyring.set_keyring(without())


@pytest.fixture
def memory() -> MemoryKeyring:
    """Give the machine a keyring that works."""
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    return backend


@pytest.fixture
def write(file: Path) -> FileOf:
    """Write the file of credentials as a careful person would, or with another text or mode."""

    def write(text: str | bytes | dict[str, object], mode: int = 0o600) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        raw = text if isinstance(text, bytes) else (text if isinstance(text, str) else yaml.safe_dump(text)).encode()
        file.write_bytes(raw)
        file.chmod(mode)
        return file

    return write
