"""Bad parameters and bad data: one clear line each."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from checkpoint import MLPClassifier, MLPRegressor
from mlp import NetworkError

X = np.arange(24.0).reshape(8, 3) / 24
CLASSES = np.arange(8) % 2
TABLE = pd.DataFrame({"age": X[:, 0], "height": X[:, 1], "city": X[:, 2]})

PARAMETERS = {
    "solver": ["lbfgs", "lion", None],
    "activation": ["softmax", 3],
    "hidden_layer_sizes": [(3, 0), 0, -1, "8", (2.5,), None],
    "alpha": [-1, "small", float("nan")],
    "batch_size": [0, "all", 2.5],
    "learning_rate": ["cosine"],
    "learning_rate_init": [0, -0.1],
    "max_iter": [0, 1.5],
    "momentum": [1, -0.1],
    "beta_1": [1.0],
    "tol": [-1],
    "shuffle": ["yes", 1],
    "early_stopping": [None],
    "validation_fraction": [1.0],
    "n_iter_no_change": [0],
    "budget_bytes": ["much", 0, 1.5],
    "checkpoint": ["some", "optimal"],
    "backend": ["cuda"],
    "dtype": ["float16", "int32"],
    "precision": ["half", None, "float16", "tf32"],
    "ranks": ["all", True],
}


def one_line(error):
    return "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in PARAMETERS.items() for value in values])
def test_wrong_parameter_is_named_in_one_line(name, value):
    with pytest.raises(ValueError) as error:
        MLPClassifier(**{name: value}).fit(X, CLASSES)
    assert one_line(error)
    assert name.split("_")[0] in str(error.value).lower()


def test_budget_and_another_way_to_checkpoint_are_refused():
    with pytest.raises(ValueError, match="budget_bytes is planned for, and checkpoint 'sqrt' is not planned"):
        MLPClassifier(budget_bytes="50%", checkpoint="sqrt").fit(X, CLASSES)


def test_loss_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="loss must be 'squared_error'; got 'poisson'"):
        MLPRegressor(loss="poisson").fit(X, X[:, 0])


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        (
            MLPRegressor([16] * 3),
            "loss must be 'squared_error'; got the list [16, 16, 16]: hidden layers are hidden_la",
        ),
        (MLPRegressor((16, 16)), "got the tuple (16, 16): hidden layers are hidden_layer_sizes="),
        (MLPRegressor(np.array([16, 16])), "hidden layers are hidden_layer_sizes="),
        (MLPRegressor(16), "loss must be 'squared_error'; got 16: hidden layers are hidden_layer_sizes="),
        (MLPRegressor("relu"), "loss must be 'squared_error'; got 'relu'"),
        (MLPRegressor("squared_error", "relu"), "got 'relu': the activation is activation='relu'"),
        (
            MLPClassifier("relu"),
            "hidden_layer_sizes must be whole numbers, such as (100, 50); got 'relu': the activation",
        ),
        (
            MLPClassifier("relu", [16]),
            "activation must be a name, such as 'relu'; got the list [16]: hidden layers are",
        ),
        (MLPClassifier("squared_error"), "the loss is loss='squared_error'"),
        (MLPClassifier([16], "rlu"), "did you mean 'relu'?"),
        (MLPClassifier([16], solver="adm"), "did you mean 'adam'?"),
    ],
    ids=lambda value: "" if isinstance(value, str) else repr(value),
)
def test_an_argument_in_another_one_s_place_says_so(model, wanted):
    with pytest.raises(ValueError) as error:
        model.fit(X, CLASSES)
    assert wanted in str(error.value)
    assert one_line(error)


def nan_at(row, column, value=np.nan):
    table = TABLE.copy()
    table.iloc[row, column] = value
    return table


WRONG = {
    "NaN": (nan_at(5, 1), CLASSES, r"X holds NaN in column 1 \('height'\), row 5"),
    "infinity": (nan_at(2, 0, np.inf), CLASSES, r"X holds an infinity \(inf\) in column 0 \('age'\), row 2"),
    "text among numbers": (TABLE.assign(city="Rome"), CLASSES, "column 'city' of X holds 'Rome', which is no number"),
    "one class": (X, np.zeros(8), "y holds one class only"),
    "values for classes": (X, X[:, 0], "Unknown label type"),
    "several columns of classes": (X, np.arange(16).reshape(8, 2) % 5, "several columns of several classes"),
    "NaN in y": (X, np.where(CLASSES, np.nan, 1.0), "NaN"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_data_is_said_where_it_is(name):
    features, y, message = WRONG[name]
    with pytest.raises(ValueError, match=message) as error:
        MLPClassifier().fit(features, y)
    assert one_line(error) or name in ("values for classes",)


def test_table_is_checked_where_it_is_predicted_for_too():
    model = MLPClassifier((4,), max_iter=1, tol=9, n_iter_no_change=1).fit(TABLE, CLASSES)
    assert model.feature_names_in_.tolist() == ["age", "height", "city"]
    with pytest.raises(ValueError, match=r"X holds NaN in column 1 \('height'\), row 5"):
        model.predict(nan_at(5, 1))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0] * 7 + [-1], "sample_weight 7 is -1; weights must be 0 or more"),
        ([0] * 8, "sample_weight is zero for every sample"),
        ([1.0] * 7, r"sample_weight must be \(8,\), one a sample; got shape \(7,\)"),
        ([1.0] * 7 + [np.nan], "sample_weight 7 is NaN or infinite"),
        (["heavy"] * 8, "sample_weight must be numbers"),
    ],
)
def test_wrong_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=message) as error:
        MLPClassifier().fit(X, CLASSES, sample_weight=weights)
    assert one_line(error)


def test_empty_split_is_refused():
    with pytest.raises(ValueError, match="validation"):
        MLPRegressor(early_stopping=True, validation_fraction=0.01).fit(X, X[:, 0])


@pytest.mark.parametrize("again", ["warm_start", "partial_fit"])
def test_fit_with_other_widths_is_refused_where_it_would_go_on(again):
    model = MLPRegressor(hidden_layer_sizes=(4,), warm_start=True, max_iter=1, tol=9, n_iter_no_change=1)
    model.fit(X, X[:, 0]).set_params(hidden_layer_sizes=(5,))
    with pytest.raises(ValueError, match=rf"{again} goes on with a network of 3,4,1, and this would be one of 3,5,1"):
        (model.fit if again == "warm_start" else model.partial_fit)(X, X[:, 0])
    assert model.set_params(warm_start=False).fit(X, X[:, 0]).network_.sizes == (3, 5, 1)


def test_class_that_the_first_partial_fit_did_not_name_is_refused():
    model = MLPClassifier((4,))
    with pytest.raises(ValueError, match="classes must be given to the first call"):
        model.partial_fit(X, CLASSES)
    model.partial_fit(X, CLASSES, classes=[0, 1])
    with pytest.raises(ValueError, match="y holds the class 2 in row 7"):
        model.partial_fit(X, np.r_[CLASSES[:7], 2])
    with pytest.raises(ValueError, match="not those of the first partial_fit"):
        model.partial_fit(X, CLASSES, classes=[0, 2])


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_predicting_before_fitting_is_refused(kind):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        kind().predict(X)


@pytest.mark.parametrize("early", [False, True])
def test_targets_whose_squares_are_infinite_are_refused(early):
    X = np.linspace(-1, 1, 60).reshape(-1, 1)
    model = MLPRegressor(early_stopping=early, max_iter=3, random_state=0)
    with pytest.raises(ValueError, match=r"the training loss is inf after 1 epoch, .*; scale X and y") as error:
        model.fit(X, X[:, 0] * 1e300)
    assert one_line(error)


@pytest.mark.parametrize("weight", [1e308, 1e-320])
def test_weights_whose_sum_divides_nothing_are_refused(weight):
    with pytest.raises(ValueError, match=r"sample_weight sums to .*; scale the weights"):
        MLPClassifier([2], max_iter=1).fit(X, CLASSES, sample_weight=np.full(8, weight))


def test_rate_that_is_0_in_the_dtype_is_refused():
    with pytest.raises(NetworkError, match=r"^learning_rate_init 1e-50 over 8 rows is 0 in float32"):
        MLPClassifier([2], max_iter=1, dtype="float32", learning_rate_init=1e-50).fit(X, CLASSES)


@pytest.mark.filterwarnings("ignore:the 3 epochs")
def test_rate_of_a_large_power_becomes_0():
    model = MLPClassifier([4], solver="sgd", learning_rate="invscaling", power_t=1e9, max_iter=3).fit(X, CLASSES)
    assert model._rates.now == 0


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("masked", ["X", "y", "sample_weight"])
def test_masked_arrays_are_refused_and_not_trained_on(estimator, masked):
    given = {"X": X, "y": CLASSES, "sample_weight": np.ones(8)}
    given[masked] = np.ma.masked_array(given[masked], mask=given[masked] > 0.5)
    with pytest.raises(ValueError, match=f"{masked} is a masked array.*{masked}.filled"):
        estimator(hidden_layer_sizes=(3,), max_iter=1).fit(**given)


def test_masked_arrays_are_not_predicted_for():
    fitted = MLPClassifier(hidden_layer_sizes=(3,), max_iter=1, batch_size=8).fit(X, CLASSES)
    with pytest.raises(ValueError, match="X is a masked array"):
        fitted.predict(np.ma.masked_array(X, mask=X > 0.5))
