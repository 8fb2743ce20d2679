"""The keys of an account, held so that they cannot be shown by accident.

Owns the two types that carry secrets through the program. A secret has no text, no JSON, no pickle and no copy: it is
read by `reveal()` alone, at the one place that signs. Never reads keys from anywhere and never writes them anywhere.
"""

import hmac
from typing import Final, NoReturn, final

HIDDEN: Final = "<hidden>"


@final
class Secret:
    """A text that cannot be shown, encoded, pickled or hashed; two are compared in constant time."""

    __hash__ = None  # type: ignore[assignment]  # a hash would tell equal secrets apart from others
    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        """Take the text."""
        if not isinstance(value, str):
            raise TypeError("a secret is made of text")  # says nothing of what was given instead
        self.__value = value

    def reveal(self) -> str:
        """Give the text, to sign with or to store in a keyring."""
        return self.__value

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__value.encode(), other.__value.encode())

    def __repr__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str, /) -> str:
        return format(HIDDEN, spec)

    def __reduce_ex__(self, _protocol: object, /) -> NoReturn:
        raise TypeError("a secret can be neither pickled nor copied")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a secret can be neither pickled nor copied")


@final
class Credentials:
    """The keys of one account at one exchange; `passphrase` where the exchange wants a third word.

    No struct and no dataclass, so that no encoder knows how to write one.
    """

    __hash__ = None  # type: ignore[assignment]  # as for its parts
    __slots__ = ("api_key", "passphrase", "secret")

    api_key: Secret
    secret: Secret
    passphrase: Secret | None

    def __init__(self, api_key: Secret, secret: Secret, passphrase: Secret | None = None) -> None:
        """Take the key's name, its secret, and the third word if the exchange has one."""
        object.__setattr__(self, "api_key", api_key)
        object.__setattr__(self, "secret", secret)
        object.__setattr__(self, "passphrase", passphrase)

    def __setattr__(self, name: str, _value: object, /) -> NoReturn:
        raise AttributeError(f"credentials never change: {name}")

    def __delattr__(self, name: str, /) -> NoReturn:
        raise AttributeError(f"credentials never change: {name}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Credentials):
            return NotImplemented
        ours = (self.api_key, self.secret, self.passphrase)
        return ours == (other.api_key, other.secret, other.passphrase)

    def __repr__(self) -> str:
        return f"Credentials({HIDDEN})"

    def __reduce_ex__(self, _protocol: object, /) -> NoReturn:
        raise TypeError("credentials can be neither pickled nor copied")

    def __getstate__(self) -> NoReturn:
        raise TypeError("credentials can be neither pickled nor copied")
