"""Every `Source:` in the code leads somewhere a stranger can read: a decision, a heading, or a row of the table."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.docs.headings import ARCHITECTURE, DECISIONS, decisions, headings, specification
from tests.tidy import rules

CODE = rules.python_files("engine", "cli")
_SOURCE = re.compile(r"Source: (.*?)(?:\.\s|\.$|\n\n|$)", re.DOTALL)
_NUMBERS = re.compile(r"decisions? (\d+(?:(?:, | and | to )\d+)*)")
_QUOTED = re.compile(r"(specification|design|decisions\.md|issue)(?:,)? \"([^\"]+)\"")


def _references(path: str) -> Iterator[str]:
    tree = ast.parse(rules.source(path))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = " ".join((ast.get_docstring(node) or "").split())
            text = text.replace("decisions.md", "decisions_md")
            yield from (match[1].replace("decisions_md", "decisions.md") for match in _SOURCE.finditer(text))


def _unknown(reference: str) -> list[str]:
    """List the parts of a reference that lead nowhere."""
    lost = [
        f"decision {number}"
        for group in _NUMBERS.findall(reference)
        for number in re.findall(r"\d+", group)
        if int(number) not in decisions()
    ]
    places = {
        "specification": specification(),
        "design": headings(ARCHITECTURE),
        "decisions.md": headings(DECISIONS),
        "issue": headings(DECISIONS),
    }
    for page, heading in _QUOTED.findall(reference):
        if heading not in places[page]:
            lost.append(f'{page}, "{heading}"')
    return lost


@pytest.mark.parametrize("path", CODE)
def test_source_named_in_the_code_leads_to_a_page(path: str) -> None:
    assert [lost for reference in _references(path) for lost in _unknown(reference)] == []


def test_source_named_in_the_code_is_seen_by_this_check() -> None:
    assert sum(1 for path in CODE for _ in _references(path)) > 20


@pytest.mark.parametrize(
    ("reference", "lost"),
    [
        pytest.param("decisions 3 to 6", [], id="numbers"),
        pytest.param("decision 99", ["decision 99"], id="no-such-number"),
        pytest.param('specification, "Backoff Strategy"; decision 4', [], id="specification"),
        pytest.param('design, "No such page"', ['design, "No such page"'], id="no-such-heading"),
        pytest.param('decisions.md, "Money"', [], id="decisions"),
    ],
)
def test_check_of_sources_given_a_reference_tells_good_from_lost(reference: str, lost: list[str]) -> None:
    assert _unknown(reference) == lost
