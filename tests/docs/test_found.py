"""Every mistake that the evidence tells of names tests that are there."""

import re

import pytest

from tests.docs.found import Found, mistakes
from tests.docs.pages import ROOT


@pytest.mark.parametrize("mistake", mistakes(), ids=lambda each: each.by)
def test_mistake_that_was_found_is_held_by_tests_that_exist(mistake: Found) -> None:
    assert mistake.tests
    for test in mistake.tests:
        path, _, name = test.partition("::")
        text = (ROOT / "tests" / path).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), test
