"""`read_idx`: what is read, and what is refused before it costs anything."""

import gzip
import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mlp.data import DamagedDataError, DataError, OversizedDataError, read_idx

ToBytes = Callable[[NDArray[Any]], bytes]
MIB = 2**20


def read(data: bytes, **options: Any) -> NDArray[Any]:
    return read_idx(io.BytesIO(data), **options)


@pytest.mark.parametrize("shape", [(5,), (5, 7), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["raw", "gzip"])
def test_integers_come_back_as_written(
    shape: tuple[int, ...], dtype: str, pack: Callable[[bytes], bytes], idx_bytes: ToBytes
) -> None:
    array = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    found = read(pack(idx_bytes(array)))
    np.testing.assert_array_equal(found, array)
    assert found.dtype.kind == array.dtype.kind
    assert found.flags.c_contiguous


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_floats_are_refused_by_name(dtype: str, idx_bytes: ToBytes) -> None:
    with pytest.raises(DamagedDataError, match=f"wanted integers, found {np.dtype(dtype).name}"):
        read(idx_bytes(np.zeros((2, 2), dtype=dtype)))


def test_raw_terabyte_is_refused_before_it_is_allocated(peak_bytes: Callable[[], int]) -> None:
    promise = struct.pack(">4B3I", 0, 0, 8, 3, 2**20, 2**10, 2**10)
    with pytest.raises(OversizedDataError, match="promises 1099511627776 bytes") as caught:
        read(promise + b"\0" * 100)
    assert caught.value.promised_bytes == 2**40
    assert caught.value.limit_bytes == 2**30
    assert peak_bytes() < MIB


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["raw", "gzip"])
def test_array_without_values_whose_other_dimensions_no_memory_has_is_refused(pack: Callable[[bytes], bytes]) -> None:
    promise = struct.pack(">4B3I", 0, 0, 12, 3, 0, 2**32 - 1, 2**32 - 1)
    with pytest.raises(OversizedDataError, match="the header promises"):
        read(pack(promise))


def test_raw_promise_below_the_limit_is_refused_by_the_size_of_the_file(peak_bytes: Callable[[], int]) -> None:
    promise = struct.pack(">4B2I", 0, 0, 8, 2, 2**10, 2**19)
    with pytest.raises(DamagedDataError, match="promises 536870912 bytes of data, the file holds 100"):
        read(promise + b"\0" * 100)
    assert peak_bytes() < MIB


def test_gzipped_promise_costs_only_what_is_there(peak_bytes: Callable[[], int]) -> None:
    promise = struct.pack(">4B2I", 0, 0, 8, 2, 2**10, 2**19)
    with pytest.raises(DamagedDataError, match="wanted 536870912 bytes, the file ends after 100"):
        read(gzip.compress(promise + b"\0" * 100))
    assert peak_bytes() < MIB


def test_gzip_bomb_is_stopped_at_its_promise(peak_bytes: Callable[[], int], idx_bytes: ToBytes) -> None:
    bomb = gzip.compress(idx_bytes(np.zeros((4, 4), dtype=np.uint8)) + b"\0" * (64 * MIB), compresslevel=1)
    before = peak_bytes()
    with pytest.raises(DamagedDataError, match="holds more than the 16 bytes"):
        read(bomb)
    assert peak_bytes() - before < MIB


def test_limit_is_the_callers(idx_bytes: ToBytes) -> None:
    data = idx_bytes(np.zeros(11, dtype=np.uint8))
    assert read(data, max_bytes=11).shape == (11,)
    with pytest.raises(OversizedDataError, match="promises 11 bytes, the limit is 10"):
        read(data, max_bytes=10)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "wanted 4 bytes, the file ends after 0"),
        (b"\0\0\x08", "wanted 4 bytes, the file ends after 3"),
        (b"\0\0\x08\x02\0\0\0\x01", "wanted 8 bytes, the file ends after 4"),
        (b"PK\x03\x04", "not an IDX file: wanted it to begin like 00 00 08 03, found 50 4b 03 04"),
        (b"\0\0\x07\x01\0\0\0\0", "not an IDX file"),
        (b"\0\0\x08\x00", "wanted 1 to 3 dimensions, the header says 0"),
        (b"\0\0\x08\xff", "wanted 1 to 3 dimensions, the header says 255"),
        (b"\0\0\x08\x01\0\0\0\x01ab", "promises 1 bytes of data, the file holds 2"),
        (b"\x1f\x8b", "the gzip stream has no end"),
        (b"\x1f\x8bnothing", "damaged gzip stream"),
        (gzip.compress(b"\0\0\x08\x01\0\0\0\x01a")[:-1], "the gzip stream has no end"),
        (gzip.compress(b"\0\0\x08\x01\0\0\0\x01a") + b"x", "bytes follow the end of the gzip stream"),
        (gzip.compress(b"\0\0\x08\x01\0\0\0\x01a") + gzip.compress(b""), "bytes follow the end of the gzip stream"),
        (gzip.compress(b"\0\0\x08\x01\0\0\0\x01a")[:-8] + b"\0" * 8, "damaged gzip stream"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(data: bytes, complaint: str) -> None:
    with pytest.raises(DataError) as caught:
        read(data, where="'digits'")
    assert str(caught.value).startswith("'digits': ")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)
