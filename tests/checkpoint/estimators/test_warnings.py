"""What a fit warns of: in one line, and at the line of the user's that called it."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from checkpoint import MLPClassifier, MLPRegressor
from mlp.data.named.sample import load_sample

X = np.random.default_rng(0).random((60, 3))
CLASSES = (X[:, 0] > 0.5).astype(int)


def line_of(text, number):
    """The number of the line of this file that is `text`, its `number`-th."""
    lines = [line.strip() for line in Path(__file__).read_text().splitlines()]
    return [place for place, line in enumerate(lines, 1) if line == text][number - 1]


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("early", [False, True])
def test_a_fit_that_may_go_on_points_to_its_own_line(kind, early):
    model = kind(hidden_layer_sizes=(4,), max_iter=2, early_stopping=early, learning_rate_init=0.05)
    with pytest.warns(ConvergenceWarning, match="the 2 epochs of max_iter are over") as caught:
        model.fit(X, CLASSES)
    assert {(warning.filename, warning.lineno) for warning in caught} == {
        (__file__, line_of("model.fit(X, CLASSES)", 1))
    }


def test_a_mini_batch_that_is_cut_points_there_too():
    model = MLPClassifier((4,), batch_size=100, max_iter=400, tol=9, n_iter_no_change=1)
    with pytest.warns(UserWarning, match="batch_size 100 is more than the 60 samples") as caught:
        model.fit(X, CLASSES)
    assert (caught[0].filename, caught[0].lineno) == (__file__, line_of("model.fit(X, CLASSES)", 2))


@pytest.mark.filterwarnings("ignore:the 10 epochs")
def test_a_deep_network_of_sigmoids_that_stays_at_chance_warns():
    sample = load_sample()
    images, labels = sample.train_images[:1000] / 255, sample.train_labels[:1000]
    model = MLPClassifier([30] * 12, activation="logistic", max_iter=10, random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"nothing has been learnt: the last epoch's cost, 2\.") as caught:
        model.fit(images, labels)
    assert {warning.filename for warning in caught} == {__file__}
    assert model.score(images, labels) < 0.2


@pytest.mark.parametrize("weights", [None, np.linspace(0.5, 2, 60)], ids=["plain", "weighted"])
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_network_that_learns_does_not(kind, weights):
    model = kind(hidden_layer_sizes=(16,), max_iter=60, learning_rate_init=0.05, random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, CLASSES, sample_weight=weights)
    assert [warning for warning in caught if "nothing has been learnt" in str(warning.message)] == []
