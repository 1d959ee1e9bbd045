"""The NumPy backend: compiled in-place kernels, each array checked before its address is given to them."""

from collections.abc import Iterable, Sequence

import numpy as np

from backend.dropping import Drop
from backend.errors import BackendUnavailable
from backend.facts import FACTS
from backend.numpy.arrays import NumpyArrays
from backend.numpy.kernels import door, scratch
from backend.numpy.kernels.calls import NO_RULE
from backend.numpy.kernels.engine import KEPT_SLOTS, NO_ACTIVATION, Engine, load_engine
from backend.numpy.totals import NumpyCostTotal
from backend.rules import RULES, RuleNumbers


class NumpyBackend(NumpyArrays):
    """NumPy on the host. Its kernels allocate no arrays; those that they write are row-major.

    A layer's step is one operation of a team of threads, as many as OMP_NUM_THREADS says or as there are cores; see
    `backend.numpy.kernels`. Its results do not depend on their number. Raises `BackendUnavailable` where there are no
    compiled kernels; `backend.numpy.uncompiled` has the variant that does without.
    """

    facts = FACTS["numpy"]
    compiled = True

    def __init__(self) -> None:
        super().__init__()
        self.engine = _loaded()

    @property
    def whole_steps(self) -> Engine | None:
        return self.engine if type(self) is NumpyBackend else None  # a subclass may do one operation otherwise

    @property
    def threads(self) -> int:  # type: ignore[override]
        return self.engine.threads

    def prepare(self, sizes: Iterable[int], dtype: str) -> None:
        """Reserve the threads' scratch memory: it is resident at rest, and a step takes no more than its arrays."""
        scratch.reserve(self.engine.library, sizes, 8 * np.dtype(dtype).itemsize, self.engine.threads)

    def matmul(self, a: np.ndarray, b: np.ndarray, *, out: np.ndarray) -> None:
        np.matmul(a, b, out=out)

    def output_delta_(self, a: np.ndarray, y: np.ndarray, activation: str) -> None:
        rows, n_out = a.shape
        out, _ = door.matrix("a", a, a.dtype, (rows, n_out), written=True)
        targets, leading = door.matrix("y", y, a.dtype, (rows, n_out), gaps=True)
        code = self.engine.activations[activation]
        self.engine.run_one(
            a.dtype, "output_error", activation=code, rows=rows, n_out=n_out, out=out, y=targets, y_leading=leading
        )

    def forward_layer_(
        self,
        a: np.ndarray,
        W: np.ndarray,
        b: np.ndarray,
        activation: str,
        *,
        out: np.ndarray,
        soon: np.ndarray | None = None,
        drop: Drop | None = None,
    ) -> bool:
        rows, (n_in, n_out), dtype = a.shape[0], W.shape, out.dtype
        inputs, leading = door.matrix("a", a, dtype, (rows, n_in), gaps=True)
        return self.engine.run_one(
            dtype,
            "forward",
            NO_RULE,
            _key(drop),
            layer=1,
            activation=self.engine.activations[activation],
            rows=rows,
            n_in=n_in,
            n_out=n_out,
            a=inputs,
            a_leading=leading,
            W=door.matrix("W", W, dtype, (n_in, n_out))[0],
            b=door.vector("b", b, dtype, n_out),
            out=door.matrix("out", out, dtype, (rows, n_out), written=True)[0],
            **_mask(drop),
        )

    def backward_layer_(
        self,
        a: np.ndarray,
        delta: np.ndarray,
        W: np.ndarray,
        activation: str | None,
        *,
        first: int,
        weight: np.ndarray,
        bias: np.ndarray | None,
        onto: bool = False,
        factor: float = 1.0,
        keep: float = 1.0,
        piece: np.ndarray | None = None,
        soon: tuple[np.ndarray | None, np.ndarray | None] = (None, None),
        drop: Drop | None = None,
    ) -> None:
        rows, (n_in, n_out), dtype, width = a.shape[0], W.shape, a.dtype, weight.shape[0]
        if not 0 <= first <= n_in - width:
            raise door.NotLetIn(f"the gradient of inputs {first} to {first + width} of {n_in} cannot be made")
        inputs, leading = door.matrix("a", a, dtype, (rows, n_in), written=activation is not None, gaps=True)
        weights, _ = door.matrix("W", W, dtype, (n_in, n_out))
        scaled = onto and (factor, keep) != (1, 1)
        gradient = door.matrix("weight", weight, dtype, (width, n_out), written=True)[0]
        bias_place = 0 if bias is None else door.vector("bias", bias, dtype, n_out, written=True)
        kind = "velocity" if scaled else "gradient"
        self.engine.run_one(
            dtype,
            "backward_momentum" if scaled else "backward",
            NO_RULE,
            _key(drop),
            rate=-factor,
            momentum=keep,
            activation=NO_ACTIVATION if activation is None else self.engine.activations[activation],
            onto=int(onto and not scaled),
            rows=rows,
            n_in=width,
            n_out=n_out,
            a=inputs + first * a.itemsize,
            a_leading=leading,
            delta=door.matrix("delta", delta, dtype, (rows, n_out))[0],
            W=weights + first * n_out * a.itemsize,
            **{f"weight_{kind}": gradient, f"bias_{kind}": bias_place},
            **_mask(drop, first),
        )

    def apply_gradient_(self, w: np.ndarray, g: np.ndarray, rate: float) -> None:
        sizes, (place, gradient) = _flat(w, g)
        self.engine.run_one(w.dtype, "update", rate=rate, **sizes, W=place, weight_gradient=gradient)

    def apply_momentum_(self, w: np.ndarray, v: np.ndarray, g: np.ndarray, rate: float, momentum: float) -> None:
        sizes, (place, gradient, velocity) = _flat(w, g, v)
        self.engine.run_one(
            w.dtype,
            "update_momentum",
            rate=rate,
            momentum=momentum,
            **sizes,
            W=place,
            weight_velocity=velocity,
            weight_gradient=gradient,
        )

    def apply_rule_(
        self, w: np.ndarray, g: np.ndarray, kept: Sequence[np.ndarray], rule: str, numbers: RuleNumbers
    ) -> None:
        sizes, (place, gradient, *states) = _flat(w, g, *kept)
        slots = {f"weight_{KEPT_SLOTS[name]}": state for name, state in zip(RULES[rule], states, strict=True)}
        self.engine.run_one(
            w.dtype,
            f"rule_{rule}",
            numbers._replace(clip=0.0),
            **sizes,
            **slots,
            W=place,
            weight_gradient=gradient,
        )

    def gradient_norm(self, weight: np.ndarray, bias: np.ndarray) -> float:
        place = door.matrix("weight", weight, weight.dtype, weight.shape)[0]
        bias_place = door.vector("bias", bias, weight.dtype, bias.size)
        norm = self.engine.library.engine_gradient_norm
        return float(norm(place, weight.size, bias_place, bias.size, 8 * weight.itemsize))

    def all_finite(self, v: np.ndarray) -> bool:
        flat = v.reshape(-1)
        place = door.vector("v", flat, flat.dtype, flat.size)
        return bool(self.engine.library.engine_all_finite(place, v.size, 8 * v.itemsize))

    def scale_rows_(self, d: np.ndarray, weights: np.ndarray) -> None:
        rows, n_out = d.shape
        out, _ = door.matrix("d", d, d.dtype, (rows, n_out), written=True)
        factors = door.vector("weights", weights, d.dtype, rows)
        self.engine.run_one(d.dtype, "scale_rows", rows=rows, n_out=n_out, out=out, row_weights=factors)

    def cost_sum(self, a: np.ndarray, y: np.ndarray, cost: str, weights: np.ndarray | None = None) -> float:
        *arrays, rows, n_out, bits = _pair(a, y)
        factors = None if weights is None else door.vector("weights", weights, a.dtype, rows)
        return float(self.engine.library.engine_cost(self.engine.costs[cost], *arrays, factors, rows, n_out, bits))

    def cost_total(self) -> NumpyCostTotal:
        return NumpyCostTotal(self.engine)

    def count_correct(self, a: np.ndarray, y: np.ndarray) -> int:
        return int(self.engine.library.engine_count_correct(*_pair(a, y)))


def _mask(drop: Drop | None, first_unit: int = 0) -> dict[str, int]:
    """The fields of a record that say what is dropped."""
    if drop is None:
        return {}
    return {"dropped_below": drop.below, "dropped_layer": drop.layer, "first_row": drop.row, "first_unit": first_unit}


def _key(drop: Drop | None) -> tuple[int, int]:
    """The seed and the step that the mask follows from."""
    return (0, 0) if drop is None else (drop.seed % 2**64, drop.step)


def _loaded() -> Engine:
    engine, reason = load_engine()
    if engine is None:
        raise BackendUnavailable(f"there are no compiled kernels: {reason}", "use NumPy's own, by select_backend")
    return engine


def _pair(a: np.ndarray, y: np.ndarray) -> tuple[int, ...]:
    """Outputs and targets as the kernels take them: addresses, leadings, sizes and the bits of a value."""
    inputs, leading = door.matrix("a", a, a.dtype, a.shape, gaps=True)
    targets, y_leading = door.matrix("y", y, a.dtype, a.shape, gaps=True)
    return inputs, leading, targets, y_leading, *a.shape, 8 * a.itemsize


def _flat(w: np.ndarray, *others: np.ndarray) -> tuple[dict[str, int], list[int]]:
    """The sizes of a matrix, or of a vector as one row, and the addresses of it and of others like it."""
    rows, columns = w.shape if w.ndim == 2 else (1, w.size)
    places = []
    for name, array in zip(("w", "g", "v", "q"), (w, *others), strict=False):
        written = name != "g"
        if w.ndim == 2:
            places.append(door.matrix(name, array, w.dtype, (rows, columns), written=written)[0])
        else:
            places.append(door.vector(name, array, w.dtype, columns, written=written))
    return {"n_in": rows, "n_out": columns}, places
