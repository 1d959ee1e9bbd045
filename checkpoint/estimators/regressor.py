"""`MLPRegressor`: one number, or several, for each sample."""

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from checkpoint.estimators.base import Estimator
from checkpoint.estimators.fitting import fit


class MLPRegressor(RegressorMixin, Estimator):
    """A regressor with scikit-learn's parameters and attributes, trained in a number of bytes that you choose.

    See `Estimator` for what it has beside `sklearn.neural_network.MLPRegressor`'s. `loss` is "squared_error"; there is
    no "poisson". Raises `ValueError`, one line, for parameters and data that make no regressor.

    >>> X = np.linspace(-1, 1, 50).reshape(-1, 1)
    >>> model = MLPRegressor(hidden_layer_sizes=32, solver="sgd", learning_rate_init=0.1, random_state=0, max_iter=300)
    >>> model.fit(X, X[:, 0] ** 2).score(X, X[:, 0] ** 2) > 0.9
    True
    """

    numeric_targets = True
    stratified = False
    cost = "quadratic"

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        budget_bytes: int | str | None = None,
        checkpoint: str = "none",
        backend: Any = "numpy",
        dtype: str = "auto",
        precision: str = "full",
        ranks: bool = False,
    ) -> None:
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
            budget_bytes=budget_bytes,
            checkpoint=checkpoint,
            backend=backend,
            dtype=dtype,
            precision=precision,
            ranks=ranks,
        )
        self.loss = loss

    @property
    def loss_share(self) -> float:
        return 1 / int(self.n_outputs_)

    def take_targets(self, y: np.ndarray, *, goes_on: bool) -> np.ndarray:
        self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]
        return y

    def score_of(self, outputs: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> float:
        return float(r2_score(y, outputs, sample_weight=weights))

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch more on `X` and `y`; returns this estimator."""
        fit(self, X, y, sample_weight, partial=True)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The outputs for each sample of `X` (n, features): (n,), or (n, outputs) where there are several."""
        outputs = self.outputs(X)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
