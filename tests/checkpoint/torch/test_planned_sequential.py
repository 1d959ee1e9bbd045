"""Planned Sequentials: gradients and buffers to the last bit, peaks as predicted, and what is refused by name."""

import copy
import pickle
from itertools import pairwise

import pytest

from checkpoint import BudgetError, CheckpointError, GeneralChain, plan_chain

torch = pytest.importorskip("torch")
nn = torch.nn
ours = pytest.importorskip("checkpoint.torch")
measured_chain, measured_peak, plan_sequential = ours.measured_chain, ours.measured_peak, ours.plan_sequential


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(3)
    yield
    torch.set_num_threads(before)


def perceptron():
    widths = [20, *[64, 8, 48, 4] * 2, 10]
    layers = (part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.Sigmoid()))
    return nn.Sequential(*layers), torch.randn(1024, 20)


def blocks():
    """One layer is a linear one and its activation, as a user may group them."""
    return nn.Sequential(*(nn.Sequential(nn.Linear(32, 32), nn.Tanh()) for _ in range(12))), torch.randn(512, 32)


def images():
    """Convolutions, an activation in place, dropout, views, and running statistics that stay as they are."""
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Dropout(0.3),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.BatchNorm2d(8).eval(),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 4, 3, padding=1),
        nn.GroupNorm(2, 4),
        nn.GELU(),
        nn.Flatten(),
        nn.Linear(4 * 144, 32),
        nn.Dropout(0.5),
        nn.Linear(32, 10),
    )
    return net, torch.randn(32, 1, 12, 12)


def attention():
    layers = [nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True) for _ in range(5)]
    return nn.Sequential(nn.Embedding(11, 16), *layers, nn.Linear(16, 11)), torch.randint(11, (8, 12))


CASES = {case.__name__: case for case in (perceptron, blocks, images, attention)}


def gradients_of(net, X):
    """The output, the gradients and the buffers of one step from a seed."""
    torch.manual_seed(7)
    net.zero_grad()
    output = net(X)
    (output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum().backward()
    return [output, *(p.grad for p in net.parameters()), *net.buffers()]


def least_of(net, X):
    with pytest.raises(BudgetError, match="smallest peak found") as caught:
        plan_sequential(net, X, budget_bytes=1)
    return caught.value.minimum_bytes


@pytest.mark.parametrize("share", ["100%", "between", "least"])
@pytest.mark.parametrize("name", CASES)
def test_gradients_and_buffers_are_those_of_the_module_to_the_last_bit(name, share):
    net, X = CASES[name]()
    plain = copy.deepcopy(net)
    state = torch.get_rng_state()
    least = least_of(net, X)  # of what was found then: seconds are measured anew, and so candidates differ
    planned = plan_sequential(
        net, X, budget_bytes={"least": 11 * least // 10, "between": 5 * least // 4}.get(share, share)
    )
    assert torch.equal(state, torch.get_rng_state())
    assert all(p.grad is None for p in net.parameters())
    assert list(planned.state_dict()) == list(net.state_dict())
    for found, wanted in zip(gradients_of(planned, X), gradients_of(plain, X), strict=True):
        assert torch.equal(found, wanted)
    plan = planned.plan
    assert plan.peak_bytes <= plan.budget_bytes
    if share == "least":
        assert plan.recompute_fraction > 0
        assert plan.peak_bytes < plan.store_all.predicted.peak_bytes


@pytest.mark.parametrize("share", [1.0, 0.8, 0.7])
@pytest.mark.parametrize("name", ["perceptron", "blocks"])
def test_the_measured_peak_is_the_predicted_one(name, share):
    net, X = CASES[name]()
    planned = plan_sequential(net, X, budget_bytes=f"{share:.0%}")
    assert measured_peak(planned, X) == pytest.approx(planned.plan.peak_bytes, rel=0.02)


@pytest.mark.parametrize("name", CASES)
def test_a_plan_is_never_slower_than_the_best_equal_split_that_fits(name):
    net, X = CASES[name]()
    for percent in (80, 60):
        try:
            plan = plan_sequential(net, X, budget_bytes=f"{percent}%").plan
        except BudgetError:
            continue
        assert plan.equal is None or plan.chosen.order <= plan.equal.order


def test_a_batch_norm_in_training_is_refused_by_name():
    net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    X = torch.randn(8, 4)
    with pytest.raises(CheckpointError, match=r"layer 1 \(BatchNorm1d\) .* runs it twice; put it in eval"):
        plan_sequential(net, X, budget_bytes="100%")
    planned = plan_sequential(net.eval(), X, budget_bytes="100%")
    planned(X)
    with pytest.raises(CheckpointError, match="BatchNorm1d"):
        planned.train()(X)
    with torch.no_grad():
        planned(X)


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("runs", torch.zeros(()))

    def forward(self, x):
        self.runs += 1
        return x * 2


class Drifting(nn.Module):
    runs = 0

    def forward(self, x):
        self.runs += 1
        return x * self.runs


class Pair(nn.Module):
    def forward(self, x):
        return x, x


@pytest.mark.parametrize(
    ("layers", "wanted"),
    [
        ([nn.Linear(4, 4), Counting()], r"layer 1 \(Counting\) changes runs each time it runs"),
        ([Drifting()], r"layer 0 \(Drifting\) is not deterministic"),
        ([nn.Linear(4, 4), Pair()], r"layer 1 \(Pair\) returns tuple"),
        ([nn.ReLU(inplace=True), nn.Linear(4, 4)], r"layer 0 \(ReLU\) changes its input in place"),
        ([], "has no layers"),
    ],
)
def test_layers_that_cannot_run_twice_alike_are_refused_by_name(layers, wanted):
    net = nn.Sequential(*layers)
    with pytest.raises(CheckpointError, match=wanted):
        plan_sequential(net, torch.randn(8, 4), budget_bytes="100%")
    assert all(not buffer.any() for buffer in net.buffers())


def test_what_is_no_sequential_or_no_sample_is_refused():
    with pytest.raises(CheckpointError, match=r"wanted a torch\.nn\.Sequential"):
        plan_sequential(nn.Linear(4, 4), torch.randn(8, 4), budget_bytes=1000)
    with pytest.raises(CheckpointError, match="sample must be a tensor"):
        plan_sequential(nn.Sequential(nn.Linear(4, 4)), [[1.0]], budget_bytes=1000)
    with pytest.raises(CheckpointError, match="budget_bytes"):
        plan_sequential(nn.Sequential(nn.Linear(4, 4)), torch.randn(8, 4), budget_bytes=1.5)


def test_a_planned_module_is_copied_and_pickled_with_its_plan():
    net, X = blocks()
    planned = plan_sequential(net, X, budget_bytes="70%")
    for other in (copy.deepcopy(planned), pickle.loads(pickle.dumps(planned))):  # noqa: S301
        assert other.plan.chosen == planned.plan.chosen
        assert torch.equal(other(X), planned(X))


def test_a_measured_chain_is_planned_as_any_other():
    chain = measured_chain(*blocks())
    assert GeneralChain.from_json(chain.to_json()) == chain
    assert chain.n_layers == 12
    assert plan_chain(chain, budget_bytes="50%").recompute_fraction > 0
