"""Keys cannot be shown by accident: no text, no encoder, no copy gives them away."""

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from engine.exchanges.credentials import Credentials, Secret

CANARY = "canary-0xDEADBEEF"


def keys() -> Credentials:
    """Give credentials whose every part is the canary."""
    return Credentials(Secret(CANARY), Secret(CANARY), Secret(CANARY))


@pytest.mark.parametrize("holder", [Secret(CANARY), keys()], ids=["secret", "credentials"])
@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(repr, id="repr"),
        pytest.param(str, id="str"),
        pytest.param(ascii, id="ascii"),
        pytest.param(format, id="format"),
        pytest.param(lambda held: f"{held!r} {held}", id="f-string"),
        pytest.param(lambda held: "%s %r" % (held, held), id="percent"),  # noqa: UP031
        pytest.param(lambda held: str([held, {"key": held}]), id="inside-a-container"),
        pytest.param(lambda held: str(ValueError(held)), id="inside-an-error"),
    ],
)
def test_text_of_keys_never_holds_them(holder: Any, shown: Callable[[Any], str]) -> None:
    assert CANARY not in shown(holder)


@pytest.mark.parametrize("holder", [Secret(CANARY), keys()], ids=["secret", "credentials"])
@pytest.mark.parametrize(
    "encode",
    [
        pytest.param(json.dumps, id="json"),
        pytest.param(msgspec.json.encode, id="msgspec-json"),
        pytest.param(msgspec.msgpack.encode, id="msgspec-msgpack"),
        pytest.param(msgspec.to_builtins, id="msgspec-builtins"),
        pytest.param(pickle.dumps, id="pickle"),
        pytest.param(copy.copy, id="copy"),
        pytest.param(vars, id="vars"),
        pytest.param(hash, id="hash"),
    ],
)
def test_encoding_of_keys_fails_without_naming_them(holder: Any, encode: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError) as caught:
        encode(holder)
    assert CANARY not in str(caught.value)


def test_secret_given_back_is_what_was_taken() -> None:
    assert Secret(CANARY).reveal() == CANARY
    assert [bool(Secret(text)) for text in ("", "x")] == [False, True]


def test_secrets_are_equal_by_their_text_and_never_to_a_text() -> None:
    assert Secret("ä") == Secret("ä")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert keys() == keys()
    assert keys() != Credentials(Secret(CANARY), Secret("other"), Secret(CANARY))
    assert Credentials(Secret("a"), Secret("b")) != Credentials(Secret("a"), Secret("b"), Secret("c"))


def test_secret_of_something_else_than_text_is_refused_without_showing_it() -> None:
    with pytest.raises(TypeError) as caught:
        Secret(CANARY.encode())  # type: ignore[arg-type]
    assert CANARY not in str(caught.value)


def test_credentials_never_change() -> None:
    with pytest.raises(AttributeError):
        keys().secret = Secret("other")
    with pytest.raises(AttributeError):
        del keys().secret
