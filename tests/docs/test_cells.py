"""The table of visits: no reason for an empty cell is contradicted by what the campaign met."""

from tests.docs.cells import REASONS, why
from tests.docs.evidence import visited


def test_reason_for_an_empty_cell_is_never_contradicted_by_the_recorded_campaign() -> None:
    met = visited()
    assert met, "a campaign is recorded"
    wrong = [(fault, state, count) for fault, each in met.items() for state, count in each.items() if count]
    assert [cell for cell in wrong if why(cell[0], cell[1])] == []


def test_each_reason_speaks_for_itself_once() -> None:
    assert len({each.mark for each in REASONS}) == len(REASONS)
    assert why("request_lost: create", "open") is not None
    assert why("request_lost: query", "open") is None
