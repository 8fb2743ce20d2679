"""The supply of packages: the bill of materials is the lock, the audit never takes silence for a clean answer."""

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.supply.audit import audit, judged
from tests.supply.lock import LOCK, pins
from tests.supply.sbom import sbom

LOCKED = pins(LOCK.read_text(encoding="utf-8"))
MOST_DIRECT = 10
FLAW = {"id": "CVE-2026-1", "fix_versions": ["1.1"], "aliases": [], "description": ""}
GOOD: dict[str, Any] = {"name": "good", "version": "1.0", "vulns": []}
BAD: dict[str, Any] = {"name": "bad", "version": "1.0", "vulns": [FLAW]}
UNKNOWN: dict[str, Any] = {"name": "odd", "skip_reason": "not found"}


def test_sbom_lists_exactly_the_packages_of_the_lock() -> None:
    told = json.loads(sbom(LOCKED))
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.6")
    listed = [(each["name"], each["version"]) for each in told["components"]]
    assert sorted(listed) == sorted((pin.name, pin.version) for pin in LOCKED)
    assert len(set(listed)) == len(listed)
    assert len(listed) == LOCK.read_text(encoding="utf-8").count("==") - _markers_with_equality()
    for each in told["components"]:
        assert each["purl"] == f"pkg:pypi/{each['name']}@{each['version']}"
        assert each["hashes"]


def _markers_with_equality() -> int:
    return sum(pin.marker.count("==") for pin in LOCKED)


def test_sbom_of_the_same_lock_differs_in_its_time_alone() -> None:
    first, second = (json.loads(sbom(LOCKED)) for _ in range(2))
    for told in (first, second):
        del told["metadata"]["timestamp"]
    assert first == second


def test_lock_with_a_line_of_another_kind_is_refused() -> None:
    with pytest.raises(AssertionError, match="odd line"):
        pins("good==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n--index-url elsewhere\n")


def test_direct_dependencies_stay_few() -> None:
    project = tomllib.loads((LOCK.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert len(project["dependencies"]) <= MOST_DIRECT


@pytest.mark.parametrize(
    ("packages", "code", "last"),
    [
        pytest.param([GOOD], 0, "no known vulnerabilities in 1 packages", id="clean"),
        pytest.param([GOOD, BAD, UNKNOWN], 1, "1 known vulnerabilities in 2 packages", id="vulnerable"),
        pytest.param([GOOD, UNKNOWN], 0, "no known vulnerabilities in 1 packages", id="partly-unknown"),
        pytest.param([UNKNOWN, UNKNOWN], 0, "could not ask the advisory service (the service knows none", id="silent"),
        pytest.param([], 0, "could not ask the advisory service (the service knows none", id="nothing"),
    ],
)
def test_audit_of_a_report_fails_for_vulnerabilities_alone(packages: list[Any], code: int, last: str) -> None:
    verdict = judged({"dependencies": packages})
    assert verdict.code == code
    assert verdict.lines[-1].startswith(last)
    assert (UNKNOWN in packages and GOOD in packages and code == 0) == any(
        "not known" in each for each in verdict.lines
    )


@pytest.mark.parametrize(
    ("program", "seconds", "code", "said"),
    [
        pytest.param(
            "import time; time.sleep(60)", 1.0, 0, "could not ask the advisory service (no answer", id="hangs"
        ),
        pytest.param(
            "import sys; sys.exit('no route')", 30.0, 0, "could not ask the advisory service (no route)", id="fails"
        ),
        pytest.param(
            f"print({json.dumps({'dependencies': [BAD]})!r}); exit(1)", 30.0, 1, "bad 1.0: CVE-2026-1", id="flaw"
        ),
    ],
)
def test_audit_by_a_program_that_misbehaves_ends_soon(program: str, seconds: float, code: int, said: str) -> None:
    verdict = audit([sys.executable, "-c", program], seconds)
    assert verdict.code == code
    assert verdict.lines[0].startswith(said), verdict


def test_audit_without_the_program_fails(tmp_path: Path) -> None:
    verdict = audit([str(tmp_path / "none")])
    assert verdict.code == 1
    assert "cannot be run" in verdict.lines[0]
