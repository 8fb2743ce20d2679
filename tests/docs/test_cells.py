"""The table of visits: no reason for an empty cell is contradicted by what the campaign met."""

from engine.testing.simulation.watch import ORDER_STATES
from tests.docs.cells import REASONS, why
from tests.docs.evidence import KNOWN, unvisited, visited, visits


def test_reason_for_an_empty_cell_is_never_contradicted_by_the_recorded_campaign() -> None:
    met = visited()
    assert met, "a campaign is recorded"
    wrong = [(fault, state, count) for fault, each in met.items() for state, count in each.items() if count]
    assert [cell for cell in wrong if why(cell[0], cell[1])] == []


def test_each_cell_of_every_known_fault_is_counted_explained_or_listed_as_not_met() -> None:
    met = visited()
    assert met, "a campaign is recorded"
    assert met.keys() >= {*KNOWN, "cut_short", "disaster: row scarred", "operator: kill"}
    assert not [fault for fault in met if "kill: other calls" in fault]
    shown = visits()
    for fault, each in met.items():
        open_cells = unvisited(fault, each)
        assert all(each[state] or why(fault, state) or state in open_cells for state in ORDER_STATES)
        assert not open_cells or f"- {fault}: {', '.join(open_cells)}" in shown.splitlines()


def test_each_reason_speaks_for_itself_once() -> None:
    assert len({each.mark for each in REASONS}) == len(REASONS)
    assert why("request_lost: create", "open") is not None
    assert why("request_lost: query", "open") is None
