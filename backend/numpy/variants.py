"""Which variant of the NumPy backend runs here: with compiled kernels, or with NumPy's own."""

import warnings

from backend.callers import callers_level
from backend.numpy.arrays import NumpyArrays
from backend.numpy.kernels.engine import load_engine
from backend.numpy.kernels.loading import asked_for_numpy


def numpy_backend() -> NumpyArrays:
    """The NumPy backend with the compiled kernels; or, with a line that says why, without them.

    The line is left out where the environment asks for NumPy's kernels. Raises `BackendUnavailable` for compiled
    kernels that are not what they should be.
    """
    engine, reason = load_engine()
    if engine is not None:
        from backend.numpy.backend import NumpyBackend

        return NumpyBackend()
    if not asked_for_numpy():
        message = f"NumPy's own kernels are used, slower and in other bytes than the compiled ones: {reason}"
        warnings.warn(message, RuntimeWarning, stacklevel=callers_level())
    from backend.numpy.uncompiled import UncompiledNumpy

    return UncompiledNumpy()
