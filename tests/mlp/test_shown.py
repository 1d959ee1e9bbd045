"""What a person sees of a network and of its history: short, complete, and safe to put into a page."""

import copy
import pickle
import re

import pytest

from checkpoint import NetworkWithCheckpointing, every_nth
from mlp import EpochRecord, Network
from mlp.training.history import History
from tests.conftest import Case

DEEP = [784, *[256] * 64, 10]


def test_repr_says_in_one_line_what_the_network_is():
    network = Network(DEEP, activation="tanh", cost="cross-entropy", momentum=0.9, dtype="float64")
    assert repr(network) == (
        "<Network 784,256x64,10: tanh, cross-entropy cost, momentum, float64 on numpy, epochs trained: 0; store all>"
    )


def test_repr_of_ragged_layers_is_cut():
    assert len(repr(Network([1 + n % 7 for n in range(500)]))) < 200


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"checkpoint_every_nth_layer": 2}, "every 2nd layer, 8 actions"),
        ({"budget_bytes": "70%"}, "planned in 70% when the batch size is known"),
        ({"budget_bytes": 2**20}, "planned in 1.00 MiB when the batch size is known"),
        ({"schedule": every_nth(n_layers=3, n=1)}, "every 1st layer, 6 actions"),
    ],
)
def test_repr_says_how_the_network_checkpoints(how, said):
    assert repr(NetworkWithCheckpointing([5, 4, 4, 3], **how)).endswith(f"epochs trained: 0; {said}>")


def test_planned_batch_sizes_are_named_once_they_are_known():
    network = NetworkWithCheckpointing([5, 4, 4, 3], budget_bytes="100%")
    network.schedule_for(20)
    assert "planned in 100% for batches of 20" in network.summary()


def test_summary_counts_the_layers_and_every_parameter():
    network = Network(DEEP, momentum=0.5)
    rows = [line.split() for line in network.summary().splitlines()]
    assert ["2", "to", "64", "256", "sigmoid", "256", "x", "256", "65,792", "each"] in rows
    values = sum(a.size for a in (*network.weights, *network.biases))
    state = sum(a.nbytes for pair in network.velocities for a in pair)
    assert f"{values:,} parameters: {values * 4:,} bytes, and {state:,} of optimizer state" in network.summary()
    assert len(rows) < 10


def test_table_in_a_notebook_says_what_the_summary_says():
    network = NetworkWithCheckpointing(DEEP, checkpoint_every_nth_layer=8)
    html = network._repr_html_()
    told = re.sub(r"<[^>]*>|\s", "", html)
    assert html.count("<tr>") == 4
    for line in network.summary().splitlines():
        if "---" not in line:
            assert re.sub(r"\s", "", line) in told


def test_markup_in_the_name_of_a_schedule_stays_text():
    schedule = every_nth(n_layers=3, n=1)
    evil = type(schedule)(3, schedule.actions, "<script>alert(1)</script>")
    shown = NetworkWithCheckpointing([5, 4, 4, 3], schedule=evil)._repr_html_() + evil._repr_html_()
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_history_is_a_list_that_a_notebook_shows_as_a_table():
    case = Case((5, 4, 3), 20)
    network, data = case.network("numpy", "float32"), case.host_batch("float32")
    history = network.SGD(data, epochs=2, mini_batch_size=5, eta=1.0, test_data=data)
    assert isinstance(history, list)
    assert history._repr_html_().count("<tr>") == 3
    assert f"<td>{history[-1].test_cost:.4g}</td>" in history._repr_html_()
    for other in (copy.deepcopy(history), pickle.loads(pickle.dumps(history))):  # noqa: S301
        assert (type(other), other) == (History, history)


def test_columns_that_nothing_is_known_for_are_left_out():
    html = History([EpochRecord(1, 0.5, None), EpochRecord(2, 0.5, None)])._repr_html_()
    assert "test accuracy" not in html
    assert "<th>seconds</th>" in html
