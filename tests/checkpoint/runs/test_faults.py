"""What goes wrong during training: one line, a status that says what kind, and the last good state untouched."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from backend import select_backend
from checkpoint import NetworkWithCheckpointing, chain_of
from checkpoint.commands import program as command_line
from checkpoint.runs.endings.faults import watched
from checkpoint.runs.states.saver import Saver, Saving
from mlp import ImageBatches, Network, Progress, TrainingError, data, load_state, read_state, train
from mlp.saving.atomic import replaced
from tests.conftest import VARIANT, NumpyBackend

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.usefixtures("default_signals")

NETWORK = ("--data", "sample", "--sizes", "784,9x6,10", "--batch-size", "600", "--eta", "1")


def run(*options: object) -> int:
    return command_line.main(["train", *map(str, options)])


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def at_step(monkeypatch):
    """Calls a function before a step of the training, counted from 1, is taken."""

    def arrange(step: int, act) -> None:
        taken = 0
        plain = Network.update_mini_batch

        def update(self, X, y, *, eta):
            nonlocal taken
            taken += 1
            if taken == step:
                act(self)
            plain(self, X, y, eta=eta)

        monkeypatch.setattr(Network, "update_mini_batch", update)

    return arrange


# Killed


def test_every_kill_leaves_a_state_that_goes_on_to_the_same_end():
    """SIGKILL at 20 random moments of training and saving; `python -m bench.kill --kills 200` does more of it."""
    command = [sys.executable, "-m", "bench.kill", "--kills", "20", "--json", str(Path.cwd() / "kill.json")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(Path("kill.json").read_text())
    assert (found["kills"], found["states_lost"], found["identical"]) == (20, 0, True)


# Signals


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_signal_saves_the_step_under_way_and_stops(number, status, at_step, capsys):
    run(*NETWORK, "--epochs", 1, "--json", "whole.json")
    at_step(3, lambda network: os.kill(os.getpid(), number))
    assert run(*NETWORK, "--epochs", 1, "--save", "run.state") == status
    error = capsys.readouterr().err
    assert error == f"stopped by {number.name} after 3 steps; run.state holds the training after 3 steps\n"
    assert run("--resume", "run.state", "--json", "resumed.json") == 0
    shas = {json.loads(Path(path).read_text())["weights_sha256"] for path in ("whole.json", "resumed.json")}
    assert len(shas) == 1


def test_signal_without_save_says_that_nothing_was_saved(at_step, capsys):
    at_step(2, lambda network: os.kill(os.getpid(), signal.SIGTERM))
    assert run(*NETWORK) == 143
    assert capsys.readouterr().err == "stopped by SIGTERM after 2 steps; nothing was saved\n"


def test_state_that_is_not_finite_is_said_once_not_to_be_saved():
    network = Network([4, 3, 2])
    network.weights[0][0, 0] = float("inf")
    progress = Progress(1, 1, epochs=1, mini_batch_size=1, eta=1.0, shuffle=False, n_samples=1)
    saver = Saver(network, progress, Saving(Path("run.state")))
    with pytest.raises(TrainingError) as caught, watched(saver, chain_of([4, 3, 2], batch_size=1), arena_bytes=1):
        saver.finish()
    assert str(caught.value).endswith(
        "holds a value that is not finite, which is not saved; lower eta; nothing was saved"
    )
    assert str(caught.value).count("nothing was saved") == 1


def test_signal_that_is_ignored_stays_ignored(at_step):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        at_step(2, lambda network: os.kill(os.getpid(), signal.SIGHUP))
        assert run(*NETWORK, "--epochs", 1) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_second_signal_stops_inside_the_step_and_saves_nothing_of_it(at_step, capsys):
    def twice(network: Network) -> None:
        network.weights[0][0, 0] = 123.0  # as if the step had begun
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)

    at_step(3, twice)
    assert run(*NETWORK, "--save", "run.state", "--save-every", "2steps") == 143
    assert "a step was under way; run.state holds the training after 2 steps" in capsys.readouterr().err
    assert load_state("run.state")[0].weights[0][0, 0] != 123.0


def test_signal_during_an_evaluation_saves_too(monkeypatch, capsys):
    monkeypatch.setattr(
        "mlp.training.metrics.Evaluation.__call__", lambda _: (None, os.kill(os.getpid(), signal.SIGINT))
    )
    assert run(*NETWORK, "--save", "run.state", "--save-every", "9epochs") == 130
    assert "run.state holds the training after 7 steps" in capsys.readouterr().err


def test_handlers_are_as_before_afterwards():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    run(*NETWORK, "--epochs", 1)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


# Disks


@pytest.fixture
def full_disk(monkeypatch):
    """Fills the disk from the n-th save on."""

    def arrange(first: int) -> None:
        saves = 0
        plain = replaced

        def fail(path, **options):
            nonlocal saves
            saves += 1
            if saves >= first:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return plain(path, **options)

        monkeypatch.setattr("mlp.saving.write.replaced", fail)

    return arrange


def test_full_disk_does_not_stop_training_and_is_an_error_at_the_end(full_disk, capsys):
    full_disk(2)
    assert run(*NETWORK, "--epochs", 3, "--save", "run.state") == 1
    said = capsys.readouterr()
    assert said.out.count("test accuracy") == 3
    problem = "run.state: cannot be saved (No space left on device); what was there is unchanged"
    assert said.err.splitlines() == [
        f"warning: {problem}; training goes on",
        f"warning: {problem}; training goes on",
        f"mlp-checkpointing: error: {problem}",
    ]
    assert read_state("run.state").progress.epoch == 2


# Memory


def test_out_of_memory_says_what_would_fit(at_step, capsys):
    def refuse(network: Network) -> None:
        raise MemoryError("Unable to allocate 9.00 GiB for an array")

    at_step(4, refuse)
    assert run(*NETWORK, "--save", "run.state", "--save-every", "2steps") == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "out of memory after 3 steps: Unable to allocate 9.00 GiB" in error
    assert "--budget" in error
    assert "run.state holds the training after 2 steps" in error


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory by RLIMIT_AS")
def test_real_shortage_of_memory_is_one_line_and_status_1():
    program = (  # BLAS gets its own memory first: OpenBLAS tries forever for what it cannot have
        "import resource, sys, psutil; from checkpoint.commands.program import main;"
        "train = ['train', '--data', 'sample', '--batch-size', '4000', '--epochs', '1', '--sizes'];"
        "main([*train, '784,10']); limit = psutil.Process().memory_info().vms + 2**26;"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit));"
        "sys.exit(main([*train, '784,64x200,10']))"
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment, timeout=60)
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.count("\n") == 1
    assert "out of memory before the first step was done: Unable to allocate" in ended.stderr
    mib = 195 if VARIANT == "numpy" else 196  # NumPy's own kernels hold a piece of the error apart
    assert f"a step was to take {mib} MiB above rest" in ended.stderr


# Numbers that are not finite


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("layer", [1, 4, 7])
def test_weight_that_is_not_finite_stops_the_step_and_names_it(value, layer, at_step, capsys):
    def spoil(network: Network) -> None:
        network.weights[layer - 1][2, 3] = value

    at_step(3, spoil)
    options = ("--activation", "tanh", "--cost", "cross-entropy", "--initialization", "scaled", "--eta", "0.01")
    assert run(*NETWORK, *options, "--save", "run.state", "--save-every", "2steps", "--epochs", 1) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    if "not finite any more" in error:
        # compiled kernels look at each output; where tanh makes an infinity 1, the error below it shows it
        seen = np.isnan(value) and select_backend("numpy").whole_steps
        found = f"output of layer {layer}" if seen else f"(output of layer {layer}|error of layer [1-7])"
        assert re.search(f"epoch 1, step 3: the {found} is not finite", error)
    else:  # tanh of an infinity is 1: it is found when the weights are saved
        assert f"weight.{layer} holds a value that is not finite" in error
    assert "run.state holds the training after 2 steps" in error
    assert all(np.isfinite(W).all() for W in load_state("run.state")[0].weights)


def test_training_that_diverges_stops_at_the_first_step_that_is_not_finite():
    net = Network([784, *[30] * 8, 10], activation="relu", initialization="scaled")
    sample = data.load("sample")
    batches = ImageBatches(net, sample.train_images, sample.train_labels)
    with pytest.raises(TrainingError) as caught:
        train(net, batches, epochs=5, mini_batch_size=100, eta=1)
    layer, epoch, step = caught.value.layer, caught.value.epoch, caught.value.step
    assert None not in (layer, epoch, step)
    message = rf"epoch {epoch}, step {step}: the (output|error) of layer {layer} is not finite"
    assert re.match(message, str(caught.value))


@pytest.mark.parametrize("kind", [Network, NetworkWithCheckpointing])
def test_bad_layer_and_those_below_are_not_touched(kind):
    ways = {} if kind is Network else {"checkpoint_every_nth_layer": 2}
    net = kind([5, 4, 4, 4, 3], initialization="scaled", activation="tanh", **ways)
    net.weights[2][1, 1] = np.nan
    net.forward_layer = lambda layer, a, *, out: out.fill(0.25) or out  # the forward pass shows nothing of it
    before = [W.copy() for W in net.weights]
    with pytest.raises(TrainingError, match="the error of layer 2") as caught:
        net.update_mini_batch(np.ones((3, 5), "float32"), np.eye(3, dtype="float32"), eta=1.0)
    assert caught.value.layer == 2
    assert [W.tobytes() == b.tobytes() for W, b in zip(net.weights, before, strict=True)] == [True, True, False, False]


def test_check_costs_no_array():
    bias = np.zeros(1000, "float32")
    backend = NumpyBackend()
    with backend.measure() as usage:
        assert backend.all_finite(bias)
    assert usage.peak_bytes == 0


# Threads


def test_two_networks_in_two_threads_give_what_each_gives_alone():
    sample = data.load("sample")

    def trained(seed: int, kind: str, results: dict[int, bytes]) -> None:
        if kind == "plain":
            net = Network([784, 20, 20, 20, 10], seed=seed, momentum=0.9)
        else:
            net = NetworkWithCheckpointing([784, 20, 20, 20, 10], seed=seed, momentum=0.9, checkpoint_every_nth_layer=2)
        batches = ImageBatches(net, sample.train_images, sample.train_labels)
        train(net, batches, epochs=2, mini_batch_size=200, eta=0.3)
        results[seed] = b"".join(W.tobytes() for W in net.weights)

    alone: dict[int, bytes] = {}
    together: dict[int, bytes] = {}
    for seed, kind in enumerate(("plain", "checkpointing")):
        trained(seed, kind, alone)
    threads = [
        threading.Thread(target=trained, args=(seed, kind, together))
        for seed, kind in enumerate(("plain", "checkpointing"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


def test_training_in_a_thread_works_without_signals():
    statuses: list[int] = []
    thread = threading.Thread(target=lambda: statuses.append(run(*NETWORK, "--epochs", 1, "--save", "run.state")))
    thread.start()
    thread.join()
    assert statuses == [0]
