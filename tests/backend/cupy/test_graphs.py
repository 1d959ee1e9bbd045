"""Steps as CUDA graphs: refused where CUDA refuses, and replayed by a stand-in for a graph where nothing captures."""

from collections.abc import Callable
from typing import Any

import pytest

from backend.cupy.backend import CupyBackend
from backend.cupy.graphs import MOST_GRAPHS, Graphs
from mlp import Network
from tests.conftest import Case, parameters_of, same_bits

pytestmark = pytest.mark.gpu

CASE = Case((6, 9, 7, 3), 22, "tanh", "cross-entropy", momentum=0.9, seed=4)


class FakeGraph:
    """Launches again what would have been captured; the real one has CUDA do so in one call."""

    def __init__(self, begin: Callable[[int], None]) -> None:
        self._begin, self.launched = begin, 0

    def launch(self) -> None:
        import cupy

        self._begin(cupy.cuda.get_current_stream().ptr)
        self.launched += 1


def trained(backend: CupyBackend, steps: int, *, places: int = 1) -> Network:
    """A network after `steps` steps on inputs that lie at `places` in turns."""
    network: Network = CASE.network(backend, "float32")
    batches = [CASE.batch(backend, "float32") for _ in range(places)]
    for number in range(steps):
        network.update_mini_batch(*batches[number % places], eta=0.1 * (number + 1))
    return network


def test_stand_in_refuses_and_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.backend.cupy.saying import stand_in

    stand_in()
    backend, asked = CupyBackend(), []
    captured = Graphs._captured
    monkeypatch.setattr(Graphs, "_captured", lambda self, begin: (asked.append(begin), captured(self, begin))[1])
    assert backend.graphs.refusal is None
    network = trained(backend, 6)
    assert network.count.calls == 5
    assert len(asked) == 1
    assert "CUDA captures no graph (cudaErrorNotSupported" in str(backend.graphs.refusal)
    assert backend.remarks() == [f"steps go by launches: {backend.graphs.refusal}"]
    assert backend.remarks() == []
    assert same_bits(parameters_of(network), parameters_of(trained(backend, 6)))


def test_graph_has_the_bits_and_the_bytes_of_launches(
    cupy_backend: CupyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cupy_backend.graphs, "refusal", "not here")
    by_launches = trained(cupy_backend, 7)
    before = cupy_backend.device_memory().used_bytes
    graphs: list[FakeGraph] = []
    with monkeypatch.context() as patch:
        patch.setattr(cupy_backend.graphs, "refusal", None)
        patch.setattr(Graphs, "_captured", lambda _, begin: graphs.append(FakeGraph(begin)) or graphs[-1])
        by_graph = trained(cupy_backend, 7)
        used = cupy_backend.device_memory().used_bytes - before
    assert [graph.launched for graph in graphs] == [5]  # by actions, by launches, then by the graph
    assert same_bits(parameters_of(by_graph), parameters_of(by_launches))
    del by_graph
    before = cupy_backend.device_memory().used_bytes
    again = trained(cupy_backend, 7)
    assert cupy_backend.device_memory().used_bytes - before == used
    del again


def test_there_is_a_graph_for_each_place_of_the_inputs_and_no_more_than_a_few(
    cupy_backend: CupyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    for places, wanted in ((3, [3, 3, 3]), (MOST_GRAPHS + 1, [])):
        graphs: list[FakeGraph] = []
        with monkeypatch.context() as patch:
            patch.setattr(cupy_backend.graphs, "refusal", None)
            patch.setattr(
                Graphs, "_captured", lambda _, begin, graphs=graphs: graphs.append(FakeGraph(begin)) or graphs[-1]
            )
            by_graph = trained(cupy_backend, 13, places=places)
            patch.setattr(cupy_backend.graphs, "refusal", "not here")
            by_launches = trained(cupy_backend, 13, places=places)
        assert [graph.launched for graph in graphs] == wanted
        assert same_bits(parameters_of(by_graph), parameters_of(by_launches))


def test_graphs_are_off_where_the_variable_says_so(monkeypatch: pytest.MonkeyPatch, cupy_backend: CupyBackend) -> None:
    monkeypatch.setenv("MLP_CHECKPOINTING_GRAPHS", "off")
    assert Graphs(cupy_backend.device).refusal == "MLP_CHECKPOINTING_GRAPHS is off"


def test_memory_of_graphs_is_named(cupy_backend: CupyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    import cupy

    held: list[Any] = []

    def capture(_: Graphs, begin: Callable[[int], None]) -> FakeGraph:
        held.append(cupy.cuda.Memory(4096))  # as CUDA does for a graph
        return FakeGraph(begin)

    monkeypatch.setattr(Graphs, "_captured", capture)
    before = cupy_backend.outside_bytes().get("CUDA graphs", 0)
    graph = Graphs(cupy_backend.device).capture(lambda _: None)
    assert cupy_backend.outside_bytes()["CUDA graphs"] == before + 4096
    del graph
    assert cupy_backend.outside_bytes().get("CUDA graphs", 0) == before
    assert cupy_backend.outside_bytes()["cuBLAS workspace"] >= 2**22
