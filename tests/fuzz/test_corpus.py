"""Every input that ever broke something, and some thousands of small changes to them, are put to every target.

Method: the corpus as it stands, then a bounded number of seeded mutations: the same inputs on every machine, without
atheris. `python -m tests.fuzz` is the long search.
"""

import resource
import sys
import time
from collections.abc import Iterator

import pytest

from tests.fuzz.corpus import FOLDER, TARGETS, seeds, stored
from tests.fuzz.mutations import mutations
from tests.fuzz.target import MEGABYTES, MOST_BYTES, SECONDS_EACH, SMALL

COUNTS = {"events": 4_000, "config": 300, "payloads": 1_000, "answers": 3_000}


def rest(name: str) -> Iterator[bytes]:
    """Give the corpus of a target and its mutations."""
    known = seeds(name)
    yield from known
    small = [data for data in known if len(data) <= SMALL]
    yield from (data[:MOST_BYTES] for data in mutations(small, COUNTS[name], name))


def peak_megabytes() -> float:
    """Give the most memory that this process ever had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


@pytest.mark.parametrize("name", TARGETS)
def test_target_put_the_corpus_and_its_mutations_keeps_its_promises(name: str) -> None:
    with TARGETS[name]() as put:
        before = peak_megabytes()
        for data in rest(name):
            begun = time.perf_counter()
            try:
                put(data)
            except Exception as error:
                error.add_note(f"the input: {data[:4_000]!r}")
                raise
            assert time.perf_counter() - begun < SECONDS_EACH, data[:200]
        assert peak_megabytes() - before < MEGABYTES / 2


def test_mutations_of_one_seed_are_the_same_again_and_differ_from_their_originals() -> None:
    known = seeds("events")
    first, second = (list(mutations(known, 200, "again")) for _ in range(2))
    assert first == second
    assert list(mutations(known, 200, "other")) != first
    assert len(set(first) - set(known)) > 150


@pytest.mark.parametrize("name", TARGETS)
def test_corpus_as_stored_is_small(name: str) -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(TARGETS)
    assert stored(name), name
    for path in stored(name):
        assert path.stat().st_size <= SMALL, path
