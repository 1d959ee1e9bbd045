"""Which GPU a rank takes, and whether MPI is asked to take its arrays: what needs no GPU to be tested."""

import pytest

from checkpoint.execution.ranks.links import probe
from checkpoint.runs.ranks.together import on_own_device
from checkpoint.runs.settings import RunSettings


def test_probe_that_crashes_or_cannot_begin_says_no(monkeypatch):
    monkeypatch.delenv(probe.LINK_VARIABLE, raising=False)
    monkeypatch.setattr(probe, "LOOPBACK", "tests.there_is_no_such_module")
    assert not probe.takes_device_arrays(0)
    monkeypatch.setattr("sys.executable", "/there/is/no/python")
    assert not probe.takes_device_arrays(0)


def test_probe_is_asked_where_nobody_says_staged(monkeypatch):
    monkeypatch.setattr(probe, "LOOPBACK", "this")  # a module that ends well
    monkeypatch.setenv(probe.LINK_VARIABLE, "staged")
    assert not probe.takes_device_arrays(0)
    monkeypatch.setenv(probe.LINK_VARIABLE, "")
    assert probe.takes_device_arrays(0)


def test_probe_knows_nothing_of_the_launcher():
    assert probe.alone({"PMI_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "PATH": "/bin"}) == {"PATH": "/bin"}


class Told:
    """A link of which all that matters is where each rank is."""

    def __init__(self, nodes, rank):
        self.nodes, self.rank, self.ranks = nodes, rank, len(nodes)

    def exchange(self, text):
        return self.nodes


@pytest.mark.parametrize(("rank", "device"), [*enumerate([0, 1, 0, 0, 1])])
def test_ranks_of_a_node_take_its_gpus_in_turn(monkeypatch, rank, device):
    monkeypatch.setattr("backend.cupy.detection.count_devices", lambda: 2)
    link = Told(["a", "a", "b", "a", "b"], rank)
    assert on_own_device(link, RunSettings(backend="cupy")).device == device
    named = RunSettings(backend="cupy", device=1)
    assert on_own_device(link, named) is named
    assert on_own_device(link, RunSettings()).device is None
