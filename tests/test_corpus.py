"""The crash corpus: every input that ever made a reader hang, take gigabytes or raise a foreign error, read again."""

import time
import tracemalloc
from pathlib import Path

import pytest

from bench.fuzz.__main__ import CORPUS
from bench.fuzz.__main__ import READERS as NAMES
from bench.fuzz.readers import READERS, judged
from bench.fuzz.seeds import seeds
from checkpoint import CheckpointError

FILES = sorted(path for path in CORPUS.rglob("*") if path.is_file() and path.suffix != ".md")
PEAK_BYTES = 2**27
SECONDS = 10


def test_there_is_a_corpus_for_each_reader() -> None:
    assert set(NAMES) == set(READERS) == {path.parent.name for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_reader_refuses_or_reads_it_in_bounds(path: Path) -> None:
    content, read = path.read_bytes(), judged(READERS[path.parent.name])
    tracemalloc.start()
    begun = time.perf_counter()
    try:
        read(content)
    finally:
        seconds, (_, peak) = time.perf_counter() - begun, tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert seconds < SECONDS
    assert peak < PEAK_BYTES


@pytest.mark.parametrize("name", READERS)
def test_reader_takes_what_is_good(name: str) -> None:
    good = list(seeds(name))
    assert good
    for content in good:
        READERS[name](content)


def test_foreign_error_and_message_of_two_lines_are_noticed() -> None:
    def foreign(content: bytes) -> None:
        raise KeyError(content)

    def two_lines(content: bytes) -> None:
        raise CheckpointError("one\ntwo")

    with pytest.raises(KeyError):
        judged(foreign)(b"")
    with pytest.raises(AssertionError, match="one line"):
        judged(two_lines)(b"")
