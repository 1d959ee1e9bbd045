"""What the two estimators share: scikit-learn's parameters and attributes, and a fit by the training loop of `mlp`."""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from checkpoint.estimators.fitting import fit
from checkpoint.estimators.inputs import features_of
from mlp import Network


class Estimator(BaseEstimator):
    """A network with scikit-learn's parameters; a subclass says what targets are, and how outputs name them.

    Beside scikit-learn's: `budget_bytes`, array bytes above rest that a step may take, as a number or as text
    ("32MiB", "50%"); `checkpoint`, what to keep without a budget, as in `train --checkpoint` ("every:2", "sqrt");
    `backend`, "numpy" or "cupy"; `dtype`, "float32", "float64" or "auto", that of X; `precision`, "full" or less for
    float32, as `Network` has it ("float16"); `ranks`, whether all ranks of the `world()` block around fit together.
    `solver` is "adam" or "sgd"; there is no "lbfgs", so `max_fun` means nothing.

    After `fit`, beside scikit-learn's: `peak_bytes_`, the most array bytes above rest in a step on a whole mini-batch;
    `plan_`, the plan that was made for the budget, or the schedule without one; and `network_`, the network itself.
    On ranks these two are for the largest share of a mini-batch, a budget is a rank's, and every rank ends with the
    attributes of a fit in one process: weights and losses have its bits.
    """

    def __init__(
        self,
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
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.budget_bytes = budget_bytes
        self.checkpoint = checkpoint
        self.backend = backend
        self.dtype = dtype
        self.precision = precision
        self.ranks = ranks

    @property
    @abstractmethod
    def cost(self) -> str:
        """The network's cost."""

    @property
    @abstractmethod
    def loss_share(self) -> float:
        """What a cost is multiplied by to be scikit-learn's loss."""

    @abstractmethod
    def take_targets(self, y: np.ndarray, *, goes_on: bool) -> np.ndarray:
        """`y` as mini-batches take it; `goes_on`: it must be of the kind that was fitted before."""

    @abstractmethod
    def score_of(self, outputs: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> float:
        """The score of the network's outputs for the samples of `y`."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on `X` (n, features) and `y`, with a weight for each sample if any; returns this estimator."""
        fit(self, X, y, sample_weight, partial=False)
        return self

    def outputs(self, X: Any) -> np.ndarray:
        """The outputs of the network for `X` (n, features): (n, n_outputs_)."""
        check_is_fitted(self)
        network: Network = self.network_
        return network.predict(features_of(self, X))

    def __sklearn_is_fitted__(self) -> bool:
        return "network_" in vars(self)

    @property
    def coefs_(self) -> list[np.ndarray]:
        """The weights of each layer, (inputs, outputs): those of the network, which change with it.

        Values that are assigned are copied into it; before a `partial_fit`, or a `fit` with `warm_start`, they are what
        it begins with.
        """
        return self._parameters("weights")

    @coefs_.setter
    def coefs_(self, values: Any) -> None:
        self._assign("weights", values)

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """The biases of each layer; see `coefs_`."""
        return self._parameters("biases")

    @intercepts_.setter
    def intercepts_(self, values: Any) -> None:
        self._assign("biases", values)

    def _parameters(self, kind: str) -> list[np.ndarray]:
        if self.__sklearn_is_fitted__():
            network: Network = self.network_
            return [network.backend.to_numpy(array) for array in getattr(network, kind)]
        try:
            given: list[np.ndarray] = vars(self)[f"_given_{kind}"]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no {kind} yet; fit it") from None
        return given

    def _assign(self, kind: str, values: Any) -> None:
        if self.__sklearn_is_fitted__():
            setattr(self.network_, kind, values)
        else:
            setattr(self, f"_given_{kind}", values)
