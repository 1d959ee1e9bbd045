"""What a network holds: its parameters on a backend and its steps' memory, and the checks of arrays that come in.

Parameters are allocated once and stay where they are. A copy, by `copy.deepcopy` or `pickle`, has parameters
of its own with the same values, on the same backend.
"""

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Self

import numpy as np

from backend import Backend, select_backend
from mlp.arrays import as_rows, is_finite
from mlp.buffers import Buffers
from mlp.errors import NetworkError, inputs_not_finite
from mlp.overriding import in_program
from mlp.parameters import Parameters
from mlp.precision import FULL, precision_of
from mlp.program import Programs, StepCount
from mlp.recorded import RecordedSteps

_MADE_ANEW = ("buffers", "programs", "recorded", "count", "cost_total", "watch", "_room", "_weights", "_biases")


class Store:
    """The parameters of layers of `sizes`, of `dtype`, on `backend`; their values are not set."""

    def __init__(self, sizes: tuple[int, ...], *, dtype: str, backend: Backend, precision: str = FULL) -> None:
        self.sizes, self.dtype, self.precision = sizes, dtype, precision
        self.stored = precision_of(precision, dtype=dtype, backend=backend.name).stored
        """The format that hidden activations are kept in until their backward step; None for `dtype`."""
        self.backend = self._multiplying(backend)
        self._inputs_are_finite = False
        self._allocate()

    def _allocate(self) -> None:
        backend, sizes, dtype = self.backend, self.sizes, self.dtype
        self.buffers, self.programs, self.recorded = Buffers(backend, dtype), Programs(), RecordedSteps()
        self.watch = backend.watch(dtype)
        """What looks at steps for numbers that are not finite where the host does not wait to look itself."""
        self.cost_total = backend.cost_total()
        """The costs of steps, each before its update, since the epoch began."""
        self.count = StepCount()
        """How steps were taken since the network was made: by actions, or by calls of programs."""
        self._room = np.empty((), dtype)
        self._weights = Parameters("weights", backend.empties(pairwise(sizes), dtype), backend, dtype)
        biases = backend.empties(((n_out,) for n_out in sizes[1:]), dtype)
        self._biases = Parameters("biases", biases, backend, dtype)

    def _multiplying(self, backend: Backend) -> Backend:
        """The backend, with the products of this network's precision."""
        tf32 = precision_of(self.precision, dtype=self.dtype, backend=backend.name).tf32
        return backend.in_tf32() if tf32 else backend

    @property
    def n_layers(self) -> int:
        """L: the number of layers that have weights."""
        return len(self.sizes) - 1

    @property
    def weights(self) -> Parameters:
        """W_1 .. W_L. Assigning to one, or to all, copies the values into the arrays that are there."""
        return self._weights

    @weights.setter
    def weights(self, values: Iterable[Any]) -> None:
        self._weights[:] = values

    @property
    def biases(self) -> Parameters:
        """b_1 .. b_L. Assigning to one, or to all, copies the values into the arrays that are there."""
        return self._biases

    @biases.setter
    def biases(self, values: Iterable[Any]) -> None:
        self._biases[:] = values

    # Arrays in

    def as_inputs(self, X: Any) -> Any:
        """`X` on the backend's device. Raises `NetworkError` unless it is (batch, n_0), of the network's dtype."""
        return self.as_rows("X", X, self.sizes[0])

    @in_program
    def as_batch(self, X: Any, y: Any) -> tuple[Any, Any]:
        """`X` and `y` on the backend's device. Raises `NetworkError` unless they are a mini-batch for these layers.

        An infinity in `X` would not show in the error of the last layers, but would ruin the weights of the first, so
        `X` is checked here, on the host if it comes from there. A value of `y` that is not finite shows in the last
        layer's error, before anything is applied.
        """
        given, (X, y) = X, self.as_matrices(X, y)
        self.check_inputs(given if isinstance(given, np.ndarray) else X)
        return X, y

    def as_matrices(self, X: Any, y: Any) -> tuple[Any, Any]:
        """`as_batch`, with the values of X not looked at."""
        X, y = self.as_rows("X", X, self.sizes[0]), self.as_rows("y", y, self.sizes[-1])
        if X.shape[0] != y.shape[0]:
            raise NetworkError(f"X and y must have as many rows; got {X.shape[0]} and {y.shape[0]}")
        return X, y

    @in_program
    def check_inputs(self, X: Any) -> None:
        """Raise `NetworkError` unless all values of X are finite, or known to be."""
        if not (self._inputs_are_finite or is_finite(X, self.backend, room=self._room)):
            raise inputs_not_finite()

    @contextmanager
    def trusting_inputs(self) -> Iterator[None]:
        """Steps in this block do not check that X is finite: the caller knows it."""
        before, self._inputs_are_finite = self._inputs_are_finite, True
        try:
            yield
        finally:
            self._inputs_are_finite = before

    def as_rows(self, name: str, x: Any, width: int) -> Any:
        """`x` on the backend's device. Raises `NetworkError`, which calls it `name`, unless it is (rows, `width`)."""
        return as_rows(name, x, width=width, dtype=self.dtype, backend=self.backend)

    # Which layer is at work

    def at_layer(self, layer: int, *, forward: bool = False) -> None:
        """Say so to whoever watches the step: the layer runs, or with `forward` its output is made."""
        if self.watch is not None:
            self.watch.layer, self.watch.forward = layer, forward

    # Copies

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in self.__dict__.items() if name not in _MADE_ANEW}
        state["backend"] = (self.backend.name, getattr(self.backend.device, "id", None))
        return state | {"values": [self.backend.to_numpy(a) for a in (*self.weights, *self.biases)]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        values, backend = state.pop("values"), state.pop("backend")
        self.__dict__.update(state)
        self._inputs_are_finite = False  # whoever said so spoke of the other one
        found = backend if isinstance(backend, Backend) else select_backend(backend[0], device=backend[1])
        self.backend = self._multiplying(found)
        self._allocate()
        self.backend.prepare(self.sizes, self.dtype)
        for array, value in zip((*self.weights, *self.biases), values, strict=True):
            self.backend.set_(array, self.backend.asarray(value))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        memo[id(self.backend)] = self.backend  # shared
        new.__setstate__(copy.deepcopy(self.__getstate__() | {"backend": self.backend}, memo))
        return new
