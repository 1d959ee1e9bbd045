"""What is let in to compiled code: every layout that is not what a kernel reads is refused, by name."""

from typing import Any

import numpy as np
import pytest

from backend.numpy.kernels import door

FLOAT = np.dtype("float32")
WHOLE = np.arange(48, dtype=FLOAT).reshape(6, 8)


def record() -> np.ndarray:
    """A field of records whose size is no multiple of the field's."""
    return np.zeros(6, np.dtype([("x", FLOAT, 8), ("y", "u1")], align=False))["x"]


GOOD = {
    "whole": (WHOLE, 8),
    "rows": (WHOLE[2:5], 8),
    "every 2nd row": (WHOLE[::2], 16),
    "some columns": (WHOLE[:, 2:5], 8),
    "one row": (WHOLE[3:4], 8),
    "one row of many": (WHOLE[::6], 8),
    "one column": (WHOLE[:, 3:4], 8),
    "every 2nd column, one": (WHOLE[:, ::8], 8),
    "transposed column": (WHOLE[:, :1].T.copy(), 6),
}
BAD = {
    "transposed": WHOLE.T,
    "Fortran's": np.asfortranarray(WHOLE),
    "every 2nd column": WHOLE[:, ::2],
    "one row of every 2nd column": WHOLE[:1, ::2],
    "upside down": WHOLE[::-1],
    "mirrored": WHOLE[:, ::-1],
    "a row again and again": np.broadcast_to(WHOLE[:1], (6, 8)),
    "a value again and again": np.broadcast_to(WHOLE[:1, :1], (1, 8)),
    "rows that overlap": np.lib.stride_tricks.sliding_window_view(WHOLE.reshape(-1), 8),
    "a field of records": record(),
    "a vector": WHOLE.reshape(-1),
    "three dimensions": WHOLE.reshape(2, 3, 8),
}


@pytest.mark.parametrize(("a", "leading"), GOOD.values(), ids=GOOD.keys())
def test_row_major_matrix_is_let_in(a, leading):
    place, found = door.matrix("a", a, FLOAT, a.shape, gaps=True)
    assert (place, found) == (a.__array_interface__["data"][0], leading)


@pytest.mark.parametrize("a", BAD.values(), ids=BAD.keys())
def test_other_layout_is_refused_by_name(a):
    with pytest.raises(door.NotLetIn, match=r"^W must be"):
        door.matrix("W", a, FLOAT, a.shape, gaps=True)


@pytest.mark.parametrize("a", [WHOLE[::2], WHOLE[:, 2:5]])
def test_gaps_are_refused_where_there_may_be_none(a):
    with pytest.raises(door.NotLetIn, match="without gaps"):
        door.matrix("W", a, FLOAT, a.shape)


@pytest.mark.parametrize(
    "a",
    [
        WHOLE.astype("float64"),
        WHOLE.astype(">f4"),
        WHOLE[:5],
        WHOLE.tolist(),
        np.frombuffer(b"." + WHOLE.tobytes(), np.uint8)[1:].view(FLOAT).reshape(6, 8),
    ],
    ids=["dtype", "byte order", "shape", "list", "alignment"],
)
def test_what_is_not_asked_for_is_refused(a: Any):
    with pytest.raises(door.NotLetIn, match=r"^W must be"):
        door.matrix("W", a, FLOAT, (6, 8))


def test_read_only_array_is_refused_where_it_is_written():
    a = WHOLE.copy()
    a.flags.writeable = False
    door.matrix("a", a, FLOAT, (6, 8))
    with pytest.raises(door.NotLetIn, match="a is read-only"):
        door.matrix("a", a, FLOAT, (6, 8), written=True)
    with pytest.raises(door.NotLetIn, match="b is read-only"):
        door.vector("b", a[0], FLOAT, 8, written=True)


@pytest.mark.parametrize("v", [WHOLE[:, 0], WHOLE[0, ::2], WHOLE[0, ::-1], np.broadcast_to(WHOLE[0, :1], (8,))])
def test_vector_with_gaps_is_refused(v):
    with pytest.raises(door.NotLetIn, match=r"^b must have no gaps"):
        door.vector("b", v, FLOAT, v.size)


def test_every_layout_is_refused_by_the_backend_s_kernels(compiled):
    b, out = np.zeros(8, FLOAT), np.zeros((6, 8), FLOAT)
    W = np.zeros((8, 8), FLOAT)
    for a in BAD.values():
        with pytest.raises(ValueError, match="must be"):
            compiled.forward_layer_(a, W, b, "identity", out=out)
        with pytest.raises(ValueError, match="must be"):
            compiled.backward_layer_(a, out, W, None, first=0, weight=W, bias=b)
    for wrong in (np.asfortranarray(np.zeros((8, 8), FLOAT)), np.zeros((8, 7), FLOAT)):
        with pytest.raises(ValueError, match="must be"):
            compiled.forward_layer_(WHOLE, wrong, b, "identity", out=out)
