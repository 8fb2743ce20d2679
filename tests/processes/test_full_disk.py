"""A disk without space, under the real program: it stops with one sentence, keeps all it said, and goes on later."""

import re
from pathlib import Path

import pytest

from tests.cli.terminal import Result
from tests.kill.forks import Forks
from tests.live_kill.books import LogBook
from tests.processes.disks import Way, mounted, namespaced, small_disk
from tests.processes.seccomp import is_possible
from tests.processes.story import kept, story, until

LIVED = "Bought lot 3"
WAYS: dict[str, tuple[Way, ...]] = {"tmpfs": (mounted, namespaced), "namespace": (namespaced, mounted), "refused": ()}


def check_sentence(end: Result) -> None:
    """Check that a program ended for want of space, said so in one sentence, and named what to do."""
    assert end.code == 1, end
    assert end.err.count("\n") == 1, end.err
    assert ("no space is left to write" in end.err) or not is_possible(), end.err
    assert "start again" in end.err


@pytest.mark.spec(
    "A program on a full disk stops with one sentence, has all it said in its log, and goes on later", section="Storage"
)
@pytest.mark.parametrize("way", WAYS)
def test_program_on_a_full_disk_stops_keeps_what_it_said_and_goes_on_later(
    live_forks: Forks, tmp_path: Path, way: str
) -> None:
    with small_disk(tmp_path / "disk", *WAYS[way]) as disk, story(tmp_path) as told:
        told.move_to(disk.folder / "state")
        with disk.run(told) as program:
            program.wait_for(LIVED)
            disk.fill()
            end = program.end()
        check_sentence(end)
        disk.rescue(tmp_path / "full")
        full = LogBook(tmp_path / "full")
        booked = {row.says["lot"] for row in full.rows if row.tag == "purchase_recorded"}
        said = {int(lot) for lot in re.findall(r"Bought lot (\d+)", end.out)}
        assert said <= booked

        with disk.run(told) as program:
            check_sentence(program.end())

        disk.free()
        with disk.run(told) as program:
            program.wait_for("Session started")
            program.process.kill()
        orders = len(told.ledger().orders)
        with disk.run(told) as program:
            program.wait_for("Reconciled with the exchange")
            until(lambda: len(told.ledger().orders) > orders)
            program.process.kill()
        disk.rescue(tmp_path / "state")
        told.move_to(tmp_path / "state")
        assert kept(full.rows, told.log())
        told.finish(live_forks)
