"""The table of visits: no reason for an empty cell is contradicted by what the campaign met."""

from tests.docs.cells import REASONS, seldom, why
from tests.docs.evidence import KNOWN, unvisited, visited


def test_reason_for_an_empty_cell_is_never_contradicted_by_the_recorded_campaign() -> None:
    met = visited()
    assert met, "a campaign is recorded"
    wrong = [(fault, state, count) for fault, each in met.items() for state, count in each.items() if count]
    assert [cell for cell in wrong if why(cell[0], cell[1])] == []


def test_each_cell_of_every_known_fault_is_counted_or_explained() -> None:
    met = visited()
    assert met, "a campaign is recorded"
    assert met.keys() >= {*KNOWN, "cut_short", "disaster: row scarred", "operator: kill"}
    assert not [fault for fault in met if "kill: other calls" in fault]
    open_cells = [(fault, state) for fault, each in met.items() for state in unvisited(fault, each)]
    assert [cell for cell in open_cells if seldom(*cell) is None] == []


def test_cell_that_is_often_possible_is_not_explained_away() -> None:
    assert seldom("kill: disk, wal", "open") is None
    assert seldom("request_lost: query", "sent") is None
    assert seldom("rate_limit: query", "open") is None
    assert seldom("disaster: row scarred", "open") is None


def test_each_reason_speaks_for_itself_once() -> None:
    assert len({each.mark for each in REASONS}) == len(REASONS)
    assert why("request_lost: create", "open") is not None
    assert why("request_lost: query", "open") is None
