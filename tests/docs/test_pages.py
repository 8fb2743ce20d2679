"""The pages made from code are as the code makes them now; `make docs` writes them again."""

import pytest

from engine.core import errors
from engine.core.config import BotConfig
from engine.store.codec import EVENT_TYPES
from tests.docs import pages

PAGES = sorted({section.page for section in pages.sections()})


@pytest.mark.parametrize("page", PAGES)
def test_made_sections_of_a_page_are_fresh(page: str) -> None:
    text = _read(page)
    stale = [each.name for each in pages.sections() if each.page == page and each.fresh(text) != text]
    assert stale == [], f"{page} is stale: run make docs"


def test_made_section_without_its_markers_is_refused() -> None:
    section = pages.Section("docs/cli.md", "nowhere", str)
    with pytest.raises(AssertionError, match="nowhere"):
        section.fresh("# A page\n")


def test_made_section_given_new_text_leaves_the_prose_around_it_alone() -> None:
    section = pages.Section("docs/cli.md", "part", lambda: "new\n")
    text = "before\n\n<!-- made by `make docs`: part -->\nold\n<!-- end of part -->\n\nafter\n"
    made = section.fresh(text)
    assert made.startswith("before\n\n")
    assert made.endswith("\n\nafter\n")
    assert "old" not in made
    assert section.fresh(made) == made


def _read(page: str) -> str:
    return (pages.ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("key", BotConfig.__struct_fields__)
@pytest.mark.spec("every configuration key is documented with default, unit and range", section="Files and interfaces")
def test_configuration_key_as_documented_stands_in_the_reference(key: str) -> None:
    text = _read("docs/configuration.md")
    assert f"`{key}" in text


@pytest.mark.parametrize("tag", EVENT_TYPES)
@pytest.mark.spec("every event the log can hold is catalogued", section="Event catalogue")
def test_event_as_documented_has_an_entry_in_the_catalogue(tag: str) -> None:
    assert f"\n### {tag}\n" in _read("docs/events.md")


def test_exit_code_of_any_fault_stands_in_the_table() -> None:
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.EngineError)]
    codes = {kind.exit_code for kind in kinds}
    text = _read("docs/operations.md")
    assert [code for code in sorted(codes) if f"\n| {code} |" not in text] == []


def test_section_of_any_mark_is_told_on_some_page() -> None:
    sections = _read("docs/promises.md").split("\n## ")[1:]
    assert [text.splitlines()[0] for text in sections if "\nThe rule: [" not in text] == []
