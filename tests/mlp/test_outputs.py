"""Output activations and costs: what goes together, saturation, and what is refused by name."""

import numpy as np
import pytest

from checkpoint import NetworkWithCheckpointing
from mlp import Network, NetworkError, load_state, save_state
from mlp.activations import TABLE
from mlp.costs import COSTS
from tests.conftest import Case, gradients_of, parameters_of, same_bits
from tests.definitions import ACTIVATED

FAR = 1e4


@pytest.mark.parametrize("output", [name for name in TABLE if name != "softmax"])
def test_output_activation_is_the_last_layer_s_alone(output, backend, dtype):
    network = Network([3, 4, 2], activation="tanh", output_activation=output, seed=1, backend=backend, dtype=dtype)
    assert [network.layer_activation(layer) for layer in (1, 2)] == ["tanh", output]
    X = np.random.default_rng(0).random((5, 3)).astype(dtype)
    W1, W2, b1, b2 = parameters_of(network)
    wanted = ACTIVATED[output](np.tanh(X @ W1 + b1) @ W2 + b2)
    np.testing.assert_allclose(backend.to_numpy(network.feedforward(backend.asarray(X))), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output_activation": "softmax"}, "'softmax' wants cost 'cross-entropy', got 'quadratic'.*mixes the units"),
        (
            {"cost": "cross-entropy", "output_activation": "sigmoid"},
            "'cross-entropy' wants output activation 'softmax'",
        ),
        (
            {"cost": "binary-cross-entropy", "output_activation": "tanh"},
            "wants output activation 'sigmoid', got 'tanh'",
        ),
        ({"cost": "binary-cross-entropy", "output_activation": "softmax"}, "wants output activation 'sigmoid'"),
        ({"output_activation": "swish"}, "unknown output activation 'swish'; choose sigmoid or tanh"),
        ({"activation": "softmax"}, "unknown activation 'softmax'; choose sigmoid"),
        ({"activation": "gelu"}, "unknown activation 'gelu'"),
        ({"cost": "hinge"}, "unknown cost 'hinge'; choose quadratic or cross-entropy or binary-cross-entropy"),
    ],
)
def test_what_makes_no_sense_together_is_refused_by_name(options, message):
    with pytest.raises(NetworkError, match=message):
        Network([3, 4, 2], **options)


def far_out(cost: str, backend: object, dtype: str) -> Network:
    """A network whose outputs have the inputs 1e4, -1e4 and 0, whatever comes in."""
    network = Network([2, 3], cost=cost, dtype=dtype, backend=backend)
    network.weights[0] = np.zeros((2, 3))
    network.biases[0] = np.array([FAR, -FAR, 0.0])
    return network


@pytest.mark.parametrize("cost", ["cross-entropy", "binary-cross-entropy"])
@pytest.mark.parametrize("target", range(3))
def test_saturated_output_has_the_exact_error_and_a_finite_cost(cost, target, backend, dtype):
    network = far_out(cost, backend, dtype)
    X, y = np.ones((1, 2), dtype), np.eye(3, dtype=dtype)[[target]]
    a = [1.0, 0.0, 0.5] if cost == "binary-cross-entropy" else [1.0, 0.0, 0.0]
    gradient = gradients_of(network, backend.asarray(X), backend.asarray(y))[-1]
    assert np.array_equal(gradient, np.array(a, dtype) - y[0])
    found = network.mean_cost(X, y)
    assert np.isfinite(found)
    assert (found > 15) == (target != 0)


def test_cost_of_a_saturated_output_stops_at_what_the_output_can_tell(backend, dtype):
    one = Network([1, 1], cost="binary-cross-entropy", dtype=dtype, backend=backend)
    X, costs = np.ones((1, 1), dtype), []
    for z in (10.0, 30.0, 50.0, 1e4):
        one.weights[0], one.biases[0] = np.zeros((1, 1)), np.array([z])
        costs.append(one.mean_cost(X, np.zeros((1, 1), dtype)))
    most = -np.log(np.finfo(dtype).epsneg)
    assert costs[0] == pytest.approx(10, rel=1e-3)
    assert costs == sorted(costs)
    assert costs[2:] == pytest.approx([most, most])


@pytest.mark.parametrize("output", ["identity", "relu", "tanh"])
def test_checkpointing_leaves_the_bits_alone(output, backend, dtype):
    case = Case((6, 9, 9, 9, 9, 9, 2), 20, "leaky-relu", output_activation=output, seed=3)
    plain = case.network(backend, dtype)
    other = case.network(backend, dtype, NetworkWithCheckpointing, checkpoint_every_nth_layer=2)
    X, y = case.batch(backend, dtype)
    for _ in range(2):
        plain.update_mini_batch(X, y, eta=0.05)
        other.update_mini_batch(X, y, eta=0.05)
    assert same_bits(parameters_of(plain), parameters_of(other))


def test_saved_state_has_the_output_activation(tmp_path):
    network = Network([3, 4, 2], activation="elu", output_activation="identity", seed=4)
    save_state(tmp_path / "net.state", network)
    loaded, state = load_state(tmp_path / "net.state")
    assert (loaded.output_activation, state.output_activation, loaded.layer_activation(2)) == ("identity",) * 3
    assert same_bits(parameters_of(loaded), parameters_of(network))


@pytest.mark.parametrize(
    ("cost", "y", "message"),
    [
        ("binary-cross-entropy", [[0, 1, 0], [0, 2, 1]], r"wants values from 0 to 1; row 1 of y is \[0., 2., 1.\]"),
        ("binary-cross-entropy", [[0, -1, 0], [0, 1, 1]], "row 0 of y is"),
        ("cross-entropy", [[0, 1, 0], [0, 1, 1]], r"wants rows of shares .* row 1 of y is"),
        ("cross-entropy", [[0.5, 0.25, 0.25], [0, 0, 0]], "row 1 of y is .*choose cost 'quadratic'"),
    ],
)
def test_targets_that_a_cost_is_not_for_are_refused(cost, y, message):
    data = np.zeros((2, 3), "float32"), np.array(y, "float32")
    network = Network([3, 3], cost=cost)
    for use in (network.mean_cost, network.evaluate):
        with pytest.raises(NetworkError, match=message):
            use(*data)
    with pytest.raises(NetworkError, match=message):
        network.SGD(data, 1, 1, 0.1)


def test_several_classes_at_once_count_where_all_are_right(backend, dtype):
    network = Network([3, 4, 3], cost="binary-cross-entropy", seed=2, backend=backend, dtype=dtype)
    X = np.random.default_rng(1).random((50, 3))
    y = (network.predict(X) > 0.5).astype(dtype)
    assert network.evaluate(X, y) == 1.0
    y[7, 1] = 1 - y[7, 1]
    assert network.evaluate(X, y) == 49 / 50


def test_one_class_of_several_is_the_largest_output_under_any_cost():
    X, labels = np.random.default_rng(1).random((50, 3)), np.arange(50) % 3
    for cost in COSTS:
        network = Network([3, 3], cost=cost, seed=3)
        found = network.predict(X).argmax(axis=1)
        assert network.evaluate(X, labels) == pytest.approx((found == labels).mean())


def test_values_between_are_no_classes_under_binary_cross_entropy():
    network = Network([3, 3], cost="binary-cross-entropy")
    with pytest.raises(NetworkError, match="zeros and ones in each row; row 0 of y is"):
        network.evaluate(np.zeros((2, 3)), np.full((2, 3), 0.5))
