"""scikit-learn's checks of estimators: all of them, with no expected failure and no tag that lets one off."""

import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from checkpoint import MLPClassifier, MLPRegressor

QUICK = {"hidden_layer_sizes": (16,), "max_iter": 60, "learning_rate_init": 0.01}
DEEPER = QUICK | {"hidden_layer_sizes": (16, 16, 16), "checkpoint": "every:2"}


@pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.{ConvergenceWarning.__name__}")
@parametrize_with_checks([MLPClassifier(**QUICK), MLPRegressor(**QUICK), MLPClassifier(**DEEPER)])
def test_estimator_passes_the_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_no_tag_lets_an_estimator_off(kind):
    tags = kind().__sklearn_tags__()
    assert not tags.no_validation
    assert not tags.non_deterministic
    assert not tags._skip_test
    assert not (tags.classifier_tags or tags.regressor_tags).poor_score
    assert not tags.input_tags.allow_nan
