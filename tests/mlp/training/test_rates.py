"""Learning rates: their values, what a training makes of them, and bad ones."""

import math

import numpy as np
import pytest

from mlp import Network, NetworkError, load_state, save_state
from mlp.training.named_rates import RATES, rate_of
from mlp.training.rates import Constant, Cosine, InverseScaling, StepDecay, WarmUp, rate_at
from tests.conftest import parameters_of, same_bits

X, Y = np.random.default_rng(0).random((22, 4), np.float32), np.arange(22) % 3


def rates_of(rate, steps):
    return [rate(step) for step in range(steps)]


def test_values_are_those_of_the_formulas():
    assert rates_of(Constant(eta=0.5), 3) == [0.5, 0.5, 0.5]
    assert rates_of(StepDecay(eta=8.0, every=2, factor=0.5), 5) == [8, 8, 4, 4, 2]
    assert rates_of(InverseScaling(eta=1.0, power=1.0), 4) == [1, 1 / 2, 1 / 3, 1 / 4]
    cosine = Cosine(eta=2.0, steps=10, floor=1.0)
    assert [cosine(step) for step in (0, 10, 11)] == [2.0, 1.0, 1.0]
    assert cosine(3) == pytest.approx(1 + (1 + math.cos(math.pi * 0.3)) / 2)


@pytest.mark.parametrize("then", [0.5, Constant(eta=0.5), lambda step: 0.5])
def test_warm_up_rises_to_what_follows(then):
    assert rates_of(WarmUp(steps=4, then=then), 6) == [0.125, 0.25, 0.375, 0.5, 0.5, 0.5]


def test_rates_can_be_put_one_on_another():
    rate = WarmUp(steps=2, then=WarmUp(steps=2, then=StepDecay(eta=1.0, every=1, factor=0.5)))
    assert rates_of(rate, 6) == [0.25, 0.5, 0.5, 1.0, 1.0, 0.5]


def seen(network, eta, **how):
    """The learning rates of the steps of a training."""
    found = []

    class Seen(type(network)):
        def update_mini_batch(self, X, y, *, eta):
            found.append(eta)
            super().update_mini_batch(X, y, eta=eta)

    network.__class__ = Seen
    network.SGD((X, Y), mini_batch_size=8, eta=eta, **how)
    return found


@pytest.mark.parametrize("eta", [0.25, lambda step: 0.25, lambda step: np.float32(0.25), Constant(eta=0.25)])
def test_each_step_has_its_rate_as_a_number(eta):
    assert seen(Network([4, 3]), eta, epochs=2) == [0.25] * 6


def test_count_of_steps_goes_on_from_training_to_training():
    network = Network([4, 3])
    assert seen(network, lambda step: 1 + step, epochs=2) == [1, 2, 3, 4, 5, 6]
    assert seen(network, lambda step: 1 + step, epochs=1) == [7, 8, 9]
    assert network.steps_trained == 9


def test_steps_are_counted_whoever_takes_them():
    class Own(Network):
        def update_mini_batch(self, X, y, *, eta):
            for gradient in self.backprop(X, y):
                self.apply_gradient(gradient, eta / len(X))

    own, plain = Own([4, 5, 3], optimizer="adam"), Network([4, 5, 3], optimizer="adam")
    for network in (own, plain):
        network.SGD((X, Y), 2, 8, Cosine(eta=0.1, steps=6))
    assert own.steps_trained == plain.steps_trained == 6
    assert same_bits(parameters_of(own), parameters_of(plain))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_saved_training_goes_on_with_the_rate_it_would_have_had(optimizer, tmp_path):
    rate = WarmUp(steps=2, then=Cosine(eta=0.1, steps=9))
    whole, parted = (Network([4, 5, 3], optimizer=optimizer) for _ in range(2))
    whole.SGD((X, Y), 3, 8, rate)
    parted.SGD((X, Y), 1, 8, rate)
    save_state(tmp_path / "net.state", parted)
    again, state = load_state(tmp_path / "net.state")
    assert state.steps_trained == again.steps_trained == 3
    again.SGD((X, Y), 2, 8, rate)
    assert same_bits(parameters_of(again), parameters_of(whole))


def test_rate_of_nought_changes_no_weight():
    network = Network([4, 3])
    before = parameters_of(network)
    network.SGD((X, Y), 1, 8, lambda step: 0.0)
    assert same_bits(parameters_of(network), before)


# Text


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("constant", Constant(eta=0.5)),
        ("constant:warm_up=3", WarmUp(steps=3, then=Constant(eta=0.5))),
        ("step:every=2epochs,factor=0.5", StepDecay(eta=0.5, every=200, factor=0.5)),
        ("step:every=7 steps", StepDecay(eta=0.5, every=7)),
        ("inverse", InverseScaling(eta=0.5)),
        ("inverse:power=1", InverseScaling(eta=0.5, power=1)),
        ("cosine", Cosine(eta=0.5, steps=500)),
        ("cosine:steps=1epoch,floor=0.1", Cosine(eta=0.5, steps=100, floor=0.1)),
        ("cosine:warm_up=1epoch", WarmUp(steps=100, then=Cosine(eta=0.5, steps=400))),
        ("cosine:warm_up=9epochs", WarmUp(steps=900, then=Cosine(eta=0.5, steps=1))),
    ],
)
def test_text_says_the_rate(text, rate):
    assert rate_of(text, eta=0.5, epochs=5, epoch_steps=100) == rate


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cosin", "unknown rate 'cosin'; choose constant or step or inverse or cosine"),
        (None, "rate must be a name, one of constant, step"),
        ("step", "rate step wants every, as in step:every=10epochs"),
        ("step:every=0", "every is written like 500steps or 10epochs; got '0'"),
        ("step:every=2hours", "every is written like"),
        ("step:every=1,every=2", "each once"),
        ("cosine:floor=-1", "floor must be 0 or more; got -1"),
        ("cosine:floor=nan", "floor must be a finite number; got nan"),
        ("cosine:eta=1", "rate cosine has arguments steps, floor, warm_up"),
        ("inverse:power=x", "power must be a number; got 'x'"),
        ("constant:warm_up=" + "9" * 13, "warm_up is written like"),
    ],
)
def test_text_that_says_no_rate_is_refused(text, message):
    with pytest.raises(NetworkError, match=message):
        rate_of(text, eta=0.5, epochs=5, epoch_steps=100)


def test_every_name_has_a_rate():
    for name in RATES:
        assert rate_of(f"{name}:every=5" if name == "step" else name, eta=1.0, epochs=1, epoch_steps=9)(0) == 1.0


# Bad rates


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.5, True, "0.1", None], ids=str)
def test_function_that_returns_no_rate_is_refused_with_the_step(value):
    with pytest.raises(NetworkError, match="eta after 4 steps must be a finite number, 0 or more; got"):
        rate_at(lambda step: value, 4)
    network = Network([4, 3])
    with pytest.raises(NetworkError, match="eta after 2 steps"):
        network.SGD((X, Y), 1, 8, lambda step: value if step == 2 else 0.1)
    assert network.steps_trained == 2


@pytest.mark.parametrize("eta", [0, -1.0, float("nan"), "0.1", True, None], ids=str)
def test_eta_that_is_neither_a_number_above_0_nor_a_function_is_refused(eta):
    with pytest.raises(NetworkError, match="eta must be above 0 and finite; got"):
        Network([4, 3]).SGD((X, Y), 1, 8, eta)


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (Constant, {"eta": 0}, "eta must be above 0 and finite; got 0"),
        (StepDecay, {"eta": 1.0, "every": 0}, "every must be a whole number, 1 or more; got 0"),
        (StepDecay, {"eta": 1.0, "every": 2.5}, "every must be a whole number"),
        (StepDecay, {"eta": 1.0, "every": 2, "factor": float("nan")}, "factor must be a finite number; got nan"),
        (InverseScaling, {"eta": 1.0, "power": -1}, "power must be 0 or more; got -1"),
        (Cosine, {"eta": 1.0, "steps": True}, "steps must be a whole number"),
        (WarmUp, {"steps": 3, "then": None}, "then must be above 0 and finite; got None"),
    ],
    ids=str,
)
def test_argument_of_no_rate_is_refused(kind, arguments, message):
    with pytest.raises(NetworkError, match=message):
        kind(**arguments)


VANISHING = {
    "inverse": InverseScaling(eta=1, power=1e9),
    "inverse, a whole number": InverseScaling(eta=1, power=10**9),
    "step": StepDecay(eta=1, every=1, factor=1e-200),
}
ENDLESS = {
    "step": StepDecay(eta=1, every=1, factor=1e200),
    "step, a whole number": StepDecay(eta=1, every=1, factor=10**200),
    "step by step": StepDecay(eta=1e300, every=1, factor=1e10),
    "cosine": Cosine(eta=1.7e308, steps=1000),
    "warm up": WarmUp(steps=100, then=1e308),
}


@pytest.mark.parametrize("name", VANISHING)
def test_rates_that_vanish_are_0(name):
    assert VANISHING[name](5) == 0
    assert VANISHING[name](0) == 1


@pytest.mark.parametrize("name", ENDLESS)
def test_rates_that_are_not_finite_are_refused(name):
    with pytest.raises(NetworkError, match=r"eta after 5 steps must be a finite number, 0 or more; got inf"):
        ENDLESS[name](5)


def test_power_that_overflows_need_not_make_a_rate_that_does():
    assert StepDecay(eta=1e-300, every=1, factor=1e160)(2) == pytest.approx(1e20, rel=1e-9)
    assert InverseScaling(eta=1e300, power=400.0)(9) == pytest.approx(1e-100, rel=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rates_that_are_0_in_the_dtype_are_refused_or_0(dtype):
    tiny = {"float32": 2.0**-148, "float64": 2.0**-1073}[dtype]  # of 22 rows each has less than the smallest number
    network = Network([4, 3], dtype=dtype)
    before = [array.copy() for array in parameters_of(network)]
    for eta in (tiny, Constant(eta=tiny), WarmUp(steps=2, then=tiny)):
        with pytest.raises(NetworkError, match=f"is 0 in {dtype}"):
            network.SGD((X, Y), 1, 22, eta)
    with pytest.raises(NetworkError, match=f"is 0 in {dtype}"):
        network.update_mini_batch(X.astype(dtype), np.eye(3, dtype=dtype)[Y], eta=tiny)
    network.SGD((X, Y), 1, 22, lambda step: tiny)  # as at the end of one that falls
    network.update_mini_batch(X.astype(dtype), np.eye(3, dtype=dtype)[Y], eta=0)
    assert same_bits(before, parameters_of(network))
    network.SGD((X, Y), 1, 1, tiny)


@pytest.mark.parametrize("eta", [lambda: 1, lambda *, step: 1, StepDecay, WarmUp])
def test_functions_that_take_no_count_of_steps_are_refused_before_the_data(eta):
    with pytest.raises(NetworkError, match=r"^eta must be a number above 0, or a function of the count of steps"):
        Network([4, 3]).SGD(None, 1, 2, eta)
    with pytest.raises(NetworkError, match=r"^then must be"):
        WarmUp(steps=2, then=eta)


@pytest.mark.parametrize("callbacks", [3, None, [3], "ab", [lambda: 1], [lambda a, b: 1]])
def test_callbacks_that_are_none_are_refused_before_the_data(callbacks):
    with pytest.raises(NetworkError, match="callbacks must be"):
        Network([4, 3]).SGD(None, 1, 2, 0.1, callbacks=callbacks)
