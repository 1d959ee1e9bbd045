"""The softmax kernel of the CuPy backend."""

from typing import Any

from backend.cupy.kernels.launching import noted, run
from backend.cupy.kernels.layout import item_of, row_major, vector
from backend.cupy.kernels.source import block_of, function


def add_bias_softmax(z: Any, b: Any) -> None:
    """z := softmax(z + b), along each row."""
    rows, columns, leading = row_major(z)
    vector(b, columns)
    if z.size == 0:
        return
    block = block_of(columns)
    arguments = (z, leading, b, rows, columns, *noted())
    run(function("softmax", item_of(z, b), "add_bias_softmax"), (-(-rows // block[1]),), block, arguments)
