"""The CuPy backend that its tests share."""

import gc
from collections.abc import Iterator

import pytest

from backend.cupy.backend import CupyBackend
from tests.backend.cupy.saying import device_or_skip


@pytest.fixture(scope="session")
def cupy_backend() -> CupyBackend:
    device_or_skip()
    return CupyBackend()  # a device that answers and cannot compute is a failure


@pytest.fixture
def no_collection() -> Iterator[None]:
    """What a failed call left in reference cycles is not to go within a measured block."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def no_limit(cupy_backend: CupyBackend) -> Iterator[None]:
    """Whatever limit a test sets ends with it."""
    yield
    cupy_backend.limit_bytes = None
