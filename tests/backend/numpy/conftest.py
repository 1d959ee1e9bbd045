"""What the tests of the compiled kernels share."""

from typing import Any

import pytest

from backend import select_backend


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Any:
    """NumPy with compiled kernels; its number of threads may be set."""
    backend = select_backend("numpy")
    if not backend.compiled:
        pytest.skip("these are the compiled kernels")
    monkeypatch.setattr(backend.engine, "threads", backend.engine.threads)
    return backend
