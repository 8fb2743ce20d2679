"""Incidents of other programs, by their names: the engine survives each, and not under the protocol that it tells of.

Each story runs the whole engine against the local exchange twice: as it is, which must leave nothing to complain about,
and with the mistake of the incident built in, which must show: so that the first is worth something.
"""

import asyncio
import re
from pathlib import Path

import pytest

from tests.live import outcome_incidents, restart_incidents
from tests.live.incident import Incident

INCIDENTS = {**outcome_incidents.INCIDENTS, **restart_incidents.INCIDENTS}
EACH = pytest.mark.parametrize("incident", INCIDENTS.values(), ids=INCIDENTS)


@EACH
def test_incident_is_survived(incident: Incident, tmp_path: Path) -> None:
    assert asyncio.run(incident.story(tmp_path)) == []


@EACH
def test_incident_is_seen_under_the_wrong_protocol(
    incident: Incident, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident.wrong(monkeypatch)
    complaints = asyncio.run(incident.story(tmp_path))
    assert any(re.search(incident.complaint, each) for each in complaints), complaints
