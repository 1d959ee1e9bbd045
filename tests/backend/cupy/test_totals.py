"""The sum of costs on the device: that of the host, added up without waiting, in two launches and no bytes."""

import numpy as np
import pytest

from backend.cupy.backend import CupyBackend
from tests.backend.cupy.agreement import DTYPES, REFERENCE, normal, outputs

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("no_collection")]

COSTS = ("quadratic", "cross-entropy", "binary-cross-entropy")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cost", COSTS)
def test_sum_is_that_of_the_reference(cupy_backend: CupyBackend, cost: str, dtype: str) -> None:
    total, wanted = cupy_backend.cost_total(), 0.0
    assert total.value == 0
    for rows in (1, 300, 7):
        a, y = outputs("sigmoid", rows, 33, dtype=dtype), np.abs(normal(rows, 33, dtype=dtype, seed=1)) % 1
        wanted += REFERENCE.cost_sum(a, y, cost)
        on_device = cupy_backend.asarray(a), cupy_backend.asarray(y)
        with cupy_backend.measure() as usage:
            total.add(*on_device, cost)
        assert (usage.peak_bytes, usage.end_bytes) == (0, 0)
    assert total.value == pytest.approx(wanted, rel=1e-5)
    assert total.weight == 308
    total.clear()
    assert (total.value, total.weight) == (0, 0)


def test_sum_has_the_same_bits_each_time(cupy_backend: CupyBackend) -> None:
    a, y = (cupy_backend.asarray(outputs("softmax", 5000, 10, dtype="float32")) for _ in range(2))
    found = set()
    for _ in range(3):
        total = cupy_backend.cost_total()
        total.add(a, y, "cross-entropy")
        found.add(total.value)
    assert len(found) == 1
