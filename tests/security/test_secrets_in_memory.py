"""A secret in the hands of any encoder, formatter or logger gives away nothing but that it is one."""

import copy
import dataclasses
import io
import json
import logging
import pickle
import pprint
import string
import traceback
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import yaml

from engine.exchanges.credentials import Credentials, Secret
from tests.security.scanner import finds

SPEC = pytest.mark.spec
CANARY = "sCANARYh4Tn+5/Rb=8PcYg2KdFwQzXv"


class Holder(msgspec.Struct):
    """A struct that holds keys by mistake."""

    keys: Any


@dataclasses.dataclass
class Data:
    """A dataclass that holds keys by mistake."""

    keys: Any


def _logged(held: Any) -> str:
    stream = io.StringIO()
    logger = logging.Logger("test")  # noqa: LOG001 - apart from the tree, which other tests watch
    logger.addHandler(logging.StreamHandler(stream))
    logger.error("%s %r", held, held)
    return stream.getvalue()


def _raised(held: Any) -> str:
    def fail() -> None:
        raise KeyError(held, {"held": held})

    with pytest.raises(KeyError) as caught:
        fail()
    return "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())


SHOWN: dict[str, Callable[[Any], object]] = {
    "repr": repr,
    "str": str,
    "ascii": ascii,
    "format": lambda held: f"{held} {held!s} {held!r} {held!s:>80}",
    "percent": lambda held: "%s %r" % (held, held),  # noqa: UP031 - this way too
    "str.format": "{0} {0!r}".format,
    "template": lambda held: string.Template("$x").substitute(x=held),
    "pprint": lambda held: pprint.pformat({"a": [held]}),
    "log line": _logged,
    "error": _raised,
    "struct": lambda held: repr(Holder(held)),
    "dataclass": lambda held: repr(Data(held)),
    "directory": dir,
}
ENCODERS: dict[str, Callable[[Any], object]] = {
    "json": json.dumps,
    "json with default": lambda held: json.dumps(held, default=vars),
    "msgspec json": msgspec.json.encode,
    "msgspec struct": lambda held: msgspec.json.encode(Holder(held)),
    "msgspec builtins": lambda held: msgspec.to_builtins(Holder(held)),
    "msgpack": msgspec.msgpack.encode,
    "yaml": yaml.safe_dump,
    "any yaml": yaml.dump,
    "pickle": pickle.dumps,
    "old pickle": lambda held: pickle.dumps(held, protocol=0),
    "copy": copy.copy,
    "deep copy": lambda held: copy.deepcopy({"a": held}),
    "dataclass": lambda held: dataclasses.asdict(Data(held)),
    "vars": vars,
    "hash": hash,
}
HELD = [Secret(CANARY), Credentials(Secret(CANARY), Secret(CANARY), Secret(CANARY))]


@SPEC("a secret shown in any way is hidden", section="Secrets in memory")
@pytest.mark.parametrize("held", HELD, ids=["secret", "credentials"])
@pytest.mark.parametrize("shown", SHOWN.values(), ids=SHOWN)
def test_secret_shown_in_any_way_is_hidden(shown: Callable[[Any], object], held: Any) -> None:
    assert finds({"shown": str(shown(held)).encode()}, (CANARY,)) == []


@SPEC("a secret can be neither encoded, pickled nor copied", section="Secrets in memory")
@pytest.mark.parametrize("held", HELD, ids=["secret", "credentials"])
@pytest.mark.parametrize("encode", ENCODERS.values(), ids=ENCODERS)
def test_secret_given_to_an_encoder_is_refused_without_being_named(encode: Callable[[Any], object], held: Any) -> None:
    with pytest.raises((TypeError, yaml.YAMLError)) as caught:
        encode(held)
    assert finds({"error": f"{caught.value!r} {caught.value.args}".encode()}, (CANARY,)) == []
