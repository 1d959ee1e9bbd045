"""One training step of each case in each way, for pytest-benchmark: `pytest bench --benchmark-only [--backend cupy]`.

For ratios use `python -m bench`, which interleaves. Here each benchmark runs alone; peak bytes, the recomputed part and
the resident peak go to `extra_info`, and the control is a benchmark of its own in each group.
"""

from collections.abc import Callable, Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from backend import peak_resident_bytes, select_backend
from bench.cases import CASES, Case
from bench.peers import absent_peers, jax_runners, torch_runners
from bench.runners import Runner, control, ours

WAYS: dict[str, int] = {"plain": 0, "every nth": 1, "sqrt": 2, "planned, unblocked": 3, "planned, row blocks": 4}


def _ours(case: Case, backend_name: str) -> Iterator[Runner]:
    return ours(case, select_backend(backend_name))


def _bench(benchmark: BenchmarkFixture, case: Case, runner: Runner) -> None:
    benchmark.group = case.name
    runner.step()
    benchmark.pedantic(runner.step, rounds=5, iterations=case.steps, warmup_rounds=1)  # type: ignore[no-untyped-call]
    benchmark.extra_info["peak_bytes"] = runner.peak_bytes()
    benchmark.extra_info["recompute_fraction"] = runner.recompute_fraction
    benchmark.extra_info["peak_resident_bytes"] = peak_resident_bytes()


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_matrix_products_alone(benchmark: BenchmarkFixture, case: Case, backend_name: str) -> None:
    _bench(benchmark, case, control(case, select_backend(backend_name)))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_step(benchmark: BenchmarkFixture, case: Case, way: str, backend_name: str) -> None:
    found = list(_ours(case, backend_name))
    if WAYS[way] >= len(found):
        pytest.skip(f"{case.name} is too shallow to be planned for")
    _bench(benchmark, case, found[WAYS[way]])


@pytest.mark.parametrize(
    ("peer", "runners", "place"),
    [
        ("torch", torch_runners, 0),
        ("torch", torch_runners, 1),
        ("torch", torch_runners, 2),
        ("jax", jax_runners, 0),
        ("jax", jax_runners, 1),
    ],
    ids=["torch-eager", "torch-optimiser-in-backward", "torch-checkpoint-sequential", "jax-jit", "jax-checkpoint"],
)
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_peer(
    benchmark: BenchmarkFixture, case: Case, peer: str, runners: Callable[[Case], Iterator[Runner]], place: int
) -> None:
    if peer in absent_peers():
        pytest.skip(f"{peer} is not installed")
    _bench(benchmark, case, list(runners(case))[place])
