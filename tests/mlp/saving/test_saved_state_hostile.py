"""Any bytes whatever in place of a saved state: one line that says so, little memory, nothing written."""

import json
import os
import tracemalloc
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp import Network, Progress, StateError, load_state, read_state, save_state
from mlp.saving.layout import FORMAT, FORMAT_NUMBER, LENGTH_BYTES, Layout
from mlp.saving.state import SavedState

EDGES = (b"\0", b"\xff", b"\x80", b"9" * 20, b'"', b"}", b"[[[[", b"\xff" * 8, b"NaN", b"-1", b"1e999", b"null")


@cache
def good() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "good.state"
        save_state(path, Network([4, 3, 2], momentum=0.5), Progress(1, 2, 3, 10, 0.5, True, 100, "00"))
        return path.read_bytes()


def refused_or_loaded(content: bytes) -> bool:
    """Load the content as a state; whether it was refused. Any error but `StateError` fails the test."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "some.state"
        path.write_bytes(content)
        try:
            load_state(path)
        except StateError as error:
            assert str(error).isprintable()  # noqa: PT017
            assert len(str(error)) < 2100  # noqa: PT017
            return True
        finally:
            assert os.listdir(folder) == ["some.state"]  # noqa: PTH208
            assert path.read_bytes() == content
    return False


def with_state(**changes: object) -> bytes:
    """A file with these facts changed, and everything else made to agree with them where that's possible."""
    content = good()
    length = int.from_bytes(content[:LENGTH_BYTES], "little")
    metadata = json.loads(content[LENGTH_BYTES : LENGTH_BYTES + length])["__metadata__"]
    metadata["state"] = json.dumps(json.loads(metadata["state"]) | changes)
    header = Layout((4, 3, 2), "float32", ("velocity",)).header(metadata)
    return len(header).to_bytes(LENGTH_BYTES, "little") + header + content[LENGTH_BYTES + length :]


def test_good_state_is_loaded():
    assert not refused_or_loaded(good())


def test_every_truncation_is_refused():
    assert all(refused_or_loaded(good()[:length]) for length in range(len(good())))


def test_a_byte_more_is_refused():
    assert refused_or_loaded(good() + b"\0")


def test_every_flipped_bit_is_refused():
    content = good()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        assert refused_or_loaded(bytes(changed)), place


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(("cut", "put", "insert", "remove")),
            st.floats(0, 1, exclude_max=True),
            st.sampled_from(EDGES) | st.binary(min_size=1, max_size=8),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_mutated_state_is_refused_or_the_same(steps):
    content = good()
    for kind, fraction, new in steps:
        at = int(fraction * len(content))
        after = {"cut": len(content), "put": at + len(new), "insert": at, "remove": at + len(new)}[kind]
        content = content[:at] + (new if kind in ("put", "insert") else b"") + content[after:]
    assert refused_or_loaded(content) or content == good()


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused(content):
    assert refused_or_loaded(content)
    assert refused_or_loaded(len(content).to_bytes(8, "little") + content)
    beginning = b'{"__metadata__":' + content
    assert refused_or_loaded(len(beginning).to_bytes(8, "little") + beginning)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150)
@given(st.sampled_from(sorted(SavedState.__dataclass_fields__)) | st.text(max_size=9), JSON)
def test_any_fact_is_refused_or_fits(name, value):
    # The checksum is not made to agree, so the arrays are refused at the latest.
    content = with_state(**{name: value})
    assert refused_or_loaded(content) or content == good()


@settings(max_examples=100)
@given(st.sampled_from(sorted(Progress.__dataclass_fields__)), JSON)
def test_any_progress_is_refused_or_fits(name, value):
    record = {"epoch": 1, "step": 2, "epochs": 3, "mini_batch_size": 10, "eta": 0.5, "shuffle": True, "n_samples": 9}
    assert refused_or_loaded(with_state(progress=record | {"data_digest": ""} | {name: value}))


@pytest.mark.parametrize(
    "sizes",
    ["2147483647,2147483647", "2147483647x99999,2", "1x100001", "1x100000,1", "4,3", "0,1", "9" * 5000, "4,3,2,1"],
)
def test_promise_of_more_than_there_is_costs_nothing(sizes, tmp_path):
    path = tmp_path / "huge.state"
    path.write_bytes(with_state(sizes=sizes))
    tracemalloc.start()
    with pytest.raises(StateError):
        load_state(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**23


@pytest.mark.parametrize("length", [2**40, 2**63, 2**64 - 1])
def test_header_that_promises_a_terabyte_costs_nothing(length, tmp_path):
    path = tmp_path / "huge.state"
    path.write_bytes(length.to_bytes(8, "little") + good()[8:])
    with pytest.raises(StateError, match="promises more"):
        read_state(path)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b"[[],", b'["', b"1"])
def test_header_of_many_megabytes_costs_no_more_than_a_few_times_its_part_that_is_read(opening, tmp_path):
    path = tmp_path / "deep.state"
    header = b'{"__metadata__":' + opening * (2**24 // len(opening))
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    tracemalloc.start()
    with pytest.raises(StateError, match="is no saved state"):
        read_state(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**27


def test_state_of_another_format_is_named_as_such(tmp_path):
    path = tmp_path / "new.state"
    newer = FORMAT.replace(f"state {FORMAT_NUMBER}", f"state {FORMAT_NUMBER + 1}")
    path.write_bytes(good().replace(FORMAT.encode(), newer.encode()))
    with pytest.raises(StateError, match=rf"is in format {FORMAT_NUMBER + 1}, of a newer version.*{FORMAT}.*upgrade"):
        read_state(path)


@pytest.mark.parametrize("number", ["0", "01", "-1", "one", "2.0", "9" * 30, ""])
def test_state_of_no_format_is_refused(number, tmp_path):
    path = tmp_path / "new.state"
    path.write_bytes(good().replace(f"state {FORMAT_NUMBER}".encode(), f"state {number}".encode(), 1))
    with pytest.raises(StateError):
        read_state(path)


def test_folder_pipe_and_nothing_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, problem in ((tmp_path, "folder"), (tmp_path / "pipe", "pipe"), (tmp_path / "none", "No such file")):
        with pytest.raises(StateError, match=problem):
            read_state(path)
