"""Optimizers: against their definitions and another library's, by program and by actions; and bad arguments."""

import copy
import pickle

import numpy as np
import pytest

from backend.rules import RULES, RuleNumbers
from mlp import Network, NetworkError
from mlp.optimizers import SGD, Adagrad, Adam, AdamW, Nesterov, RMSprop, optimizer_of, optimizer_text
from mlp.optimizers.named import OPTIMIZERS, with_arguments
from tests.conftest import Case, compiled_only, parameters_of, same_bits

CASE = Case((7, 9, 6, 3), 11, activation="tanh")
EACH = {
    "sgd with l2": SGD(l2=0.01),
    "sgd clipped": SGD(clip=0.02),
    "momentum with decay": SGD(momentum=0.9, weight_decay=0.05),
    "nesterov": Nesterov(momentum=0.8, l2=0.02),
    "adam": Adam(),
    "adam with l2, clipped": Adam(beta1=0.8, beta2=0.99, epsilon=1e-6, l2=0.05, clip=0.02),
    "adamw": AdamW(weight_decay=0.1),
    "rmsprop": RMSprop(rho=0.95, weight_decay=0.02),
    "adagrad": Adagrad(clip=0.1),
}
each = pytest.mark.parametrize("optimizer", EACH.values(), ids=EACH)


def state_of(network):
    pairs = (pair for kept in network.optimizer_state.values() for pair in kept)
    return [np.array(network.backend.to_numpy(array)) for pair in pairs for array in pair]


def by_hand(optimizer, dtype, *, steps, eta):
    """Parameters after steps of the definitions, in float64 and on whole gradients of plain networks."""
    network, kept = CASE.network("numpy", "float64"), {}
    start = CASE.network("numpy", dtype)
    network.weights, network.biases = start.weights, start.biases
    X, y = (a.astype("float64") for a in CASE.host_batch(dtype))
    for number in range(1, steps + 1):
        for gradient in list(network.backprop(X, y)):
            k, mean = gradient.layer - 1, [gradient.weight / len(X), gradient.bias / len(X)]
            norm = np.sqrt(sum((g * g).sum() for g in mean))
            factor = 1.0 if optimizer.clip is None or norm <= optimizer.clip else optimizer.clip / norm
            for which, (w, g) in enumerate(zip((network.weights[k], network.biases[k]), mean, strict=True)):
                l2, decay = (0.0, 0.0) if which else (optimizer.l2, optimizer.weight_decay)
                g = factor * g + l2 * w
                state = kept.setdefault((k, which), [np.zeros_like(w), np.zeros_like(w)])
                w[...] = w - eta * decay * w + step_of(optimizer, g, state, eta, number)
    return parameters_of(network)


def step_of(optimizer, g, state, eta, t):
    """The change of a parameter, as the papers write it."""
    v, q = state
    if isinstance(optimizer, SGD | Nesterov):
        v[...] = optimizer.momentum * v - eta * g
        return v if isinstance(optimizer, SGD) else optimizer.momentum * v - eta * g
    if isinstance(optimizer, Adam):
        v[...] = optimizer.beta1 * v + (1 - optimizer.beta1) * g
        q[...] = optimizer.beta2 * q + (1 - optimizer.beta2) * g * g
        return -eta * v / (1 - optimizer.beta1**t) / (np.sqrt(q / (1 - optimizer.beta2**t)) + optimizer.epsilon)
    q[...] = q + g * g if isinstance(optimizer, Adagrad) else optimizer.rho * q + (1 - optimizer.rho) * g * g
    return -eta * g / (np.sqrt(q) + optimizer.epsilon)


@each
def test_steps_are_those_of_the_definitions(optimizer, backend, dtype):
    network = CASE.network(backend, dtype, optimizer=optimizer)
    X, y = CASE.batch(backend, dtype)
    for _ in range(5):
        network.update_mini_batch(X, y, eta=0.02)
    tolerance = 2e-4 if dtype == "float32" else 1e-11  # a gradient near 0 over its own size magnifies its rounding
    for found, wanted in zip(parameters_of(network), by_hand(optimizer, dtype, steps=5, eta=0.02), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


@compiled_only
@each
def test_program_and_actions_leave_the_same_bits(optimizer, dtype):
    class Watched(Network):
        def apply_gradient(self, gradient, rate):
            super().apply_gradient(gradient, rate)

    case = Case((70, 90, 6, 3), 140, activation="relu")
    program, actions = (
        case.network("numpy", dtype, optimizer=optimizer),
        case.network("numpy", dtype, Watched, optimizer=optimizer),
    )
    X, y = case.host_batch(dtype)
    for network in (program, actions):
        for rows in (140, 140, 33, 1):
            network.update_mini_batch(X[:rows], y[:rows], eta=0.02)
    assert (program.count.actions, actions.count.calls) == (0, 0)
    assert same_bits(parameters_of(program), parameters_of(actions))
    assert same_bits(state_of(program), state_of(actions))


@compiled_only
@pytest.mark.parametrize("threads", [1, 3])
def test_clipping_does_not_depend_on_the_number_of_threads(threads, dtype):
    def steps():
        network = Network([300, 700, 10], optimizer="sgd:clip=0.01", dtype=dtype, seed=3)
        X, y = np.ones((9, 300), dtype), np.eye(10, dtype=dtype)[:9]
        for _ in range(2):
            network.update_mini_batch(X, y, eta=0.1)
        return parameters_of(network)

    network = Network([2, 2])
    before, wanted = network.backend.engine.threads, steps()
    try:
        network.backend.engine.threads = threads
        assert same_bits(steps(), wanted)
    finally:
        network.backend.engine.threads = before


def test_clipped_gradient_has_the_norm_and_a_shorter_one_is_left():
    X, y = CASE.host_batch("float64")
    (gradient, *_) = CASE.network("numpy", "float64").backprop(X, y)
    norm = np.sqrt((gradient.weight**2).sum() + (gradient.bias**2).sum()) / len(X)

    def change(clip):
        network, plain = (CASE.network("numpy", "float64", optimizer=SGD(clip=clip)) for _ in range(2))
        network.update_mini_batch(X, y, eta=1.0)
        return np.sqrt(
            sum(
                ((a[-1] - b[-1]) ** 2).sum()
                for a, b in zip((network.weights, network.biases), (plain.weights, plain.biases), strict=True)
            )
        )

    assert change(norm / 3) == pytest.approx(norm / 3)
    assert change(norm * 3) == pytest.approx(norm)


def test_biases_are_not_decayed():
    for optimizer in (SGD(l2=0.5), SGD(weight_decay=0.5)):
        network = Network([3, 2], optimizer=optimizer, dtype="float64")
        network.biases[0][:] = 1.0
        X = np.zeros((2, 3))
        y = network.feedforward(X)  # no error, no gradient
        before = network.weights[0].copy()
        network.update_mini_batch(X, y, eta=0.1)
        assert np.array_equal(network.biases[0], [1.0, 1.0])
        np.testing.assert_allclose(network.weights[0], before * 0.95)


def test_l2_and_decay_differ_where_gradients_are_divided_by_their_size():
    def trained(optimizer):
        network = CASE.network("numpy", "float64", optimizer=optimizer)
        network.update_mini_batch(*CASE.host_batch("float64"), eta=0.01)
        return network.weights[0]

    assert np.allclose(trained(SGD(l2=0.1)), trained(SGD(weight_decay=0.1)))
    assert not np.allclose(trained(Adam(l2=0.1)), trained(Adam(weight_decay=0.1)))
    assert np.array_equal(trained(AdamW(weight_decay=0.1)), trained(Adam(weight_decay=0.1)))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_with_nothing_more_is_plain_gradient_descent_or_momentum(momentum):
    named, plain = Network([3, 2], optimizer=SGD(momentum=momentum)), Network([3, 2], momentum=momentum)
    assert type(named.optimizer) is type(plain.optimizer)
    assert named.momentum == plain.momentum == momentum


def test_copies_go_on_alike():
    network = CASE.network("numpy", "float32", optimizer="adam:clip=0.5")
    X, y = CASE.host_batch("float32")
    network.update_mini_batch(X, y, eta=0.01)
    copies = [copy.deepcopy(network), pickle.loads(pickle.dumps(network))]  # noqa: S301
    for each_one in (network, *copies):
        each_one.update_mini_batch(X, y, eta=0.01)
    for other in copies:
        assert other.steps_trained == 2
        assert same_bits(parameters_of(other), parameters_of(network))
        assert same_bits(state_of(other), state_of(network))


# Another library's optimizers, where it is installed


def of_torch(torch, name, parameters):
    """PyTorch's own, with the arguments of `EACH`; it knows no decay by layer, so all of them decay, or none."""
    optim = torch.optim
    kinds = {
        "sgd with l2": lambda: optim.SGD(parameters, lr=0.02, weight_decay=0.01),
        "nesterov": lambda: optim.SGD(parameters, lr=0.02, momentum=0.8, nesterov=True, weight_decay=0.02),
        "adam": lambda: optim.Adam(parameters, lr=0.02),
        "adamw": lambda: optim.AdamW(parameters, lr=0.02, weight_decay=0.1),
        "rmsprop": lambda: optim.RMSprop(parameters, lr=0.02, alpha=0.95),
        "adagrad": lambda: optim.Adagrad(parameters, lr=0.02),
    }
    return kinds[name]()


TORCH = {
    "sgd with l2": SGD(l2=0.01),
    "nesterov": Nesterov(momentum=0.8, l2=0.02),
    "adam": Adam(),
    "adamw": AdamW(weight_decay=0.1),
    "rmsprop": RMSprop(rho=0.95),
    "adagrad": Adagrad(),
}


@pytest.mark.parametrize("name", TORCH)
def test_steps_are_pytorch_s_to_rounding(name, dtype):
    torch = pytest.importorskip("torch", reason="PyTorch is no dependency of the tests")
    network = Network([7, 9, 3], activation="tanh", initialization="scaled", dtype=dtype, optimizer=TORCH[name])
    X, y = Case((7, 9, 3), 11).host_batch(dtype)
    W = [torch.tensor(w.copy(), requires_grad=True) for w in network.weights]
    b = [torch.tensor(v.copy(), requires_grad=True) for v in network.biases]
    theirs = of_torch(torch, name, [{"params": W}, {"params": b, "weight_decay": 0.0}])
    for _ in range(20):
        network.update_mini_batch(X, y, eta=0.02)
        theirs.zero_grad()
        a = torch.tensor(X)
        for w, v in zip(W, b, strict=True):
            a = torch.tanh(a @ w + v)
        (((a - torch.tensor(y)) ** 2).sum() / 2 / len(X)).backward()
        theirs.step()
    tolerance = 5e-4 if dtype == "float32" else 1e-10
    for ours, other in zip([*network.weights, *network.biases], [*W, *b], strict=True):
        np.testing.assert_allclose(ours, other.detach().numpy(), rtol=tolerance, atol=tolerance)


# Names, text and bad arguments


@each
def test_text_says_the_optimizer(optimizer):
    text = optimizer_text(optimizer)
    assert optimizer_of(text, momentum=getattr(optimizer, "momentum", 0.0)) == optimizer


def test_every_rule_is_an_optimizer_s():
    used = {kind(**({"momentum": 0.5} if kind is Nesterov else {})).rule for kind in OPTIMIZERS.values()}
    assert used | {SGD(momentum=0.5).rule} == set(RULES)


def test_arguments_change_a_text():
    assert with_arguments("adam:beta1=0.8", clip=2, l2=None) == "adam:clip=2.0,beta1=0.8"
    assert with_arguments("nesterov", weight_decay=0.1) == "nesterov:weight_decay=0.1"
    assert with_arguments("adam:beta1=0.9") == "adam"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"optimizer": "adm"},
            "unknown optimizer 'adm'; choose sgd or nesterov or adam or adamw or rmsprop or adagrad",
        ),
        ({"optimizer": ""}, "unknown optimizer ''"),
        ({"optimizer": "a\nb\x1b"}, r"unknown optimizer 'a\?b\?'"),
        ({"optimizer": 3}, "optimizer must be a name"),
        ({"optimizer": True}, "optimizer must be a name.*True"),
        (
            {"optimizer": "adam:"},
            "optimizer adam has arguments l2, weight_decay, clip, beta1, beta2, epsilon, each once",
        ),
        ({"optimizer": "adam:beta3=1"}, "optimizer adam has arguments.*'beta3=1'"),
        ({"optimizer": "adam:l2=0,l2=0"}, "each once"),
        ({"optimizer": "adam:clip"}, "got 'clip'"),
        ({"optimizer": "adam:clip=none"}, "clip must be a number; got 'none'"),
        ({"optimizer": "adam:clip=nan"}, "clip must be a finite number; got nan"),
        ({"optimizer": "sgd:momentum=0.9"}, "optimizer sgd has arguments"),
        (
            {"optimizer": "adam", "momentum": 0.9},
            "momentum is for optimizer sgd or nesterov; adam has none, leave it out",
        ),
        ({"optimizer": "nesterov"}, "optimizer 'nesterov' wants momentum above 0"),
        ({"optimizer": SGD(momentum=0.5), "momentum": 0.9}, "momentum is 0.9, and the optimizer's is 0.5"),
        ({"optimizer": "sgd", "momentum": 1.0}, "momentum must be at least 0 and below 1; got 1.0"),
        ({"optimizer": Adam}, "optimizer must be a name"),
    ],
    ids=str,
)
def test_optimizer_that_there_is_not_is_refused(arguments, message):
    with pytest.raises(NetworkError, match=message) as caught:
        Network([3, 2], **arguments)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (Adam, {"beta1": 1.0}, "beta1 must be at least 0 and below 1; got 1.0"),
        (Adam, {"beta2": -0.1}, "beta2 must be at least 0"),
        (Adam, {"beta1": True}, "beta1 must be a finite number; got True"),
        (Adam, {"beta2": float("nan")}, "beta2 must be a finite number; got nan"),
        (Adam, {"epsilon": 0}, "epsilon must be from 1e-37 to 1; got 0"),
        (Adam, {"epsilon": "1e-8"}, "epsilon must be a finite number; got '1e-8'"),
        (RMSprop, {"rho": 1}, "rho must be at least 0 and below 1"),
        (SGD, {"l2": -1}, "l2 must be 0 or more; got -1"),
        (SGD, {"weight_decay": float("inf")}, "weight_decay must be a finite number"),
        (SGD, {"clip": 0}, "clip must be above 0, or None for no clipping; got 0"),
        (SGD, {"momentum": 1.5}, "momentum must be at least 0 and below 1"),
        (Nesterov, {"momentum": 0}, "wants momentum above 0"),
    ],
    ids=str,
)
def test_argument_out_of_its_range_is_refused(kind, arguments, message):
    with pytest.raises(NetworkError, match=message):
        kind(**arguments)


def test_numbers_of_a_bias_have_no_decay_and_a_clipped_one_no_clip():
    numbers = RuleNumbers(0.1, scale=0.5, l2=1.0, decay=2.0, clip=1.0)
    assert (numbers.of_bias.l2, numbers.of_bias.decay) == (0, 0)
    assert numbers.clipped(4.0) == numbers._replace(scale=0.25, clip=0.0)
    assert numbers.clipped(1.0) == numbers._replace(clip=0.0)
