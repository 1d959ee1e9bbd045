"""From CUDA source to functions on the device: compiled by NVRTC when first used, once for each dtype.

The sources are the `.cu` files in `sources`. They include no header, so what is compiled here is what the tests
compile for other GPUs; `watch.cuh` is put before all of them, and `packs.cuh` before those of `ELEMENTWISE`. In them
`Item` is float or double; EXP, TANH, FMA and the like are its functions; a `Pack` is VALUES of them, one or as many as
16 bytes hold, which are loaded and stored at once; activations, costs and sizes have the names of `NUMBERS`. CuPy
passes a Python int as `long long` and a float as `double`, and is imported on first use.
"""

import functools
from importlib import resources
from typing import Any

from backend.cupy.kernels.launching import CLOSED_CODE
from backend.formulas import ACTIVATIONS, COSTS, LEAKY_SLOPE

OPTIONS = ("--std=c++17",)

ITEMS = {
    "float": {"SUFFIX": "f", "LOWEST": "(-3.402823466e+38f)", "INFINITE": "__int_as_float(0x7f800000)"},
    "double": {
        "SUFFIX": "",
        "LOWEST": "(-1.7976931348623157e+308)",
        "INFINITE": "__longlong_as_double(0x7ff0000000000000)",
    },
}
"""What each C type of a value defines: its lowest number, its infinity, and the suffix of its functions."""

FOLDER = "backend.cupy.kernels.sources"

ELEMENTWISE = ("elementwise", "optimizers")
"""The sources whose kernels go over matrices value by value."""

FUNCTIONS = ("exp", "expm1", "log1p", "tanh", "fma", "sqrt", "fabs")

ITEM_BYTES = {"float": 4, "double": 8}

PACK_BYTES = 16
"""What a thread loads or stores at once, at most."""

THREADS = 256
"""Threads in a block, at most. Kernels that add up within a block rely on it being a power of two."""

SUMMED_COLUMNS = 8
"""Threads of a block of `sum_rows` that lie along a row: with one value each, 32 bytes of float32, the least that a GPU
reads at once."""

SUMMED_ROWS = 64
"""Threads that share a column in `sum_rows`, at most; fewer where there are fewer rows."""

NUMBERS: dict[str, float] = {
    **{f"{name.upper().replace('-', '_')}_ACTIVATION": number for name, number in ACTIVATIONS.items()},
    **{f"{name.upper().replace('-', '_')}_COST": number for name, number in COSTS.items()},
    "LEAKY_SLOPE": LEAKY_SLOPE,
    "THREADS": THREADS,
    "SUMMED_COLUMNS": SUMMED_COLUMNS,
    "SUMMED_ROWS": SUMMED_ROWS,
    "CLOSED_CODE": CLOSED_CODE,
}
"""The numbers that every source knows by name."""


def names() -> list[str]:
    """The names of the sources, without `.cu`."""
    files = resources.files(FOLDER).iterdir()
    return sorted(file.name.removesuffix(".cu") for file in files if file.name.endswith(".cu"))


@functools.cache
def text(source: str, item: str, values: int = 1) -> str:
    """The whole text of a source as it is compiled: for C type `item`, "float" or "double", and `values` at once."""
    kind = ITEMS[item]
    defined = {"Item": item, "LOWEST": kind["LOWEST"], "INFINITE": kind["INFINITE"], "VALUES": values, **NUMBERS}
    defined |= {name.upper(): name + kind["SUFFIX"] for name in FUNCTIONS}
    pack = "struct alignas(sizeof(Item) * VALUES) Pack { Item at[VALUES]; };\n"
    files = ["watch.cuh", *(["packs.cuh"] if source in ELEMENTWISE else [])]
    folder = resources.files(FOLDER)
    own = "".join((folder / file).read_text(encoding="utf-8") for file in (*files, f"{source}.cu"))
    return "".join(f"#define {name} {value}\n" for name, value in defined.items()) + pack + own


@functools.cache
def _module(source: str, item: str, values: int) -> Any:
    import cupy

    return cupy.RawModule(code=text(source, item, values), options=OPTIONS)


@functools.cache
def function(source: str, item: str, name: str, values: int = 1) -> Any:
    """The kernel `name` of a source, see `text`; it works on whichever device is current."""
    return _module(source, item, values).get_function(name)


def values_at_once(item: str, rows: int, *places: tuple[int, int]) -> int:
    """How many values of C type `item` a thread can take at once from arrays of `rows` rows.

    `places` are the arrays' addresses and leading dimensions. It is as many as `PACK_BYTES` hold where every row of
    every array begins at a multiple of those bytes, else one.

    >>> values_at_once("float", 5, (512, 8), (1024, 4)), values_at_once("double", 5, (512, 8), (1032, 4))
    (4, 1)
    """
    item_bytes = ITEM_BYTES[item]
    for address, leading in places:
        if address % PACK_BYTES or (rows > 1 and leading * item_bytes % PACK_BYTES):
            return 1
    return PACK_BYTES // item_bytes


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
