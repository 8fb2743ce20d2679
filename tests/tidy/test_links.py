"""The documents link to what exists; and the check behind it sees what is dead and leaves alone what is not."""

from pathlib import Path

import pytest

from tests.tidy import links


def test_documents_as_written_have_no_dead_link() -> None:
    assert links.dead_links() == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("[a](gone.md)", "leads to no file", id="missing-file"),
        pytest.param("![a](gone.png)", "leads to no file", id="missing-image"),
        pytest.param("[a]: gone.md", "leads to no file", id="missing-reference"),
        pytest.param("[a](other.md#nothing)", "names a heading that is not there", id="missing-heading"),
        pytest.param("[a](#nothing)", "names a heading that is not there", id="missing-heading-here"),
        pytest.param("[a](../../other.md)", "leads out of the project", id="outside"),
        pytest.param("[a](/other.md)", "is absolute; write it relative to this file", id="absolute"),
        pytest.param('[a](gone.md "a title")', "leads to no file", id="with-title"),
    ],
)
def test_link_that_is_dead_is_named_with_file_and_line(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "other.md").write_text("# Other\n", encoding="utf-8")
    (tmp_path / "page.md").write_text(f"# Page\n\n{text}\n", encoding="utf-8")
    (found,) = links.dead_links(tmp_path)
    assert found.startswith("page.md:3: the link ")
    assert found.endswith(fault)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[a](other.md)", id="file"),
        pytest.param("[a](docs/)", id="folder"),
        pytest.param("[a](other.md#the-other-_one_-2-percent)", id="heading"),
        pytest.param("[a](other.md#again-1)", id="second-heading-of-that-name"),
        pytest.param("[a](other.md#mark)", id="explicit-anchor"),
        pytest.param("[a](other.md#under)", id="underlined-heading"),
        pytest.param("[a](#page)", id="heading-here"),
        pytest.param("[a](https://example.org/gone.md#x)", id="network"),
        pytest.param("`[a](gone.md)`", id="code"),
        pytest.param("```md\n[a](gone.md)\n```", id="fenced-code"),
        pytest.param("a[0] (gone.md)", id="not-a-link"),
    ],
)
def test_link_that_lives_is_left_alone(tmp_path: Path, text: str) -> None:
    other = '# The *other* `_one_`: 2 percent!\n## Again\n## Again\n<a id="mark"></a>\n\nUnder\n-----\n'
    (tmp_path / "docs").mkdir()
    (tmp_path / "other.md").write_text(other, encoding="utf-8")
    (tmp_path / "page.md").write_text(f"# Page\n\n{text}\n", encoding="utf-8")
    assert links.dead_links(tmp_path) == []
