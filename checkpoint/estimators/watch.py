"""A fit followed from epoch to epoch as scikit-learn does: losses, scores, when nothing improves any more."""

import warnings
from collections.abc import Callable
from math import inf, isfinite, nan
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from backend.callers import callers_level
from checkpoint.estimators.rates import Rates
from checkpoint.units import counted
from mlp import EpochRecord, TrainingError
from mlp.training.stopping import BestParameters, Patience


class Watch:
    """What the training loop calls after each epoch; it keeps the attributes of `estimator` up to date.

    `loss` turns a record into the loss with its penalty. `score` is the score on the validation samples, and `best`
    keeps the parameters of the best one; both are None where the loss is watched. `speaks`: whether to print and warn.
    """

    def __init__(
        self,
        estimator: Any,
        rates: Rates,
        *,
        samples: int,
        epochs: int,
        loss: Callable[[EpochRecord], float],
        score: Callable[[], float] | None,
        best: BestParameters | None,
        speaks: bool = True,
    ) -> None:
        self._estimator, self._rates, self._samples, self._epochs = estimator, rates, samples, epochs
        self._verbose, self._speaks = estimator.verbose and speaks, speaks
        self._loss, self._validation = loss, None if score is None or best is None else (score, best)
        self.lost = False
        """Whether a loss was not finite."""

    def __call__(self, record: EpochRecord) -> bool:
        """Whether to stop. Raises `TrainingError` for a loss that is not finite."""
        estimator = self._estimator
        estimator.n_iter_ += 1
        estimator.t_ += self._samples
        estimator.loss_ = self._loss(record)
        estimator.loss_curve_.append(estimator.loss_)
        self.lost = not isfinite(estimator.loss_)
        if self.lost:
            raise TrainingError(
                f"the training loss is {estimator.loss_} after {counted(estimator.n_iter_, 'epoch')}, as targets, "
                f"outputs or weights are too large for it; scale X and y, or lower learning_rate_init"
            )
        if self._verbose:
            print(f"Iteration {estimator.n_iter_}, loss = {estimator.loss_:.8f}")
        patience: Patience = estimator._patience
        if self._validation is None:
            patience.see(estimator.loss_)
            estimator.best_loss_ = patience.best
        else:
            self._see_score(patience, *self._validation)
        self._rates.epoch_done(estimator.t_)
        if patience.waited > estimator.n_iter_no_change:
            if self._rates.nothing_improves():
                if self._verbose:
                    print(
                        f"{self._watched} did not improve by {estimator.tol:g} for {estimator.n_iter_no_change} epochs"
                    )
                return True
            patience.waited = 0
        if self._speaks and estimator.n_iter_ == self._epochs > 1:
            warnings.warn(
                f"the {self._epochs} epochs of max_iter are over and {self._watched} may still improve; raise max_iter",
                ConvergenceWarning,
                stacklevel=callers_level(),
            )
        return False

    def diverged(self) -> bool:
        """The training has computed numbers that are not finite: whether good parameters were kept from before that."""
        if self._validation is None:
            return False
        self._estimator.validation_scores_.append(nan)
        return self._validation[1].kept

    @property
    def _watched(self) -> str:
        return "the training loss" if self._validation is None else "the validation score"

    def _see_score(self, patience: Patience, score: Callable[[], float], best: BestParameters) -> None:
        estimator, value = self._estimator, score()
        estimator.validation_scores_.append(value)
        if self._verbose:
            print(f"Validation score: {value:.6f}")
        if patience.see(value):
            best.keep()
        estimator.best_validation_score_ = patience.best


def begin(estimator: Any) -> None:
    """Give `estimator` the attributes of a fit that has had no epoch."""
    early = estimator.early_stopping
    estimator.t_, estimator.loss_curve_ = 0, []
    estimator._patience = Patience(estimator.tol, larger_is_better=early)
    estimator.best_loss_ = None if early else inf
    estimator.validation_scores_ = [] if early else None
    estimator.best_validation_score_ = -inf if early else None
