"""`MLPClassifier`: one class of several, or several classes at once."""

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score

from checkpoint.estimators.base import Estimator
from checkpoint.estimators.fitting import fit
from checkpoint.estimators.labels import Labels, labels_of


class MLPClassifier(ClassifierMixin, Estimator):
    """A classifier with scikit-learn's parameters and attributes, trained in a number of bytes that you choose.

    See `Estimator` for what it has beside `sklearn.neural_network.MLPClassifier`'s. Raises `ValueError`, one line, for
    parameters and data that make no classifier.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier([16] * 6, budget_bytes="60%", learning_rate_init=0.02, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9, model.peak_bytes_ == model.plan_.peak_bytes
    (True, True)
    """

    numeric_targets = False

    @property
    def cost(self) -> str:
        labels: Labels = self._labels
        return labels.cost

    @property
    def loss_share(self) -> float:
        return 1.0

    @property
    def stratified(self) -> bool:
        """Whether samples held out for validation are of each class alike."""
        labels: Labels = self._labels
        return not labels.several

    def take_targets(self, y: np.ndarray, *, goes_on: bool) -> np.ndarray:
        if not goes_on:
            given, self._given_classes = vars(self).get("_given_classes"), None
            self._labels = labels_of(y, given)
            self.classes_, self.n_outputs_ = self._labels.classes, self._labels.units
        elif self.warm_start and set(labels_of(y).classes) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. Previously "
                f"got {self.classes_}, `y` has {labels_of(y).classes}"
            )
        return self._labels.targets(y)

    def score_of(self, outputs: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> float:
        return float(accuracy_score(y, self._labels.named_by(outputs), sample_weight=weights))

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one epoch more on `X` and `y`; returns this estimator.

        `classes`: all there are, which the first call needs and others may repeat. Raises `ValueError` where they are
        missing, or others than before.
        """
        if self.__sklearn_is_fitted__():
            if classes is not None and not np.array_equal(np.unique(classes), self.classes_):
                raise ValueError(
                    f"classes {classes!r:.80} are not those of the first partial_fit, {self.classes_.tolist()!r:.80}"
                )
        elif classes is None:
            raise ValueError("classes must be given to the first call of partial_fit, as its y may not have them all")
        else:
            self._given_classes = classes
        fit(self, X, y, sample_weight, partial=True)
        return self

    def predict(self, X: Any) -> Any:
        """The class of each sample of `X` (n, features): (n,), or the indicator (n, classes) of several at once."""
        outputs = self.outputs(X)
        return self._labels.named_by(outputs)

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class for each sample of `X`: (n, classes), in the order of `classes_`."""
        outputs = self.outputs(X)
        return self._labels.probabilities(outputs)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithm of `predict_proba`; minus infinity where a probability is 0."""
        probabilities = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            np.log(probabilities, out=probabilities)
        return probabilities

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
