"""`read_npy_header`: the grammar takes what NumPy writes and refuses the rest quickly."""

import io
import struct
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib import format as npy_format

from mlp.data import DamagedDataError
from mlp.data.formats.npy import NpyHeader, read_npy_header


def read(data: bytes) -> NpyHeader:
    return read_npy_header(io.BytesIO(data), where="x_train")


def with_text(text: str, *, version: int = 1) -> bytes:
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text.encode()


@pytest.mark.parametrize("write", [npy_format.write_array_header_1_0, npy_format.write_array_header_2_0])
@settings(deadline=None)
@given(
    dtype=st.sampled_from(["|u1", "|i1", "<i2", ">u4", "<i8", ">u8"]),
    fortran_order=st.booleans(),
    shape=st.lists(st.integers(0, 2**63), max_size=3).map(tuple),
)
def test_headers_that_numpy_writes_are_read(
    write: Callable[..., None], dtype: str, fortran_order: bool, shape: tuple[int, ...]
) -> None:
    buffer = io.BytesIO()
    write(buffer, {"descr": dtype, "fortran_order": fortran_order, "shape": shape})
    header = read(buffer.getvalue() + b"data")
    assert (header.dtype, header.fortran_order, header.shape) == (np.dtype(dtype), fortran_order, shape)
    assert header.header_bytes == len(buffer.getvalue())


@pytest.mark.parametrize(
    "text",
    [
        "{'shape': (1, 2), 'descr': '<u2', 'fortran_order': False}",
        '{"fortran_order":False,"descr":"<u2","shape":(1,2)}',
        "  { 'descr' : '<u2' , 'shape' : ( 1 , 2 , ) , 'fortran_order' : False , }  \n",
    ],
)
@pytest.mark.parametrize("version", [1, 2, 3])
def test_any_order_and_spacing_is_read(text: str, version: int) -> None:
    header = read(with_text(text, version=version))
    assert (header.dtype, header.fortran_order, header.shape) == (np.dtype("<u2"), False, (1, 2))


@pytest.mark.parametrize("descr", ["|O", "<f4", "|b1", "<U9", "|V8", "<m8[s]", "u3", "i16", "<c8", "object", ""])
def test_what_is_no_integer_is_refused(descr: str) -> None:
    with pytest.raises(DamagedDataError, match="x_train: wanted integers, found dtype"):
        read(with_text(f"{{'descr': '{descr}', 'fortran_order': False, 'shape': (1,), }}"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1, 2]",
        "{'descr': '|u1', 'fortran_order': False}",
        "{'descr': '|u1', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1.5,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': [1]}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (١,)}",
        "{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)} + {}",
        "{'descr': '|u1', 'descr': '|u1', 'shape': (1,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1,), 'more': 1}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (" + "9" * 100 + ",)}",
        "(" * 1000,
        "-" * 1000,
    ],
)
def test_other_expressions_are_refused_not_evaluated(text: str) -> None:
    with pytest.raises(DamagedDataError, match="wanted the header of a plain array"):
        read(with_text(text))


def test_more_than_three_dimensions_are_refused() -> None:
    with pytest.raises(DamagedDataError, match="at most 3 dimensions, the header says 4"):
        read(with_text("{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 1, 1), }"))


def test_long_header_is_refused_unread() -> None:
    with pytest.raises(DamagedDataError, match="its header takes 4294967295 bytes, the limit is 1024"):
        read(b"\x93NUMPY\x02\x00\xff\xff\xff\xff")


@pytest.mark.parametrize("start", [b"\x93NUMPY\x00\x00", b"\x93NUMPY\x04\x00", b"\x93NUMPZ\x01\x00", b"        "])
def test_other_magic_and_versions_are_refused(start: bytes) -> None:
    with pytest.raises(DamagedDataError, match=r"not a \.npy array"):
        read(start + b"\0" * 100)


@pytest.mark.parametrize("filler", [" ", "'shape':", "'shape':(", "1,", "{", "'descr'   ", "{'shape':(1,),"])
def test_no_header_keeps_the_grammar_busy(filler: str) -> None:
    text = "{'shape': (" + (filler * 1024)[:1000]
    start = time.perf_counter()
    with pytest.raises(DamagedDataError):
        read(with_text(text))
    assert time.perf_counter() - start < 1  # it takes milliseconds; the bound is for a busy machine
