"""Numbers of two bytes on every backend: the nearest ones, even on ties, and no bytes held."""

import numpy as np
import pytest

from backend.halves import LARGEST, narrowed, widened
from mlp.precision import ROUNDING, STORED

BITS = np.arange(2**16, dtype=np.uint16)
NUMBERS = np.random.default_rng(0).standard_normal(3000).astype(np.float32)


def examples(kind: str) -> np.ndarray:
    """Numbers of every size, all that the format has, the middles between them, and both sides of each middle."""
    own = widened(BITS, kind)
    own = np.sort(own[np.isfinite(own)])
    middles = ((own[:-1].astype(np.float64) + own[1:]) / 2).astype(np.float32)
    beside = [np.nextafter(middles, np.float32(end)) for end in (-np.inf, np.inf)]
    sizes = NUMBERS * np.float32(2) ** np.linspace(-140, 120, NUMBERS.size, dtype=np.float32)
    ends = np.float32([LARGEST[kind], 65520, 3.4028234e38, np.inf, -np.inf, np.nan, 0.0, -0.0])
    return np.concatenate([own, middles, *beside, sizes, ends])


def on(backend, x):
    return backend.asarray(x)


@pytest.mark.parametrize("kind", STORED)
def test_every_backend_keeps_the_same_bits(backend, kind):
    x = examples(kind)
    for shape in ((x.size,), (1, x.size), (x.size // 7, 7)):
        part = x[: shape[0] * shape[-1]].reshape(shape)
        halves, wide = on(backend, np.zeros(shape, np.uint16)), on(backend, np.zeros(shape, np.float32))
        with np.errstate(all="raise", under="ignore"):
            backend.narrow_(halves, on(backend, part), kind)
            backend.widen_(wide, halves, kind)
        got, wanted = backend.to_numpy(halves), narrowed(part, kind)
        number = ~np.isnan(part)
        assert (got[number] == wanted[number]).all()
        assert np.isnan(backend.to_numpy(wide)[~number]).all()
        assert backend.to_numpy(wide)[number].tobytes() == widened(wanted, kind)[number].tobytes()


@pytest.mark.parametrize("kind", STORED)
def test_what_is_kept_is_the_nearest_and_ties_are_even(kind):
    own = widened(BITS, kind)
    own = np.unique(own[np.isfinite(own)]).astype(np.float64)
    x = examples(kind)
    x = x[np.isfinite(x)]
    kept = widened(narrowed(x, kind), kind).astype(np.float64)
    inside = np.clip(x.astype(np.float64), own[0], own[-1])
    above = np.searchsorted(own, inside).clip(1, own.size - 1)
    nearest = np.minimum(own[above] - inside, inside - own[above - 1])
    assert (abs(kept - inside) == nearest).all()
    ties = own[above] - inside == inside - own[above - 1]
    assert ties.sum() > 1000
    assert (narrowed(x, kind)[ties] % 2 == 0).all()
    normal = abs(x) >= 2.0**-14
    within = normal & (abs(x) <= LARGEST[kind])
    assert (abs(kept - x)[within] <= ROUNDING[kind] * abs(x[within])).all()


@pytest.mark.parametrize("kind", STORED)
def test_infinities_and_nans_stay_and_large_numbers_do_not_become_them(kind):
    largest = LARGEST[kind]
    x = np.float32([np.inf, -np.inf, np.nan, largest, -largest, 3.4028234e38, -3.4028234e38])
    kept = widened(narrowed(x, kind), kind)
    assert kept[[0, 1, 3, 4, 5, 6]].tolist() == [np.inf, -np.inf, largest, -largest, largest, -largest]
    assert np.isnan(kept[2])


@pytest.mark.parametrize("kind", STORED)
def test_no_bytes_are_held(metered, kind):
    x = metered.asarray(np.resize(examples(kind), (300, 129)))
    halves, wide = metered.asarray(np.zeros((300, 129), np.uint16)), metered.zeros((300, 129), "float32")
    metered.narrow_(halves, x, kind)  # once, so that what stays for good is there
    metered.widen_(wide, halves, kind)
    with metered.measure() as usage:
        metered.narrow_(halves[10:200, :], x[10:200, :], kind)
        metered.widen_(wide[10:200, :], halves[10:200, :], kind)
    assert usage.peak_bytes == 0
