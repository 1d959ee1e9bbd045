"""Fixtures of the tests of the acceptance run."""

import pytest

from backend.cupy.backend import CupyBackend
from tests.backend.cupy.saying import device_or_skip


@pytest.fixture
def cupy_backend() -> CupyBackend:
    """CuPy's backend; skips where no device answers."""
    device_or_skip()
    return CupyBackend()
