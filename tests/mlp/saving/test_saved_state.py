"""A saved state: what goes in comes out, a writer that dies leaves the old one, and another file is an error."""

import errno
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from mlp import Network, Progress, StateError, TrainingError, load_state, read_state, restore_state, save_state
from mlp.saving import differences, environment

PROGRESS = Progress(2, 7, 5, 100, 3.0, True, 4000, "ab" * 32)


def network(**options: object) -> Network:
    return Network([7, 5, 3], **{"momentum": 0.9, **options})


def bits(net: Network) -> bytes:
    arrays = [*net.weights, *net.biases, *(v for pair in net.velocities for v in pair)]
    return b"".join(net.backend.to_numpy(a).tobytes() for a in arrays)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.state"


# In and out


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_every_value_comes_back(momentum, backend, dtype, path):
    net = network(momentum=momentum, seed=5, backend=backend, dtype=dtype)
    save_state(path, net)
    loaded, state = load_state(path, backend=backend)
    assert bits(loaded) == bits(net)
    assert (loaded.sizes, loaded.dtype, loaded.momentum, loaded.seed) == (net.sizes, dtype, momentum, 5)
    assert state.progress is None


def test_weights_move_between_backends(backend, path):
    net = network(backend=backend)
    save_state(path, net)
    assert bits(load_state(path, backend="numpy")[0]) == bits(net)
    save_state(path, network(seed=8))
    assert bits(load_state(path, backend=backend)[0]) == bits(network(seed=8))


def test_facts_come_back_without_the_arrays(path):
    saved = save_state(path, network(activation="tanh", cost="cross-entropy"), PROGRESS, notes={"why": "é\n\"'"})
    read = read_state(path)
    assert read == saved
    assert (read.progress, read.notes, read.activation) == (PROGRESS, {"why": "é\n\"'"}, "tanh")


def test_other_programs_can_read_it(path):
    net = network()
    save_state(path, net, PROGRESS)
    arrays = load_file(path)
    assert arrays["weight.2"].tobytes() == net.weights[1].tobytes()
    assert arrays["velocity.bias.1"].shape == (5,)
    with safe_open(path, "np") as file:
        assert file.metadata()["format"] == "mlp-checkpointing saved state 4"


def test_state_of_many_layers_is_read(path):
    net = Network([3] * 2001)
    save_state(path, net)
    assert bits(load_state(path)[0]) == bits(net)


def test_saving_copies_no_array(path):
    net = Network([2000, 2000])
    save_state(path, net)
    tracemalloc.start()
    save_state(path, net)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**22 < net.weights[0].nbytes


def test_restoring_into_a_network_of_another_shape_is_refused(path):
    save_state(path, network())
    with pytest.raises(StateError, match="other sizes, dtype or momentum"):
        restore_state(path, network(momentum=0.0))


# Older states


def test_older_states_are_kept_in_order_and_no_more_of_them(path):
    for step in range(6):
        save_state(path, network(), Progress(1, step, 5, 100, 3.0, True, 4000), keep=2)
    kept = {name.name: read_state(name).progress.step for name in sorted(path.parent.iterdir())}
    assert kept == {"run.state": 5, "run.state.1": 4, "run.state.2": 3}


def test_older_states_are_kept_where_there_are_no_hard_links(path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    for step in range(3):
        save_state(path, network(), Progress(1, step, 5, 100, 3.0, True, 4000), keep=1)
    assert read_state(path.with_name("run.state.1")).progress.step == 1


def test_older_states_stand_beside_the_file_that_a_link_names(path):
    link = path.with_name("link")
    (path.parent / "elsewhere").mkdir()
    link.symlink_to(path.parent / "elsewhere" / "run.state")
    for _ in range(3):
        save_state(link, network(), keep=1)
    assert sorted(name.name for name in (path.parent / "elsewhere").iterdir()) == ["run.state", "run.state.1"]


@pytest.mark.parametrize("foreign", ["run.state", "run.state.1", "run.state.2"])
def test_keeping_older_states_moves_no_other_file_along(path, foreign):
    for _ in range(3):
        network().save(path, keep=2)
    path.with_name(foreign).write_text("years of work")
    before = {name.name: name.read_bytes() for name in path.parent.iterdir()}
    with pytest.raises(StateError, match=rf"{foreign}: .*; keep=2 moves no other file along, move it away"):
        network().save(path, keep=2)
    assert {name.name: name.read_bytes() for name in path.parent.iterdir()} == before


def test_files_that_keeping_older_states_does_not_touch_may_be_anything(path):
    path.with_name("run.state.2").write_text("years of work")
    for _ in range(3):
        network().save(path, keep=1)
    assert path.with_name("run.state.2").read_text() == "years of work"
    path.with_name("alone").write_text("anything")
    network().save(path.with_name("alone"))
    assert read_state(path.with_name("alone")).progress is None


# What goes wrong in writing


def test_full_disk_leaves_the_old_state_and_nothing_else(path, monkeypatch):
    save_state(path, network(), PROGRESS)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match=r"run\.state: cannot be saved \(No space left on device\); what was there is"):
        save_state(path, network(seed=1), keep=3)
    assert path.read_bytes() == before
    assert [name.name for name in path.parent.iterdir()] == ["run.state"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the size of files by RLIMIT_FSIZE")
def test_write_that_fails_half_way_leaves_the_old_state(path):
    save_state(path, network(), PROGRESS)
    before = path.read_bytes()
    program = (
        "import resource, signal, sys; from mlp import Network, save_state; network = Network([100, 100]);"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000));"
        "save_state(sys.argv[1], network)"
    )
    # -B: the limit would leave half a file of Python's own, of compiled code, which stops each later start
    ended = subprocess.run([sys.executable, "-B", "-c", program, path], capture_output=True, text=True, check=False)
    assert "StateError" in ended.stderr
    assert "File too large" in ended.stderr
    assert path.read_bytes() == before
    assert [name.name for name in path.parent.iterdir()] == ["run.state"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_not_saved(value, path):
    save_state(path, network(), PROGRESS)
    before = path.read_bytes()
    net = network()
    net.velocities[1][0][2, 1] = value
    with pytest.raises(TrainingError, match=r"velocity\.weight\.2 holds a value that is not finite") as caught:
        save_state(path, net)
    assert caught.value.layer == 2
    assert path.read_bytes() == before


# Environment


def test_another_numpy_is_a_difference_and_another_python_or_number_of_threads_is_none():
    here = environment(network().backend)
    assert differences(here, here) == []
    there = {**here, "numpy": "1000.0", "threads": "64", "python": "3.99.0"}
    assert differences(there, here) == [f"numpy {here['numpy']}, was 1000.0"]
