"""The weights, or the biases, of a network: a sequence of arrays that stay where they are.

Kernels work on these arrays by their addresses. So assigning to one copies the values into it, as in
`net.weights[0] = W`, and refuses by name what does not fit; there is nothing to append or delete.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np

from backend import Backend
from mlp.arrays import as_array
from mlp.errors import NetworkError


class Parameters(Sequence[Any]):
    """The arrays of one kind of parameter, first layer to last; `name` is "weights" or "biases"."""

    def __init__(self, name: str, arrays: Iterable[Any], backend: Backend, dtype: str) -> None:
        self._name, self._backend, self._dtype = name, backend, dtype
        self._arrays = tuple(arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._arrays)

    @overload
    def __getitem__(self, k: int) -> Any: ...
    @overload
    def __getitem__(self, k: slice) -> tuple[Any, ...]: ...
    def __getitem__(self, k: int | slice) -> Any:
        return self._arrays[k]

    def __setitem__(self, k: int | slice, value: Any) -> None:
        """Copy `value` into array `k`, or a sequence of values into the arrays of a slice."""
        if not isinstance(k, slice):
            index = range(len(self))[k]
            self._fill(index, self._fitting(index, value))
            return
        places = range(len(self))[k]
        values = list(value)
        if len(values) != len(places):
            raise NetworkError(f"{self._name} must be {len(places)} arrays, one a layer; got {len(values)}")
        for index, fitting in [(i, self._fitting(i, one)) for i, one in zip(places, values, strict=True)]:
            self._fill(index, fitting)  # all fit, or none is copied

    def __reduce__(self) -> tuple[type[list[Any]], tuple[list[np.ndarray]]]:
        """A copy, by `copy` or `pickle`, is a list of arrays on the host: to keep, and to assign again."""
        return list, ([np.array(self._backend.to_numpy(array)) for array in self._arrays],)

    def __repr__(self) -> str:
        shapes = ", ".join(str(tuple(array.shape)) for array in self._arrays[:6])
        return f"<{self._name} of {len(self)} layers, {self._dtype}: {shapes}{', ...' * (len(self) > 6)}>"

    def _fitting(self, index: int, value: Any) -> Any:
        """`value` as an array of the shape of array `index`, its values finite. Raises `NetworkError` otherwise."""
        target, name = self._arrays[index], f"{self._name}[{index}]"
        if value is target:
            return value
        value = self._backend.to_numpy(as_array(name, value, self._backend))
        if tuple(value.shape) != tuple(target.shape):
            turned = tuple(value.shape)[::-1] == tuple(target.shape) and len(target.shape) == 2
            hint = "; a layer's weights are (inputs, outputs): transpose it" if turned else ""
            raise NetworkError(f"{name} must have shape {tuple(target.shape)}; got {tuple(value.shape)}{hint}")
        if value.dtype.kind not in "fiu":
            raise NetworkError(f"{name} must be real numbers; got dtype {value.dtype}")
        with np.errstate(over="ignore"):  # checked below
            value = value.astype(self._dtype, copy=False)
        if not np.isfinite(value).all():
            raise NetworkError(f"{name} must be finite in {self._dtype}; got a NaN, an infinity, or one too large")
        return value

    def _fill(self, index: int, value: Any) -> None:
        target = self._arrays[index]
        if value is not target:
            self._backend.set_(target, self._backend.asarray(value))
