"""A log that somebody else made: whatever its names are, the verbs that read it steer no terminal."""

import json
from pathlib import Path

import pytest

from tests.cli.tampering import alter
from tests.cli.terminal import krypto

HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202e"
IN_JSON = json.dumps(HOSTILE)[1:-1]
NAMES = (
    f"UPDATE stream SET name = name || '{HOSTILE}'",
    f"""UPDATE event SET body = replace(body, '"bot:bot', '"bot:bot{IN_JSON}')""",
    f"""UPDATE event SET body = replace(body, '"feed:', '"feed:{IN_JSON}')""",
    f"""UPDATE event SET body = replace(body, '"bot_id":"bot', '"bot_id":"bot{IN_JSON}')""",
    f"""UPDATE event SET body = replace(body, '"exchange":"simulated', '"exchange":"simulated{IN_JSON}')""",
    f"""UPDATE event SET body = replace(body, '"strategy":"dca', '"strategy":"dca{IN_JSON}')""",
    f"""UPDATE event SET body = replace(body, '"client_order_id":"', '"client_order_id":"{IN_JSON}')""",
    f"""UPDATE event SET body = replace(body, '"exchange_order_id":"', '"exchange_order_id":"{IN_JSON}')""",
)
VERBS = (
    ("verify",),
    ("replay",),
    ("replay", "--events"),
    ("replay", "--verify", "--redecide"),
    ("inspect-state",),
    ("inspect-state", "--why", "stats.total_trades"),
    ("inspect-state", "--why-no-trade"),
    ("recover",),
)


@pytest.mark.spec("hostile names in a log steer no terminal, in any output", section="Text from outside")
@pytest.mark.parametrize("chained", [False, True], ids=["changed", "made so"])
def test_hostile_names_of_a_log_are_shown_calmly_by_every_verb_that_reads_it(copied: Path, *, chained: bool) -> None:
    alter(copied, *NAMES, chained=chained)
    shown = ""
    for verb in VERBS:
        result = krypto(*verb, "--state-dir", copied / "state")
        told = result.out + result.err
        assert all(line.isprintable() for line in told.split("\n")), (verb, result)
        shown += told
    assert "owned" in shown
    assert "unexpected" not in shown
