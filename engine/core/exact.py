"""The decimal context of the kernel: the same arithmetic whatever the process around it has set.

`decimal` rounds as the thread's context says, and libraries change that context for everybody (ccxt does, when it is
imported). Every function of the kernel that adds or divides runs under this one instead, so that the same log gives the
same state to the last digit.
"""

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, DivisionByZero, InvalidOperation, Overflow, getcontext, setcontext
from functools import wraps
from typing import Final, ParamSpec, TypeVar

CONTEXT: Final = Context(prec=28, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])

P = ParamSpec("P")
R = TypeVar("R")


def exactly(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function compute under the kernel's context and leave the caller's as it was."""

    @wraps(function)
    def computed(*args: P.args, **kwargs: P.kwargs) -> R:
        outer = getcontext()
        setcontext(CONTEXT)
        try:
            return function(*args, **kwargs)
        finally:
            setcontext(outer)

    return computed
