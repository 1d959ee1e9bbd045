"""One training step of each case in each way, for pytest-benchmark: `pytest bench --benchmark-only [--backend cupy]`.

For ratios use `python -m bench`, which interleaves. Each benchmark runs alone; bytes, the recomputed part, the resident
set of a process of its own, the control's seconds and the environment go to `extra_info`.
"""

import statistics
import time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from backend import select_backend
from bench.machine.child import ChildError
from bench.machine.environment import environment
from bench.steps.cases import CASES, Case
from bench.steps.resident import resident_of
from bench.steps.runner import Absent, Runner
from bench.steps.runners import build, control
from bench.steps.timing import wait_for_threads
from bench.steps.ways import CONTROL, OURS, PEERS, Way, our_ways

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # the peers' own warnings
    pytest.mark.parametrize("case", CASES.values(), ids=list(CASES)),
]
CONTROL_ROUNDS = 3


@pytest.fixture(scope="session")
def where(request: pytest.FixtureRequest) -> dict[str, object]:
    """The environment, read once."""
    return environment(request.config.getoption("--backend"))


def _bench(
    benchmark: BenchmarkFixture, case: Case, way: Way, *, backend_name: str, where: dict[str, object], resident: bool
) -> None:
    try:
        runner = build(way, case, backend_name=backend_name)
    except Absent as reason:
        pytest.skip(f"{way.name}: {reason}")
    benchmark.group = case.name
    benchmark.extra_info["control_seconds"] = _seconds_of(control(case, select_backend(backend_name)), case)
    runner.step()
    wait_for_threads()  # the control's
    benchmark.pedantic(runner.step, rounds=5, iterations=case.steps, warmup_rounds=1)  # type: ignore[no-untyped-call]
    benchmark.extra_info["peak_bytes"] = runner.peak_bytes()
    benchmark.extra_info["recompute_fraction"] = way.recompute_fraction
    benchmark.extra_info["versions"] = where["versions"]
    benchmark.extra_info["threads"] = where["threads"]
    if resident:
        try:
            found = resident_of(way, case, backend_name=backend_name)
        except ChildError as error:
            pytest.fail(f"{way.name} in a process of its own: {error}")
        benchmark.extra_info["peak_resident_bytes"] = found.peak_bytes
        benchmark.extra_info["resident_bytes_above_start"] = found.above_start_bytes


def _seconds_of(runner: Runner, case: Case) -> float:
    """The median seconds of a step over a few rounds."""
    runner.step()
    found = []
    for _ in range(CONTROL_ROUNDS):
        begun = time.perf_counter()
        for _ in range(case.steps):
            runner.step()
        found.append((time.perf_counter() - begun) / case.steps)
    return statistics.median(found)


def test_matrix_products_alone(
    benchmark: BenchmarkFixture, case: Case, backend_name: str, where: dict[str, object], resident: bool
) -> None:
    way = Way(CONTROL, "control", key="control")
    _bench(benchmark, case, way, backend_name=backend_name, where=where, resident=resident)


@pytest.mark.parametrize("key", OURS)
def test_step(
    benchmark: BenchmarkFixture, case: Case, key: str, backend_name: str, where: dict[str, object], resident: bool
) -> None:
    way = next((way for way in our_ways(case, backend_name=backend_name) if way.key == key), None)
    if way is None:
        pytest.skip(f"{case.name} is too shallow to be planned for")
    _bench(benchmark, case, way, backend_name=backend_name, where=where, resident=resident)


@pytest.mark.parametrize("name", PEERS)
def test_peer(
    benchmark: BenchmarkFixture, case: Case, name: str, backend_name: str, where: dict[str, object], resident: bool
) -> None:
    if backend_name != "numpy":
        pytest.skip(f"{name}: on a GPU, python -m bench.gpu_acceptance compares with PyTorch")
    way = Way(name, "peer", PEERS[name], key=name)
    _bench(benchmark, case, way, backend_name=backend_name, where=where, resident=resident)
