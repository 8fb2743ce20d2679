"""What was found wrong with this engine, as docs/evidence.md tells it, with the tests that hold each mend."""

from typing import Final

import msgspec
import yaml

from tests.docs.pages import ROOT, link_to, table

FILE: Final = ROOT / "tests" / "docs" / "found.yml"


class Found(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One mistake: by what it was found, what was wrong, how it was mended, and tests that fail without the mend."""

    by: str
    wrong: str
    mend: str
    tests: tuple[str, ...]


def mistakes() -> tuple[Found, ...]:
    """Read all, in the order in which they were found."""
    return msgspec.convert(yaml.safe_load(FILE.read_text(encoding="utf-8")), tuple[Found, ...])


def page() -> str:
    """Write them as a table."""
    lines = [
        (each.by, each.wrong, each.mend, "<br>".join(link_to(f"tests/{test}") for test in each.tests))
        for each in mistakes()
    ]
    return table(("found by", "what was wrong", "mended by", "held by"), lines)
