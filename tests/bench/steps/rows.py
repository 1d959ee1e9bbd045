"""A tiny case, and rows as if they had been timed."""

from typing import Any

from bench.steps.cases import MIB, Case
from bench.steps.resident import Resident
from bench.steps.timing import Timed
from bench.steps.ways import CONTROL, EAGER, JIT, PEERS, PLAIN, PRODUCTS, SEQUENTIAL, Way

TINY = Case("tiny", "a test", (12, *[8] * 11, 3), 16, every=3, row_block_mib=1, one_extra_mib=1, steps=2)


def timed(name: str, *turns: float, peak_mib: float | None = 1.0, **more: Any) -> Timed:
    kind = "control" if name in (CONTROL, *PRODUCTS.values()) else "peer" if name in PEERS else "ours"
    resident = more.pop("resident", None)
    return Timed(Way(name, kind, **more), turns, None if peak_mib is None else int(peak_mib * MIB), resident)


def rows() -> list[Timed]:
    return [
        timed(CONTROL, 0.010, peak_mib=None, library="blas"),
        timed(PLAIN, 0.015, peak_mib=100, recompute_fraction=0.0, resident=Resident(120 * MIB, 200 * MIB, True)),
        timed("sqrt", 0.020, peak_mib=25, recompute_fraction=0.88),
        timed(PRODUCTS["torch"], 0.015, peak_mib=None, library="torch"),
        timed(EAGER, 0.030, peak_mib=125, library="torch"),
        timed(SEQUENTIAL, 0.040, peak_mib=50, library="torch"),
        timed(JIT, 0.050, peak_mib=110, library="jax"),
    ]
