"""How long a bot has not followed prices, when one reason to let them pass ends and the next begins."""

from collections.abc import Callable

import pytest

from engine.core.decider.skips import unseen_ms
from tests.kernel import Kernel


def nothing(_kernel: Kernel) -> None:
    """Leave the bot alone."""


def paused_and_resumed(kernel: Kernel) -> None:
    kernel.command("pause")
    kernel.command("resume")


def failed_and_reached(kernel: Kernel) -> None:
    kernel.check(reachable=False)
    kernel.check(reachable=True)


@pytest.mark.spec("A restart makes no price newer: what passed unseen before it stays unseen", section="decision 7")
@pytest.mark.parametrize("between", [nothing, Kernel.crash, Kernel.restart, paused_and_resumed, failed_and_reached])
def test_time_unseen_reaches_back_to_the_last_price_followed_whatever_comes_between(
    between: Callable[[Kernel], None],
) -> None:
    kernel = Kernel()
    kernel.price(50_000)
    followed_ms = kernel.now_ms
    kernel.check(reachable=False, after_s=10)
    kernel.prices(50_100, 50_200)
    kernel.check(reachable=True, after_s=10)

    between(kernel)

    kernel.wait(50)
    gap_ms = kernel.now_ms - (kernel.view.price_ms or 0)
    assert unseen_ms(kernel.state, gap_ms, kernel.now_ms) == kernel.now_ms - followed_ms
