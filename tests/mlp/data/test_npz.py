"""`read_npz`: what is read, and the archives that are refused before they cost anything."""

import io
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from mlp.data import DamagedDataError, DataError, OversizedDataError, read_npz

Arrays = dict[str, NDArray[Any]]
ToBytes = Callable[[Arrays], bytes]
MIB = 2**20


def read(data: bytes, **options: Any) -> Arrays:
    return read_npz(io.BytesIO(data), **options)


def npy_bytes(array: NDArray[Any], *, promised_shape: tuple[int, ...] | None = None) -> bytes:
    """`array` as .npy, with another shape in its header if one is given."""
    buffer = io.BytesIO()
    header = npy_format.header_data_from_array_1_0(array)
    npy_format.write_array_header_1_0(buffer, header | {"shape": promised_shape or array.shape})
    return buffer.getvalue() + array.tobytes()


def zip_bytes(members: list[tuple[str, bytes]], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def members_of(arrays: Arrays) -> list[tuple[str, bytes]]:
    return [(f"{key}.npy", npy_bytes(array)) for key, array in arrays.items()]


def patch_directory(data: bytes, *, offset: int, value: bytes) -> bytes:
    """`data` with `value` at `offset` of the archive directory's first entry."""
    start = data.index(b"PK\x01\x02") + offset
    return data[:start] + value + data[start + len(value) :]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed], ids=["stored", "deflated"])
def test_arrays_come_back_as_written(arrays: Arrays, save: Callable[..., None]) -> None:
    buffer = io.BytesIO()
    save(buffer, **arrays)
    found = read(buffer.getvalue())
    assert list(found) == ["x_train", "y_train", "x_test", "y_test"]
    for key, array in arrays.items():
        np.testing.assert_array_equal(found[key], array, strict=True)


@pytest.mark.parametrize("dtype", ["<i8", ">i8", ">u2", "|i1", "<u4"])
def test_either_byte_order_is_read(arrays: Arrays, npz_bytes: ToBytes, dtype: str) -> None:
    labels = arrays["y_train"]
    np.testing.assert_array_equal(read(npz_bytes(arrays | {"y_train": labels.astype(dtype)}))["y_train"], labels)


def test_fortran_order_is_read_and_made_c_contiguous(arrays: Arrays, npz_bytes: ToBytes) -> None:
    found = read(npz_bytes(arrays | {"x_train": np.asfortranarray(arrays["x_train"])}))
    np.testing.assert_array_equal(found["x_train"], arrays["x_train"])
    assert found["x_train"].flags.c_contiguous


def test_other_members_and_paths_are_ignored(arrays: Arrays) -> None:
    others = [
        ("z.npy", b"nonsense"),
        ("../../x_train.npy", b"nonsense"),
        ("/x_train.npy", b"nonsense"),
        ("x_train", b"nonsense"),
        ("folder/y_test.npy", b"nonsense"),
    ]
    found = read(zip_bytes(others + members_of(arrays)))
    np.testing.assert_array_equal(found["x_train"], arrays["x_train"])


def test_pickled_objects_are_refused_unread(arrays: Arrays, npz_bytes: ToBytes) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("a pickle was loaded",))

    with pytest.raises(DamagedDataError, match=r"x_test: wanted numbers, found dtype '\|O'"):
        read(npz_bytes(arrays | {"x_test": np.array([Trap()], dtype=object)}))


def test_terabyte_in_the_npy_header_is_refused_before_it_is_allocated(
    arrays: Arrays, peak_bytes: Callable[[], int]
) -> None:
    members = members_of(arrays)
    members[0] = ("x_train.npy", npy_bytes(arrays["x_train"], promised_shape=(2**20, 2**10, 2**10)))
    with pytest.raises(OversizedDataError, match="x_train: the header promises 1099511627776 bytes") as caught:
        read(zip_bytes(members))
    assert caught.value.promised_bytes == 2**40
    assert peak_bytes() < MIB


def test_array_without_values_whose_other_dimensions_no_memory_has_is_refused(arrays: Arrays) -> None:
    members = members_of(arrays)
    members[0] = ("x_train.npy", npy_bytes(np.empty((0, 4), "f4"), promised_shape=(0, 2**62)))
    with pytest.raises(OversizedDataError, match="x_train: the header promises"):
        read(zip_bytes(members))


def test_promise_below_the_limit_must_agree_with_the_directory(arrays: Arrays, peak_bytes: Callable[[], int]) -> None:
    members = members_of(arrays)
    members[0] = ("x_train.npy", npy_bytes(arrays["x_train"], promised_shape=(2**10, 2**19)))
    with pytest.raises(DamagedDataError, match="promises 536870912 bytes of data, the archive holds 240"):
        read(zip_bytes(members))
    assert peak_bytes() < MIB


def test_promise_that_directory_and_header_share_costs_only_what_is_there(
    arrays: Arrays, peak_bytes: Callable[[], int]
) -> None:
    members = members_of(arrays)
    members[0] = ("x_train.npy", npy_bytes(arrays["x_train"], promised_shape=(2**10, 2**19)))
    data = patch_directory(zip_bytes(members), offset=24, value=struct.pack("<I", 2**29 + 128))
    with pytest.raises(DamagedDataError, match="wanted 536870912 bytes, the file ends after 240"):
        read(data)
    assert peak_bytes() < MIB


def test_zip_bomb_is_refused_unpacked(arrays: Arrays, peak_bytes: Callable[[], int]) -> None:
    members = members_of(arrays)
    members[0] = ("x_train.npy", npy_bytes(arrays["x_train"]) + b"\0" * (64 * MIB))
    bomb = zip_bytes(members)
    before = peak_bytes()
    with pytest.raises(DamagedDataError, match="promises 240 bytes of data, the archive holds 67109104"):
        read(bomb)
    assert peak_bytes() - before < MIB


def test_zip_bomb_with_a_lying_directory_is_stopped_at_its_promise(
    arrays: Arrays, peak_bytes: Callable[[], int]
) -> None:
    members = members_of(arrays)
    members[0] = ("x_train.npy", npy_bytes(arrays["x_train"]) + b"\0" * (64 * MIB))
    bomb = patch_directory(zip_bytes(members), offset=24, value=struct.pack("<I", 128 + 240))
    before = peak_bytes()
    with pytest.raises(DamagedDataError, match="Bad CRC-32"):
        read(bomb)
    assert peak_bytes() - before < MIB


def test_limit_is_on_the_four_together(arrays: Arrays, npz_bytes: ToBytes) -> None:
    total_bytes = sum(array.nbytes for array in arrays.values())
    read(npz_bytes(arrays), max_bytes=total_bytes)
    with pytest.raises(OversizedDataError, match=r"y_test: the header promises 10 bytes, the limit is 9"):
        read(npz_bytes(arrays), max_bytes=total_bytes - 1)


def test_endless_directory_is_refused_unread(peak_bytes: Callable[[], int]) -> None:
    entries = (b"PK\x01\x02" + b"\0" * 42) * 50_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 50_000, 50_000, len(entries), 0, 0)
    before = peak_bytes()
    with pytest.raises(DamagedDataError, match="zip directory takes 2300000 bytes"):
        read(entries + end)
    assert peak_bytes() - before < 4 * MIB  # 2.2 MiB of them are this test's own bytes


def test_archive_from_python_2_is_read_without_a_warning(arrays: Arrays) -> None:
    members = members_of(arrays)
    text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (20L, 4L, 3L), }"
    header = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
    members[0] = ("x_train.npy", header + arrays["x_train"].tobytes())
    np.testing.assert_array_equal(read(zip_bytes(members))["x_train"], arrays["x_train"])


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unbounded_compression_is_refused(arrays: Arrays, compression: int) -> None:
    with pytest.raises(DamagedDataError, match=rf"packed by zip method {compression}; wanted stored"):
        read(zip_bytes(members_of(arrays), compression=compression))


def test_encrypted_member_is_refused(arrays: Arrays, npz_bytes: ToBytes) -> None:
    with pytest.raises(DamagedDataError, match="x_train is encrypted"):
        read(patch_directory(npz_bytes(arrays), offset=8, value=b"\x01"))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicated_member_is_refused(arrays: Arrays) -> None:
    with pytest.raises(DamagedDataError, match="holds y_test twice"):
        read(zip_bytes(members_of(arrays) + members_of(arrays)[-1:]))


def test_missing_members_are_named(arrays: Arrays, npz_bytes: ToBytes) -> None:
    del arrays["y_train"], arrays["x_test"]
    with pytest.raises(DamagedDataError, match="no y_train, x_test in it; wanted x_train and y_train, with"):
        read(npz_bytes(arrays))


@pytest.mark.parametrize(
    "data", [b"", b"PK", b"\0" * 1000, b"PK\x05\x06" + b"\0" * 18, b"PK\x05\x06" + b"\xff" * 18, b"\x93NUMPY\x01\x00"]
)
def test_what_is_no_archive_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(DataError) as caught:
        read(data, where="'digits.npz'")
    assert str(caught.value).startswith("'digits.npz': ")
    assert "\n" not in str(caught.value)


def test_damage_in_the_data_is_found_by_its_checksum(arrays: Arrays) -> None:
    data = zip_bytes(members_of(arrays), compression=zipfile.ZIP_STORED)
    start = data.index(arrays["y_test"].tobytes())
    damaged = data[:start] + bytes([data[start] ^ 1]) + data[start + 1 :]
    with pytest.raises(DamagedDataError, match="Bad CRC-32"):
        read(damaged)
