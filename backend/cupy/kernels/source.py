"""From CUDA source to functions on the device: compiled by NVRTC when first used, once for each dtype.

The sources are the `.cu` files beside this one. They include no header, so what is compiled here is what the tests
compile for other GPUs. In them `Item` is float or double; EXP, TANH and FMA are its functions; activations, costs and
sizes have the names of `NUMBERS`. CuPy passes a Python int as `long long` and a float as `double`, and is imported on
first use.
"""

import functools
from importlib import resources
from typing import Any

from backend.formulas import ACTIVATIONS, COSTS

OPTIONS = ("--std=c++17",)

ITEMS = {
    "float": {"EXP": "expf", "TANH": "tanhf", "FMA": "fmaf", "LOWEST": "(-3.402823466e+38f)"},
    "double": {"EXP": "exp", "TANH": "tanh", "FMA": "fma", "LOWEST": "(-1.7976931348623157e+308)"},
}
"""What each C type of a value defines."""

THREADS = 256
"""Threads in a block, at most. Kernels that add up within a block rely on it being a power of two."""

SUMMED_COLUMNS = 8
"""Columns that a block of `sum_rows` takes: 32 bytes of float32, the least that a GPU reads at once. Few columns a
block make many blocks, which keeps a GPU busy on a narrow matrix."""

SUMMED_ROWS = 64
"""Threads that share a column in `sum_rows`, at most; fewer where there are fewer rows."""

NUMBERS = {
    **{f"{name.upper()}_ACTIVATION": number for name, number in ACTIVATIONS.items()},
    **{f"{name.upper().replace('-', '_')}_COST": number for name, number in COSTS.items()},
    "THREADS": THREADS,
    "SUMMED_COLUMNS": SUMMED_COLUMNS,
    "SUMMED_ROWS": SUMMED_ROWS,
}
"""The whole numbers that every source knows by name."""


def names() -> list[str]:
    """The names of the sources, without `.cu`."""
    files = resources.files("backend.cupy.kernels").iterdir()
    return sorted(file.name.removesuffix(".cu") for file in files if file.name.endswith(".cu"))


@functools.cache
def text(source: str, item: str) -> str:
    """The whole text of a source for values of C type `item`, "float" or "double", as it is compiled."""
    defined = {"Item": item, **ITEMS[item], **NUMBERS}
    own = (resources.files("backend.cupy.kernels") / f"{source}.cu").read_text(encoding="utf-8")
    return "".join(f"#define {name} {value}\n" for name, value in defined.items()) + own


@functools.cache
def _module(source: str, item: str) -> Any:
    import cupy

    return cupy.RawModule(code=text(source, item), options=OPTIONS)


@functools.cache
def function(source: str, item: str, name: str) -> Any:
    """The kernel `name` of a source, for values of C type `item`; it works on whichever device is current."""
    return _module(source, item).get_function(name)


def block_of(columns: int) -> tuple[int, int]:
    """Threads along a row and rows in a block: as many threads along a row as it needs; the rest take more rows.

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
