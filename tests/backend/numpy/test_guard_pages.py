"""Arrays between pages that cannot be touched: the kernels read and write what is theirs, on random shapes.

Each result is compared with float64. A process of its own runs them: a step too far ends it.
"""

import ctypes
import mmap
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backend import select_backend
from backend.rules import RULES, RuleNumbers, apply_rule

ROOT = Path(__file__).parents[3]
SHAPES = 400
NUMBERS = RuleNumbers(0.5, scale=0.25, l2=0.125, decay=0.25, beta1=0.5, beta2=0.75, epsilon=0.125, correction=1.5)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="asks the operating system for pages as POSIX does")


class Guarded:
    """Arrays between two pages that cannot be touched, each at the end or at the beginning of its room."""

    def __init__(self, most_bytes: int) -> None:
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.page, self.rooms = mmap.PAGESIZE, []
        self.room = -(-most_bytes // self.page) * self.page

    def array(self, values: np.ndarray, *, at_end: bool) -> np.ndarray:
        """A copy of some values in a room of its own, or in the next one that is used again."""
        memory = mmap.mmap(-1, self.room + 2 * self.page)
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        self.rooms.append(memory)
        for guard in (start, start + self.page + self.room):
            if self.libc.mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(self.page), 0):
                raise OSError(ctypes.get_errno(), "mprotect")
        first = self.page + (self.room - values.nbytes if at_end else 0)
        array = np.frombuffer(memory, values.dtype, values.size, first).reshape(values.shape)
        array[...] = values
        return array


def close(found: np.ndarray, wanted: np.ndarray, sizes: np.ndarray, terms: int) -> bool:
    """Whether each value is as near as its terms allow."""
    bound = (terms + 8) * np.finfo(found.dtype).eps * (sizes + 1)
    return bool(np.all(np.abs(found.astype("float64") - wanted) <= bound))


def check(random: np.random.Generator, threads: int) -> None:
    """One layer of a random shape, forward and backward."""
    backend = select_backend("numpy")
    backend.engine.threads = threads
    dtype = str(random.choice(["float32", "float64"]))
    rows, n_in, n_out = (int(random.integers(1, most)) for most in (300, 150, 150))
    gap, first = int(random.integers(0, 9)), int(random.integers(0, n_in))
    width = int(random.integers(1, n_in - first + 1))
    shapes = {"a": (rows, n_in + gap), "W": (n_in, n_out), "b": (n_out,), "delta": (rows, n_out)}
    values = {name: random.normal(size=shape).astype(dtype) for name, shape in shapes.items()}
    guarded, at_end = Guarded(8 * 300 * 160), bool(random.integers(2))
    cut = values["a"].reshape(-1)[: (rows - 1) * (n_in + gap) + n_in]  # the last row has no gap after it
    a = np.lib.stride_tricks.as_strided(
        guarded.array(cut, at_end=at_end), (rows, n_in), ((n_in + gap) * cut.itemsize, cut.itemsize)
    )
    W, b, delta = (guarded.array(values[name], at_end=at_end) for name in ("W", "b", "delta"))
    out = guarded.array(np.full((rows, n_out), np.nan, dtype), at_end=at_end)
    weight = guarded.array(np.full((width, n_out), np.nan, dtype), at_end=at_end)
    bias = guarded.array(np.full(n_out, np.nan, dtype), at_end=at_end)
    wide = {name: x.astype("float64") for name, x in (("a", a), ("W", W), ("b", b), ("delta", delta))}
    backend.forward_layer_(a, W, b, "identity", out=out)
    sizes = np.abs(wide["a"]) @ np.abs(wide["W"]) + np.abs(wide["b"])
    assert close(out, wide["a"] @ wide["W"] + wide["b"], sizes, n_in)
    backend.backward_layer_(a, delta, W, "identity", first=first, weight=weight, bias=bias)
    some = slice(first, first + width)
    sizes = np.abs(wide["a"][:, some]).T @ np.abs(wide["delta"])
    assert close(weight, wide["a"][:, some].T @ wide["delta"], sizes, rows)
    assert close(bias, wide["delta"].sum(axis=0), np.abs(wide["delta"]).sum(axis=0), rows)
    below = wide["a"].copy()
    below[:, some] = wide["delta"] @ wide["W"][some].T
    sizes = np.abs(wide["a"])
    sizes[:, some] = np.abs(wide["delta"]) @ np.abs(wide["W"][some]).T
    assert close(a, below, sizes, n_out)
    backend.apply_momentum_(W[some], guarded.array(values["W"][some], at_end=at_end), weight, 0.5, 0.5)
    rule = str(random.choice(list(RULES)))
    kept = [guarded.array(np.abs(values["W"][some]), at_end=at_end) for _ in RULES[rule]]
    gradient = guarded.array(values["W"][some], at_end=at_end)
    wide_W, wide_kept = W[some].astype("float64"), [state.astype("float64") for state in kept]
    apply_rule(np, wide_W, gradient.astype("float64"), wide_kept, rule, NUMBERS)
    backend.apply_rule_(W[some], gradient, kept, rule, NUMBERS)
    assert close(W[some], wide_W, 4 * np.abs(wide_W), 8)
    norm = np.sqrt((gradient.astype("float64") ** 2).sum() + (wide["b"] ** 2).sum())
    assert abs(backend.gradient_norm(gradient, b) - norm) < 1e-6 * norm
    assert backend.all_finite(W)
    assert np.isfinite(backend.cost_sum(out, delta, "quadratic"))


def check_many(seed: int, shapes: int) -> None:
    """Many shapes, each with its own number of threads."""
    random = np.random.default_rng(seed)
    for _ in range(shapes):
        check(random, int(random.integers(1, 4)))


@pytest.mark.parametrize("level", ["v4", "v3", "aarch64"])
def test_kernels_stay_within_their_arrays(level, compiled):
    if level != compiled.engine.level and (level, compiled.engine.level) != ("v3", "v4"):
        pytest.skip(f"this processor is {compiled.engine.level}")
    code = f"from tests.backend.numpy.test_guard_pages import check_many; check_many(7, {SHAPES})"
    environment = {**os.environ, "MLP_CHECKPOINTING_KERNELS": level}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_value_too_far_ends_the_process():
    code = """
import ctypes, numpy as np
from tests.backend.numpy.test_guard_pages import Guarded
a = Guarded(4096).array(np.zeros(10, "float32"), at_end=True)
ctypes.c_float.from_address(a.ctypes.data + a.nbytes).value
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode < 0
