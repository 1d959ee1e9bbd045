"""The CuPy backend's memory: its own pool, and the meter."""

from typing import Any

import numpy as np
import pytest

from backend.cupy.backend import CupyBackend
from backend.errors import OutOfDeviceMemory

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("no_collection", "no_limit")]

UNIT = CupyBackend.facts.allocation_bytes


def kib(backend: CupyBackend, size: int) -> Any:
    """An array of so many KiB."""
    return backend.empty((256 * size,), "float32")


# The pool


def test_arrays_come_from_a_pool_of_our_own(cupy_backend: CupyBackend) -> None:
    import cupy

    others = cupy.get_default_memory_pool()
    before, used = others.used_bytes(), cupy_backend.device_memory().used_bytes
    held = [
        cupy_backend.empty((3, 5), "float64"),
        cupy_backend.zeros((200,), "float32"),
        cupy_backend.asarray(np.ones((4, 4), "float32")),
        cupy_backend.asarray([1, 2, 3], "float32"),
    ]
    assert others.used_bytes() == before
    assert cupy_backend.device_memory().used_bytes == used + 5 * UNIT
    del held
    assert cupy_backend.device_memory().used_bytes == used


def test_what_others_allocate_is_not_counted(cupy_backend: CupyBackend) -> None:
    import cupy

    with cupy_backend.measure() as usage:
        others = cupy.ones(1000)
        ours = kib(cupy_backend, 1)
        more_of_others = others + 1
    assert (usage.peak_bytes, usage.end_bytes) == (1024, 1024)
    del ours, more_of_others


def test_the_allocator_of_others_is_left_alone(cupy_backend: CupyBackend) -> None:
    import cupy

    before = cupy.cuda.get_allocator()
    cupy_backend.asarray(np.ones(3))
    kib(cupy_backend, 1)
    assert cupy.cuda.get_allocator() == before


def test_backends_of_a_device_share_its_pool(cupy_backend: CupyBackend) -> None:
    with cupy_backend.measure() as usage:
        held = kib(CupyBackend(), 2)
    assert usage.end_bytes == held.nbytes


@pytest.mark.parametrize("shape", [(0,), (3, 0), (), (1,), (5, 7), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_new_arrays_are_row_major_of_the_dtype_asked(
    cupy_backend: CupyBackend, shape: tuple[int, ...], dtype: str
) -> None:
    for a in (cupy_backend.empty(shape, dtype), cupy_backend.zeros(shape, dtype)):
        assert (a.shape, cupy_backend.dtype_name(a), a.flags.c_contiguous) == (shape, dtype, True)
    assert not cupy_backend.to_numpy(a).any()


def test_arrays_come_back_as_they_went(cupy_backend: CupyBackend) -> None:
    whole = np.arange(42, dtype="float32").reshape(6, 7)
    for x in (whole, whole.T, whole[:, 2:5], whole[::-1, ::2], whole.astype("float64")):
        a = cupy_backend.asarray(x)
        assert a.dtype == x.dtype
        assert cupy_backend.owns(a)
        assert not cupy_backend.owns(x)
        assert np.array_equal(cupy_backend.to_numpy(a), x)
        assert np.array_equal(cupy_backend.to_numpy(a[1:, 1:]), x[1:, 1:])


def test_an_array_of_the_device_is_not_copied(cupy_backend: CupyBackend) -> None:
    a = kib(cupy_backend, 1)
    assert cupy_backend.asarray(a) is a
    assert cupy_backend.asarray(a, "float64") is not a


def test_slices_of_rows_and_columns_are_row_major(cupy_backend: CupyBackend) -> None:
    a = cupy_backend.zeros((6, 8), "float32")
    assert all(cupy_backend.is_row_major(x) for x in (a, a[2:4, :], a[:, 3:5], a[:1, :], a[:, :1]))
    assert not any(cupy_backend.is_row_major(x) for x in (a.T, a[:, ::2], a[::-1, :]))


def test_protecting_does_nothing(cupy_backend: CupyBackend) -> None:
    a = cupy_backend.zeros((2, 2), "float32")
    cupy_backend.protect(a)
    cupy_backend.apply_gradient_(a, a, 0.5)
    cupy_backend.release(a)


def test_device_memory_adds_up(cupy_backend: CupyBackend) -> None:
    import cupy

    cupy_backend.synchronize()
    before = cupy_backend.device_memory()
    ours, outside = kib(cupy_backend, 3000), cupy.cuda.Memory(2**20)
    after = cupy_backend.device_memory()
    assert after.used_bytes - before.used_bytes == ours.nbytes
    assert after.pool_bytes >= after.used_bytes
    assert after.outside_bytes - before.outside_bytes >= outside.size
    free, total = cupy.cuda.runtime.memGetInfo()
    assert after.total_bytes == total
    assert after.pool_bytes + after.outside_bytes + free == total
    assert after.free_bytes == free + after.pool_bytes - after.used_bytes


# The meter


def test_the_peak_is_the_most_at_any_moment(cupy_backend: CupyBackend) -> None:
    with cupy_backend.measure() as usage:
        a = kib(cupy_backend, 3)
        b = kib(cupy_backend, 4)
        del a
        c = kib(cupy_backend, 2)
    assert (usage.peak_bytes, usage.end_bytes) == (7 * 1024, 6 * 1024)
    del b, c


def test_each_allocation_is_rounded_up_to_512_bytes(cupy_backend: CupyBackend) -> None:
    with cupy_backend.measure() as usage:
        held = [cupy_backend.empty((size,), "float32") for size in (1, 128, 129, 256, 257)]
    assert usage.peak_bytes == (1 + 1 + 2 + 2 + 3) * UNIT
    del held


def test_marks_are_the_bytes_at_each_moment(cupy_backend: CupyBackend) -> None:
    with cupy_backend.measure() as usage:
        usage.mark()
        a = kib(cupy_backend, 3)
        usage.mark()
        del a
        usage.mark()
        assert cupy_backend.measuring
    assert not cupy_backend.measuring
    usage.mark()  # after the block there is nothing to read
    assert usage.marks == [0, 3 * 1024, 0]


def test_blocks_may_be_nested(cupy_backend: CupyBackend) -> None:
    with cupy_backend.measure() as outer:
        a = kib(cupy_backend, 5)
        with cupy_backend.measure() as inner:
            b = kib(cupy_backend, 1)
            inner.mark()
            outer.mark()
            with cupy_backend.measure() as innermost:
                del a
                c = kib(cupy_backend, 2)
        d = kib(cupy_backend, 1)
    assert (outer.peak_bytes, outer.end_bytes, outer.marks) == (6 * 1024, 4 * 1024, [6 * 1024])
    assert (inner.peak_bytes, inner.end_bytes, inner.marks) == (1024, -2 * 1024, [1024])
    assert (innermost.peak_bytes, innermost.end_bytes) == (0, -3 * 1024)
    del b, c, d


def test_bytes_held_before_a_block_do_not_count(cupy_backend: CupyBackend) -> None:
    a = kib(cupy_backend, 8)
    with cupy_backend.measure() as usage:
        del a
        b = kib(cupy_backend, 2)
    assert (usage.peak_bytes, usage.end_bytes) == (0, -6 * 1024)
    del b


def test_a_block_that_fails_is_measured_and_closed(cupy_backend: CupyBackend) -> None:
    cupy_backend.limit_bytes = cupy_backend.device_memory().used_bytes + 2 * 1024
    held = []
    with pytest.raises(OutOfDeviceMemory), cupy_backend.measure() as usage:  # noqa: PT012
        held.append(kib(cupy_backend, 2))
        held.append(kib(cupy_backend, 1))
    assert (usage.peak_bytes, usage.end_bytes) == (2 * 1024, 2 * 1024)
    held.clear()
    with cupy_backend.measure() as again:
        kib(cupy_backend, 1)
    assert (usage.peak_bytes, again.peak_bytes) == (2 * 1024, 1024)
