"""What the tests of the store share: being a user without privileges."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

NOBODY = 65_534


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """Give a directory of a user without privileges, and be that user."""
    directory = Path(tempfile.mkdtemp())
    privileged = os.geteuid() == 0
    if privileged:
        os.chown(directory, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield directory
    finally:
        if privileged:
            os.seteuid(0)
        directory.chmod(0o700)
        shutil.rmtree(directory)
