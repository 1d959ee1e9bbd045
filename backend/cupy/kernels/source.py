"""From CUDA source to functions on the device: compiled by NVRTC when first used, once for each dtype.

The sources are ours from the first line to the last and include no header, so what is compiled here is what the tests
compile for other cards. In them `Item` is float or double, and EXP, TANH and LOG its functions. CuPy passes a Python
int as `long long` and a float as `double`. CuPy is imported on first use.
"""

import functools
from typing import Any

OPTIONS = ("--std=c++17",)

PRELUDE = {
    "float": "typedef float Item;\n#define EXP expf\n#define TANH tanhf\n#define LOWEST (-3.402823466e+38f)\n",
    "double": "typedef double Item;\n#define EXP exp\n#define TANH tanh\n#define LOWEST (-1.7976931348623157e+308)\n",
}
"""What stands before a source for each C type."""

THREADS = 256
"""Threads in a block, at most. Kernels that add up within a block rely on it being a power of two."""


@functools.cache
def _module(source: str, item: str) -> Any:
    import cupy

    return cupy.RawModule(code=PRELUDE[item] + source, options=OPTIONS)


@functools.cache
def function(source: str, item: str, name: str) -> Any:
    """The kernel `name` of `source`, for values of C type `item`; it works on whichever device is current."""
    return _module(source, item).get_function(name)


def block_of(columns: int) -> tuple[int, int]:
    """Threads along a row and rows in a block: as many along the row as it needs, the others take more rows.

    >>> block_of(10), block_of(256), block_of(5000)
    ((16, 16), (256, 1), (256, 1))
    """
    along = min(THREADS, power_of_two(columns))
    return along, THREADS // along


def power_of_two(n: int) -> int:
    """The least power of two that is `n` or more.

    >>> power_of_two(1), power_of_two(8), power_of_two(9)
    (1, 8, 16)
    """
    return 1 << max(n - 1, 0).bit_length()
