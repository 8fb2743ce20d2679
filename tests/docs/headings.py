"""Where a rule is told: the names that code and tests refer to, and the page and heading behind each.

Owns the reading of docs/decisions.md, docs/security.md and docs/storage.md, and of the table of rules in
docs/architecture.md.
"""

import re
from functools import cache
from typing import Final, NamedTuple

from tests.docs.pages import ROOT
from tests.tidy.links import slug

DECISIONS: Final = "decisions.md"
ARCHITECTURE: Final = "architecture.md"
SECURITY: Final = "security.md"
STORAGE: Final = "storage.md"
RULES_TABLE: Final = "Where every rule of the specification lives"
_HEADING: Final = re.compile(r"^#{2,4} (.+)$", re.MULTILINE)
_DECISION: Final = re.compile(r"^Decision (\d+)\b")
_PREFIX: Final = re.compile(r"^(?:issue|design|decisions?(?:\.md)?|specification)\b[:,]? ?(?=\D)")


def _text(page: str) -> str:
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


@cache
def headings(page: str) -> tuple[str, ...]:
    """List the headings of a page of docs/ below its title."""
    return tuple(_HEADING.findall(_text(page)))


@cache
def specification() -> tuple[str, ...]:
    """List the sections of the specification in its order: the first column of the table of rules."""
    _, _, after = _text(ARCHITECTURE).partition(f"## {RULES_TABLE}")
    rows = [line.split("|")[1].strip() for line in after.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return tuple(rows[2:])


@cache
def decisions() -> dict[int, str]:
    """Give the heading of each numbered decision."""
    found = ((heading, _DECISION.match(heading)) for heading in headings(DECISIONS))
    return {int(match[1]): heading for heading, match in found if match}


class Place(NamedTuple):
    """Where a rule is told: its rank among all, the heading, and the link from a page of docs/."""

    rank: int
    title: str
    link: str


def place(section: str) -> Place | None:
    """Find what a mark names as its section, or None if no page tells of it.

    A section is a heading of the specification, `decision N`, or a heading of docs/decisions.md, docs/architecture.md,
    docs/security.md or docs/storage.md; `issue: `, `design: ` and the like may stand before it, and a heading may be
    cut short or carried on.
    """
    name = section.lower().replace("_", " ").strip()
    number = re.fullmatch(r"decision (\d+).*", name)
    if number and int(number[1]) in decisions():
        heading = decisions()[int(number[1])]
        return Place(1000 + int(number[1]), heading, f"{DECISIONS}#{slug(heading)}")
    name = _PREFIX.sub("", name).strip('"')
    known = _known()
    exact = (each for each in known if each.title.lower() == name)
    return next(exact, next((each for each in known if _continues(name, each.title.lower())), None))


@cache
def _known() -> tuple[Place, ...]:
    """List the places without a number: the specification's first, then the decisions' and the architecture's."""
    rules = f"{ARCHITECTURE}#{slug(RULES_TABLE)}"
    return (
        *(Place(rank, title, rules) for rank, title in enumerate(specification())),
        *(Place(2000 + rank, title, f"{DECISIONS}#{slug(title)}") for rank, title in enumerate(headings(DECISIONS))),
        *(
            Place(3000 + rank, title, f"{ARCHITECTURE}#{slug(title)}")
            for rank, title in enumerate(headings(ARCHITECTURE))
        ),
        *(Place(4000 + rank, title, f"{SECURITY}#{slug(title)}") for rank, title in enumerate(headings(SECURITY))),
        *(Place(5000 + rank, title, f"{STORAGE}#{slug(title)}") for rank, title in enumerate(headings(STORAGE))),
    )


def _continues(name: str, title: str) -> bool:
    return name.startswith(title) or title.startswith(name)
