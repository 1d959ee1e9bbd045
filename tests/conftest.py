"""What the tests share: every backend that can run, the two dtypes, and small networks to draw."""

from tests import surroundings

surroundings.settle()  # before anything that reads the environment is imported

# ruff: noqa: E402
import os
import weakref
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import array_api_strict
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

import mlp.costs
import mlp.pieces
from backend import Backend, BackendUnavailable, select_backend
from backend.facts import UNCOMPILED
from backend.numpy.variants import numpy_backend
from backend.select import variant_here
from mlp import Network
from mlp.activations import ACTIVATIONS
from mlp.arguments import DTYPES, INITIALIZATIONS
from mlp.costs import COSTS

settings.register_profile(
    "fixed",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # the fixtures here hold nothing that changes
)
settings.load_profile("fixed")


@pytest.fixture(scope="session", autouse=True)
def _empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The working folder of every test that sets no other."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("working-folder"))
    yield
    os.chdir(before)


@pytest.fixture
def default_signals() -> Iterator[None]:
    """For tests that send signals: none is ignored because the test run ignores it."""
    with surroundings.default_signals():
        yield


BACKENDS = ("numpy", "numpy-readonly", "array-api-strict", pytest.param("cupy", marks=pytest.mark.gpu))


VARIANT = variant_here("numpy")
"""The row of `FACTS` of NumPy as it is here: with compiled kernels, or without."""

compiled_only = pytest.mark.skipif(VARIANT == UNCOMPILED, reason="what is said is said of the compiled kernels")

NumpyBackend: Any = type(numpy_backend())
"""The variant of NumPy that runs here: with compiled kernels, or without."""


class ReadOnlyNumpy(NumpyBackend):
    """NumPy, and a judge: what was protected must come back unwritten, also by way of an older view of it."""

    def __init__(self) -> None:
        super().__init__()
        self._checksums: dict[int, tuple[Any, int]] = {}

    def protect(self, a: np.ndarray) -> None:
        super().protect(a)
        assert not a.flags.writeable
        key = id(a)
        self._checksums[key] = (weakref.ref(a, lambda _: self._checksums.pop(key, None)), zlib.crc32(a))

    def release(self, a: np.ndarray) -> None:
        _, checksum = self._checksums.pop(id(a), (None, None))
        assert checksum in (None, zlib.crc32(a)), "a stored activation was written to while it was protected"
        super().release(a)


def backend_called(name: str) -> Backend:
    """The backend that a parameter of `BACKENDS` names; skips the test, with the reason, where it cannot run."""
    if name == "numpy-readonly":
        return ReadOnlyNumpy()
    if name == "array-api-strict":
        return Backend(name, array_api_strict, device=array_api_strict.Device("device1"))
    try:
        return select_backend(name)
    except BackendUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each backend in turn."""
    return backend_called(request.param)


@pytest.fixture(scope="session")
def metered(backend: Backend) -> Backend:
    """Each backend in turn that can measure bytes."""
    if type(backend).measure is Backend.measure:
        pytest.skip(f"{backend.name} has no meter")
    return backend


@pytest.fixture(params=DTYPES)
def dtype(request: pytest.FixtureRequest) -> str:
    """Each dtype in turn that the test's backend, if it has one, can compute in."""
    if "backend" in request.fixturenames:
        name = request.getfixturevalue("backend").name
        if name == "array-api-strict" and request.param == "float64":
            pytest.skip("array-api-strict's device1 has float32 only")
    return str(request.param)


@pytest.fixture(params=["arena", "allocator"])
def memory(request: pytest.FixtureRequest) -> Callable[[Network], AbstractContextManager[None]]:
    """What has a network's steps lie in the arena, as they do; or has each array come from the allocator and go back.

    The allocator is the witness: what its own meter counts is what the arena's arrays are said to take.
    """
    return lambda network: network.buffers.apart() if request.param == "allocator" else nullcontext()


@dataclass(frozen=True)
class Case:
    """A small network and a mini-batch for it. `piece_sizes` are `mlp.pieces`' constants, made small, or None."""

    sizes: tuple[int, ...]
    batch_size: int
    activation: str = "sigmoid"
    cost: str = "quadratic"
    initialization: str = "scaled"
    momentum: float = 0.0
    seed: int = 0
    piece_sizes: tuple[int, int, int] | None = None
    output_activation: str | None = None

    @property
    def n_layers(self) -> int:
        return len(self.sizes) - 1

    def network(self, backend: Backend, dtype: str, kind: Callable[..., Any] = Network, **more: Any) -> Any:
        """A network of class `kind`; `more` are its further arguments."""
        as_network = {"activation": self.activation, "cost": self.cost, "initialization": self.initialization}
        as_network |= {
            "output_activation": self.output_activation,
            "momentum": self.momentum,
            "seed": self.seed,
            "dtype": dtype,
            "backend": backend,
        }
        return kind(self.sizes, **as_network, **more)

    def batch(self, backend: Backend, dtype: str) -> tuple[Any, Any]:
        """X with values in 0..1 and one-hot y, on the backend's device."""
        X, y = self.host_batch(dtype)
        return backend.asarray(X), backend.asarray(y)

    def host_batch(self, dtype: str) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng(self.seed)
        X = random.random((self.batch_size, self.sizes[0]), dtype=np.dtype(dtype).type)
        return X, np.eye(self.sizes[-1], dtype=dtype)[random.integers(self.sizes[-1], size=self.batch_size)]

    @contextmanager
    def in_pieces(self) -> Iterator[None]:
        """Backward steps in this case's pieces, which the default constants leave whole in small networks."""
        with pytest.MonkeyPatch.context() as patch:
            if self.piece_sizes:
                gradient_rows, flops, delta_rows = self.piece_sizes
                patch.setattr(mlp.pieces, "PIECE_FLOPS", flops)
                for kind in ("", "LARGE_"):
                    patch.setattr(mlp.pieces, f"{kind}GRADIENT_ROWS", gradient_rows)
                    patch.setattr(mlp.pieces, f"{kind}DELTA_ROWS", delta_rows)
            yield


def cases(*, max_layers: int = 7) -> st.SearchStrategy[Case]:
    """Cases of 1 to `max_layers` layers, widths of one and more, with every choice that a network has."""
    drawn = st.builds(
        Case,
        sizes=st.lists(st.integers(1, 9), min_size=2, max_size=max_layers + 1).map(tuple),
        batch_size=st.integers(1, 13),
        activation=st.sampled_from(ACTIVATIONS),
        cost=st.sampled_from(COSTS),
        initialization=st.sampled_from(INITIALIZATIONS),
        momentum=st.sampled_from((0.0, 0.5, 0.9)),
        seed=st.integers(0, 2**32 - 1),
        piece_sizes=st.sampled_from((None, (1, 1, 1), (2, 40, 3), (4, 1, 256))),
    )
    steep = set(ACTIVATIONS) - {"sigmoid", "tanh", "relu"}  # which diverge from normal weights
    return drawn.filter(
        lambda case: (
            case.sizes[-1] >= mlp.costs.TABLE[case.cost].least_units
            and (case.activation not in steep or case.initialization == "scaled")
        )
    )


def parameters_of(network: Network) -> list[np.ndarray]:
    """All weights and biases, on the host, as copies."""
    arrays = [*network.weights, *network.biases]
    return [np.array(network.backend.to_numpy(a)) for a in arrays]


def gradients_of(network: Network, X: Any, y: Any) -> list[np.ndarray]:
    """All weights' and biases' gradients, on the host, in the order of `parameters_of`."""
    gradients = sorted(network.backprop(X, y), key=lambda gradient: gradient.layer)
    assert [gradient.layer for gradient in gradients] == list(range(1, network.n_layers + 1))
    arrays = [gradient.weight for gradient in gradients] + [gradient.bias for gradient in gradients]
    return [np.array(network.backend.to_numpy(a)) for a in arrays]


def same_bits(some: list[np.ndarray], others: list[np.ndarray]) -> bool:
    """Whether two lists of arrays are alike in shape, dtype and every bit."""
    pairs = list(zip(some, others, strict=True))
    return all(a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in pairs)
