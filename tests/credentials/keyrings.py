"""Keyrings for tests, as real backends of the keyring library: one in memory, and some that fail.

Owns nothing outside of the process. All have a priority at which they would never be chosen by themselves.
"""

from typing import Any

import keyring.errors
from keyring.backend import KeyringBackend
from keyring.backends import fail, null


class MemoryKeyring(KeyringBackend):
    """Keeps passwords until the process ends."""

    priority: Any = 1.5

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.held: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        """Give a password."""
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a password."""
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        """Forget a password, or fail as real ones do."""
        if self.held.pop((service, username), None) is None:
            raise keyring.errors.PasswordDeleteError("Password not found")


class PlainFileKeyring(MemoryKeyring):
    """A backend that is not recommended, as those that keep passwords in the clear."""

    priority: Any = 0.5


class FailingKeyring(MemoryKeyring):
    """Fails at every question, quoting all that it was asked."""

    def __init__(self, kind: type[Exception]) -> None:
        super().__init__()
        self.kind = kind

    def get_password(self, service: str, username: str) -> str | None:
        """Fail."""
        raise self.kind(f"no reply about {service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        """Fail."""
        raise self.kind(f"no reply to {service} {username} {password}")


class ForgetfulKeyring(MemoryKeyring):
    """Says that it deleted, and did not."""

    def delete_password(self, service: str, username: str) -> None:
        """Do nothing."""


class WriteFailingKeyring(MemoryKeyring):
    """Reads, but quotes the password in its fault when it should keep one."""

    def set_password(self, service: str, username: str, password: str) -> None:
        """Fail."""
        raise keyring.errors.PasswordSetError(f"could not keep {service} {username} {password}")


def without() -> KeyringBackend:
    """Give what the library uses on a machine without a keyring."""
    backend: KeyringBackend = fail.Keyring()  # type: ignore[no-untyped-call]
    return backend


def switched_off() -> KeyringBackend:
    """Give what the library uses where somebody switched it off."""
    backend: KeyringBackend = null.Keyring()  # type: ignore[no-untyped-call]
    return backend
