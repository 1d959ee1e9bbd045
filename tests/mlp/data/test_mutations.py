"""Any bytes whatever: a reader returns arrays or raises a DataError, never anything else."""

import contextlib
import gzip
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mlp.data import DataError, read_idx, read_npz
from mlp.data.formats.npz_file import raw_npz
from mlp.data.prepare import prepared

Mutation = Callable[[bytes], bytes]
rng = np.random.default_rng(0)
IMAGES = rng.integers(0, 256, (6, 4, 3), dtype=np.uint8)
LABELS = np.arange(6, dtype=np.uint8)
EDGES = [
    b"\0",
    b"\xff",
    b"\x80",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\xff" * 8,
    b"PK\x05\x06",
    b"PK\x01\x02",
    b"\x1f\x8b",
]


@st.composite
def mutations(draw: st.DrawFn) -> Mutation:
    """Cuts, flips, overwrites, inserts and removes bytes, one to four times, at fractions of the length."""
    kinds = ["cut", "flip", "overwrite", "insert", "remove"]
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from(kinds),
                st.floats(0, 1, exclude_max=True),
                st.sampled_from(EDGES) | st.binary(min_size=1, max_size=8),
            ),
            min_size=1,
            max_size=4,
        )
    )

    def mutate(data: bytes) -> bytes:
        for kind, fraction, new in steps:
            at = int(fraction * len(data))
            if kind == "cut":
                data = data[:at]
            elif kind == "flip":
                data = data[:at] + bytes([(data[at] if at < len(data) else 0) ^ (1 << new[0] % 8)]) + data[at + 1 :]
            elif kind == "overwrite":
                data = data[:at] + new + data[at + len(new) :]
            elif kind == "insert":
                data = data[:at] + new + data[at:]
            else:
                data = data[:at] + data[at + len(new) :]
        return data

    return mutate


def npz(save: Callable[..., None]) -> bytes:
    buffer = io.BytesIO()
    save(buffer, x_train=IMAGES, y_train=LABELS, x_test=IMAGES, y_test=LABELS)
    return buffer.getvalue()


def archive_is_data_or_data_error(data: bytes) -> None:
    try:
        prepared(raw_npz(io.BytesIO(data), where="npz file"), name="mutated")
    except DataError as error:
        assert str(error).isprintable()  # noqa: PT017  (an error may come or not; if it does, it's one line)


def idx_is_data_or_data_error(data: bytes) -> None:
    with contextlib.suppress(DataError):
        found: NDArray[Any] = read_idx(io.BytesIO(data))
        assert 1 <= found.ndim <= 3


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed], ids=["stored", "deflated"])
@settings(max_examples=250, deadline=None)
@given(mutate=mutations())
def test_mutated_npz_is_data_or_data_error(save: Callable[..., None], mutate: Mutation) -> None:
    archive_is_data_or_data_error(mutate(npz(save)))


@settings(max_examples=250, deadline=None)
@given(mutate=mutations(), start=st.integers(0, 3))
def test_mutated_zip_directory_is_data_or_data_error(mutate: Mutation, start: int) -> None:
    data = npz(np.savez_compressed)
    directory = data.index(b"PK\x01\x02") + 55 * start
    archive_is_data_or_data_error(data[:directory] + mutate(data[directory:]))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["raw", "gzip"])
@settings(max_examples=200, deadline=None)
@given(mutate=mutations())
def test_mutated_idx_is_data_or_data_error(
    pack: Callable[[bytes], bytes], idx_bytes: Callable[..., bytes], mutate: Mutation
) -> None:
    idx_is_data_or_data_error(mutate(pack(idx_bytes(IMAGES))))
    idx_is_data_or_data_error(pack(mutate(idx_bytes(IMAGES))))


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_data_or_data_error(data: bytes) -> None:
    archive_is_data_or_data_error(data)
    idx_is_data_or_data_error(data)
    idx_is_data_or_data_error(b"\0\0\x08\x01" + data)
    idx_is_data_or_data_error(b"\x1f\x8b\x08" + data)


def test_every_truncation_is_refused(idx_bytes: Callable[..., bytes]) -> None:
    raw = idx_bytes(IMAGES)
    whole = {"idx": raw, "gzip": gzip.compress(raw), "npz": npz(np.savez_compressed)}
    readers: dict[str, Callable[[io.BytesIO], object]] = {"idx": read_idx, "gzip": read_idx, "npz": read_npz}
    for kind, data in whole.items():
        for length in range(len(data)):
            with pytest.raises(DataError):
                readers[kind](io.BytesIO(data[:length]))
