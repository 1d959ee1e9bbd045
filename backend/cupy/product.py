"""A product in a launch plan: a call of cuBLAS with its arguments ready, two of which may follow from inputs."""

import ctypes
from collections.abc import Sequence
from typing import Any

from backend.cupy.kernels.cublas import CublasHandle

FACTORS = (5, 10)
"""Where alpha and beta are among gemm's arguments after the handle."""

MATRICES = (6, 8, 11)
"""Where the addresses of the three matrices are."""


class Product:
    """gemm of C type `item` by `handle`, with its arguments after the handle, `numbers`, as ctypes takes them."""

    def __init__(self, handle: CublasHandle, item: str, numbers: tuple[Any, ...]) -> None:
        self.handle, self.function, self.numbers = handle, handle.products[item], numbers
        self._matrices = [ctypes.c_void_p(numbers[k]) for k in MATRICES]
        ready = list(numbers)
        for k, matrix in zip(MATRICES, self._matrices, strict=True):
            ready[k] = matrix
        for k in FACTORS:
            if isinstance(ready[k], int):
                ready[k] = ctypes.c_void_p(ready[k])
        self.arguments = (handle.pointer, *ready)
        self._of_inputs: list[tuple[ctypes.c_void_p, int, int]] = []

    def follow(self, addresses: Sequence[int], *, first: int, apart: int) -> None:
        """Note which matrices lie in inputs: those at `first` and above, an input every `apart` bytes."""
        for matrix in self._matrices:
            at = int(matrix.value or 0)
            if at >= first:
                number = (at - first) // apart
                self._of_inputs.append((matrix, number, at - addresses[number]))

    def place(self, addresses: Sequence[int]) -> None:
        """Put the matrices that lie in inputs in place."""
        for matrix, number, offset in self._of_inputs:
            matrix.value = addresses[number] + offset
