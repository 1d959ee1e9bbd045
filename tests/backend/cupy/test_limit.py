"""The limit on the CuPy backend's bytes: what it refuses, and what is then as before."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backend.cupy.backend import CupyBackend
from backend.errors import BackendError, OutOfDeviceMemory

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("no_collection", "no_limit")]

UNIT = CupyBackend.facts.allocation_bytes


def kib(backend: CupyBackend, size: int) -> Any:
    """An array of so many KiB."""
    return backend.empty((256 * size,), "float32")


def test_an_allocation_past_the_limit_is_refused_with_the_numbers(cupy_backend: CupyBackend) -> None:
    used = cupy_backend.device_memory().used_bytes
    cupy_backend.limit_bytes = used + 10 * 1024
    held = kib(cupy_backend, 7)
    pool_bytes = cupy_backend.device_memory().pool_bytes
    with pytest.raises(OutOfDeviceMemory) as caught:
        cupy_backend.empty((1000,), "float32")
    error = caught.value
    assert isinstance(error, BackendError)
    assert isinstance(error, MemoryError)
    assert (error.asked_bytes, error.used_bytes, error.limit_bytes) == (4000, used + 7 * 1024, used + 10 * 1024)
    assert str(error) == (
        f"out of device memory: asked for 4,000 bytes with {used + 7 * 1024:,} in use, and the limit is "
        f"{used + 10 * 1024:,}; give a smaller budget, or shrink the batch"
    )
    assert cupy_backend.device_memory().pool_bytes == pool_bytes  # CUDA was not asked
    del held


def test_the_limit_itself_can_be_reached(cupy_backend: CupyBackend) -> None:
    cupy_backend.limit_bytes = cupy_backend.device_memory().used_bytes + 3 * UNIT
    held = [cupy_backend.empty((1,), "float32") for _ in range(3)]
    with pytest.raises(OutOfDeviceMemory):
        cupy_backend.empty((1,), "float32")
    del held[0]
    held.append(cupy_backend.empty((1,), "float32"))


@pytest.mark.parametrize("make", [
    lambda backend: backend.asarray(np.ones(1000)),
    lambda backend: backend.asarray([1.0] * 1000, "float32"),
    lambda backend: backend.zeros((1000,), "float32"),
])  # fmt: skip
def test_the_limit_holds_for_every_way_to_make_an_array(
    cupy_backend: CupyBackend, make: Callable[[CupyBackend], Any]
) -> None:
    cupy_backend.limit_bytes = cupy_backend.device_memory().used_bytes + 1024
    with pytest.raises(OutOfDeviceMemory):
        make(cupy_backend)


def test_a_limit_can_be_taken_back(cupy_backend: CupyBackend) -> None:
    cupy_backend.limit_bytes = 0
    with pytest.raises(OutOfDeviceMemory):
        kib(cupy_backend, 1)
    cupy_backend.limit_bytes = None
    kib(cupy_backend, 1)


def test_what_is_free_is_no_more_than_the_limit_leaves(cupy_backend: CupyBackend) -> None:
    unlimited = cupy_backend.device_memory()
    cupy_backend.limit_bytes = unlimited.used_bytes + 5000
    assert cupy_backend.device_memory().free_bytes == 5000
    cupy_backend.limit_bytes = 10 * unlimited.total_bytes
    assert cupy_backend.device_memory().free_bytes == unlimited.free_bytes
    cupy_backend.limit_bytes = 0
    assert cupy_backend.device_memory().free_bytes == 0


def test_what_no_array_uses_can_be_given_back(cupy_backend: CupyBackend) -> None:
    held = kib(cupy_backend, 3000)
    before = cupy_backend.device_memory().pool_bytes
    nbytes = held.nbytes
    del held
    cupy_backend.give_back()
    assert cupy_backend.device_memory().pool_bytes <= before - nbytes


@pytest.mark.parametrize("wrong", [-1, 1.5, "1MiB"])
def test_a_limit_that_is_none_is_refused(cupy_backend: CupyBackend, wrong: Any) -> None:
    with pytest.raises(ValueError, match="a limit is a whole number of bytes"):
        cupy_backend.limit_bytes = wrong


def test_a_full_device_says_what_it_has_left(cupy_backend: CupyBackend) -> None:
    total = cupy_backend.device_memory().total_bytes
    with pytest.raises(OutOfDeviceMemory) as caught:
        cupy_backend.empty((total,), "float32")
    error = caught.value
    assert (error.asked_bytes, error.limit_bytes) == (4 * total, None)
    assert error.free_bytes is not None
    assert f"asked for {4 * total:,} bytes" in str(error)
    assert f"the device has {error.free_bytes:,} free" in str(error)
    assert "\n" not in str(error)
