"""What every event has: a literal tag, a version, and a role in replay."""

from enum import Enum
from typing import ClassVar

import msgspec


class Role(Enum):
    """How an event came to be, which is how replay treats it.

    OBSERVATION: seen from outside; `decide` is asked about it, in life and in replay.
    DECISION: what `decide` made of an observation; replay makes it again and compares.
    """

    OBSERVATION = "observation"
    DECISION = "decision"


class Cause(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The event that an event follows from: a stream and a sequence in it."""

    stream: str
    sequence: int


class Event(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type"):
    """A fact, in the past tense. Subclasses give the tag as a literal, never an import path.

    An `urgent` event is durable before anything acts on it; the others ride with the next commit.
    """

    version: ClassVar[int] = 1
    role: ClassVar[Role] = Role.DECISION
    urgent: ClassVar[bool] = True
