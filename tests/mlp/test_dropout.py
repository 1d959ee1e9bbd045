"""Dropout: one mask for every way to take a step and every backend, its gradient, and what it must leave alone."""

from typing import Any

import numpy as np
import pytest

from backend.dropping import Drop, below_of, dropped, words
from checkpoint import NetworkWithCheckpointing, load, micro_batches
from checkpoint.execution.verifying import VerifyingNetwork
from mlp import Network, NetworkError
from mlp.activations import ACTIVATIONS
from tests.conftest import Case, gradients_of, parameters_of, same_bits
from tests.definitions import ACTIVATED, COSTS_OF_INPUTS

SIZES = (6, 33, 17, 70, 3)


def network(backend: Any, dtype: str, kind: Any = Network, sizes: tuple[int, ...] = SIZES, **more: Any) -> Any:
    options = {"activation": "tanh", "cost": "cross-entropy", "dropout": 0.4, "seed": 5, **more}
    return Case(sizes, 6, options.pop("activation"), options.pop("cost"), seed=options.pop("seed")).network(
        backend, dtype, kind, **options
    )


@pytest.mark.parametrize(
    ("counter", "seed", "wanted"),
    [
        ((0, 0, 0, 0), 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), 0x299F31D0A4093822, "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_words_are_the_known_answers_of_philox(counter, seed, wanted):
    drop = Drop(0, seed, counter[3], counter[2])
    found = words(drop, np.array([counter[1]]), np.arange(4) + 4 * counter[0])[0]
    assert " ".join(f"{word:08x}" for word in found) == wanted


def test_share_that_is_dropped_is_the_one_asked_for():
    for rate in (0.1, 0.5, 0.9):
        low = dropped(Drop(below_of(rate), 3, 7, 2), 1000, slice(0, 1000))
        assert low.mean() == pytest.approx(rate, abs=0.002)
        assert low.mean(axis=0).std() == pytest.approx((rate * (1 - rate) / 1000) ** 0.5, rel=0.15)
        assert low.mean(axis=1).std() == pytest.approx((rate * (1 - rate) / 1000) ** 0.5, rel=0.15)


def test_each_step_layer_row_and_seed_has_a_mask_of_its_own():
    base = Drop(below_of(0.5), 3, 7, 2)
    others = [Drop(base.below, 4, 7, 2), Drop(base.below, 3, 8, 2), Drop(base.below, 3, 7, 3), base.from_row(64)]
    first = dropped(base, 64, slice(0, 64))
    for other in others:
        assert (dropped(other, 64, slice(0, 64)) == first).mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("columns", [slice(0, 70), slice(5, 66), slice(3, 4)])
def test_every_backend_has_the_mask_of_the_definition(columns, backend, dtype):
    drop = Drop(below_of(0.3), 11, 2**33 + 5, 4, 130)
    a = backend.asarray(np.ones((9, 70), dtype))
    backend.drop_(a, drop, columns)
    wanted = np.ones((9, 70), dtype)
    wanted[:, columns] = np.where(dropped(drop, 9, columns), 0, np.dtype(dtype).type(drop.factor(undo=False)))
    assert np.array_equal(backend.to_numpy(a), wanted)
    backend.drop_(a, drop, columns, undo=True)
    wanted[:, columns] = ~dropped(drop, 9, columns)
    np.testing.assert_allclose(backend.to_numpy(a), wanted, rtol=1e-6)


def masks_of(net: Network, rows: int, step: int) -> list[np.ndarray]:
    drops = [net.drop_of(layer, (step, 0)) for layer in range(1, net.n_layers)]
    widths = net.sizes[1:-1]
    return [
        np.ones((rows, n)) if d is None else np.where(dropped(d, rows, slice(0, n)), 0, d.factor(undo=False))
        for d, n in zip(drops, widths, strict=True)
    ]


def masked_cost(parameters: list[np.ndarray], X: np.ndarray, y: np.ndarray, net: Network, step: int) -> float:
    masks, a = masks_of(net, len(X), step), X
    for k in range(net.n_layers):
        z = a @ parameters[k] + parameters[net.n_layers + k]
        if k < net.n_layers - 1:
            a = ACTIVATED[net.activation](z) * masks[k]
    return COSTS_OF_INPUTS[net.cost](z, y)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "elu", "softplus", "identity"])
def test_gradients_are_the_slopes_of_the_masked_cost(activation, backend):
    wide = "float32" if backend.name == "array-api-strict" else "float64"
    net = network(backend, wide, activation=activation, sizes=(4, 5, 6, 3), dropout=[0.5, 0.3])
    X, y = Case((4, 5, 6, 3), 6, seed=3).host_batch(net.dtype)
    net.steps_trained = 12
    found = gradients_of(net, backend.asarray(X), backend.asarray(y))
    parameters = [p.astype(np.float64) for p in parameters_of(net)]
    scale = float(max(np.abs(gradient).max() for gradient in found))
    for p, gradient in zip(parameters, found, strict=True):
        for place in list(np.ndindex(p.shape))[::3]:
            before, step = p[place], 1e-6
            p[place] = before + step
            above = masked_cost(parameters, X.astype(float), y, net, 12)
            p[place] = before - step
            slope = (above - masked_cost(parameters, X.astype(float), y, net, 12)) / (2 * step)
            p[place] = before
            assert gradient[place] == pytest.approx(slope, abs=(1e-6 if net.dtype == "float64" else 3e-4) * scale)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_steps_have_the_same_bits_however_they_are_taken(activation, optimizer, dtype):
    if optimizer == "adam" and activation != "tanh":
        pytest.skip("one activation is enough with each optimizer")
    options: dict[str, Any] = {"activation": activation, "optimizer": optimizer, "dropout": [0.2, 0.5, 0.3]}
    blocks = micro_batches(n_layers=4, batch_size=300, rows=128)
    plain = network("numpy", dtype, **options)
    others = [
        network("numpy", dtype, NetworkWithCheckpointing, checkpoint_every_nth_layer=2, **options),
        network("numpy", dtype, NetworkWithCheckpointing, checkpoint_every_nth_layer=2, **options),
        network("numpy", dtype, NetworkWithCheckpointing, schedule=blocks, **options),
        network("numpy", dtype, NetworkWithCheckpointing, schedule=blocks, **options),
    ]
    X, y = Case(SIZES, 300, seed=1).host_batch(dtype)
    for _ in range(2):
        plain.update_mini_batch(X, y, eta=0.01)
        for number, each in enumerate(others):
            if number % 2:
                with each.observing(lambda *_: None):
                    each.update_mini_batch(X, y, eta=0.01)
            else:
                each.update_mini_batch(X, y, eta=0.01)
    found = [parameters_of(each) for each in (plain, *others)]
    assert same_bits(found[0], found[1])
    assert same_bits(found[1], found[2])
    assert same_bits(found[3], found[4])
    assert same_bits(found[0], found[3]) or plain.backend.facts.chunk_rows is None


def test_pieces_of_a_gradient_know_their_units(dtype):
    case = Case((6, 9, 9, 3), 20, "tanh", piece_sizes=(2, 1, 3))
    nets = [case.network("numpy", dtype, dropout=0.5) for _ in range(2)]
    X, y = case.host_batch(dtype)
    with case.in_pieces():
        nets[0].update_mini_batch(X, y, eta=0.5)
    nets[1].update_mini_batch(X, y, eta=0.5)
    for a, b in zip(parameters_of(nets[0]), parameters_of(nets[1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


def test_checkpointing_on_any_backend_leaves_the_bits_alone(backend, dtype):
    X, y = Case(SIZES, 20).batch(backend, dtype)
    plain = network(backend, dtype)
    other = network(backend, dtype, NetworkWithCheckpointing, checkpoint_every_nth_layer=2)
    for _ in range(2):
        plain.update_mini_batch(X, y, eta=0.1)
        other.update_mini_batch(X, y, eta=0.1)
    assert same_bits(parameters_of(plain), parameters_of(other))


def test_steps_take_the_bytes_that_are_predicted_and_recompute_what_was_there(metered, dtype):
    net = network(metered, dtype, VerifyingNetwork, checkpoint_every_nth_layer=2)
    for _ in range(2):
        net.update_mini_batch(*Case(SIZES, 20).batch(metered, dtype), eta=0.1)


def test_steps_drop_other_outputs_and_answers_none(backend, dtype):
    net, without = network(backend, dtype), network(backend, dtype, dropout=0)
    X, y = Case(SIZES, 20).batch(backend, dtype)
    first, same = gradients_of(net, X, y), gradients_of(net, X, y)
    net.steps_trained = 1
    assert same_bits(first, same)
    assert not same_bits(first, gradients_of(net, X, y))
    outputs = [backend.to_numpy(each.feedforward(X)) for each in (net, without)]
    assert np.array_equal(*outputs)
    host = Case(SIZES, 20).host_batch(dtype)
    assert np.array_equal(net.predict(host[0]), without.predict(host[0]))
    assert net.mean_cost(*host) == without.mean_cost(*host)


def test_network_may_answer_while_its_gradients_come(backend, dtype):
    net = network(backend, dtype)
    X, y = Case(SIZES, 20).batch(backend, dtype)
    wanted, outputs = gradients_of(net, X, y), backend.to_numpy(net.feedforward(X))
    found = []
    for gradient in net.backprop(X, y):
        found.append(np.array(backend.to_numpy(gradient.weight)))
        assert np.array_equal(backend.to_numpy(net.feedforward(X)), outputs)
    assert same_bits(found[::-1], wanted[: net.n_layers])


def test_saved_network_goes_on_with_the_masks_to_come(tmp_path, dtype):
    X, y = Case(SIZES, 20).host_batch(dtype)
    whole, part = (network("numpy", dtype, dropout=[0.2, 0.0, 0.3]) for _ in range(2))
    whole.SGD((X, y), 3, 8, 0.1)
    part.SGD((X, y), 2, 8, 0.1)
    part.save(tmp_path / "net.state")
    again = load(tmp_path / "net.state")
    assert again.dropout == (0.2, 0.0, 0.3)
    again.SGD((X, y), 1, 8, 0.1)
    assert same_bits(parameters_of(whole), parameters_of(again))


@pytest.mark.parametrize(
    ("dropout", "message"),
    [
        (1.0, "dropout must be at least 0 and below 1; got 1.0"),
        (-0.1, "dropout must be at least 0"),
        ("half", "dropout must be a finite number; got 'half'"),
        ([0.1], "dropout must be one number, or 3, one for each hidden layer; got 1"),
        ([0.1, 0.2, np.nan], "dropout must be a finite number; got nan"),
    ],
)
def test_dropout_that_is_none_is_refused(dropout, message):
    with pytest.raises(NetworkError, match=message):
        Network(SIZES, dropout=dropout)
