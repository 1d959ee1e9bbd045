"""Fixtures of the tests of networks."""

import pytest

from backend import Backend
from tests.conftest import backend_called


@pytest.fixture
def cupy() -> Backend:
    """CuPy's backend; skips where no device answers."""
    return backend_called("cupy")
