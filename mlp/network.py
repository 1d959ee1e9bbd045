"""The network as a user meets it: how it is made, trained and saved, on top of `Steps` and `Shown`.

Rows are samples. `mlp.steps` takes a step, of which `mlp.layers` and `mlp.backward` do what is one layer's;
`mlp.inference` has the outputs and what is measured of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backend import Backend, select_backend
from backend.dropping import below_of
from mlp import costs
from mlp.activations import ACTIVATIONS
from mlp.arguments import DTYPES, INITIALIZATIONS, check_dropout, check_name, check_whole
from mlp.arrays import kind_of
from mlp.costs import COSTS
from mlp.data.values.preparation import NOTE, Preparation
from mlp.data.values.scaling import Scaling
from mlp.errors import NetworkError
from mlp.initialization import initial_parameters
from mlp.keywords import naming_keywords
from mlp.optimizers import Ruled, optimizer_of, simplest
from mlp.precision import FULL
from mlp.shown import Shown
from mlp.sizes import check_sizes
from mlp.steps import Steps
from mlp.training.history import Callback, History
from mlp.training.loop import check_callbacks, check_training, train
from mlp.training.pairs import batches_of
from mlp.training.rates import LearningRate
from mlp.training.smoothing import SmoothedBatches
from mlp.training.stopping import EarlyStopping, Stopper, early_stopping_of
from mlp.training.validation import parts_of
from mlp.training.weights import sample_weights


class Network(Steps, Shown):
    """A multi-layer perceptron that is trained by stochastic gradient descent with plain backpropagation.

    `sizes`: n_0 inputs, then the units of each layer. `activation`: that of the hidden layers, "sigmoid", "tanh",
    "relu", "leaky-relu", "elu", "softplus" or "identity". `cost`: "quadratic" for any targets, "cross-entropy" for one
    class of several, "binary-cross-entropy" for one unit, or for several classes at once. `output_activation`: None for
    what goes with the cost, which is softmax, sigmoid or, under the quadratic cost, the hidden layers' activation; give
    "identity" for a regression.
    `initialization`: "normal" or "scaled", see `mlp.initialization`. `dtype`: "float32" or "float64", of everything.
    `momentum`: 0 for plain gradient descent; above it, a velocity is kept for each parameter. `optimizer`: "sgd", which
    is the usual one, "nesterov", "adam", "adamw", "rmsprop" or "adagrad", or an object of `mlp.optimizers` such as
    `Adam(beta1=0.8)`. `backend`: a name or a `Backend`.

    `dropout`: the share of the outputs of hidden layers that a step sets to 0, one for all or one for each; the rest
    are divided by the share that is left. Which ones follows from the seed, the step, the layer, the row and the unit
    alone (`backend.dropping`); evaluation and prediction drop none.

    `precision`: "full"; "tf32", products of float32 with rounded factors, on cupy; "float16" or "bfloat16", hidden
    activations kept in two bytes a value from the forward pass to the backward pass; "tf32+float16" or "tf32+bfloat16".
    `mlp.precision` says what each is off by.

    Raises `NetworkError` for an argument that makes no network, `BackendUnavailable` for the backend.

    >>> net = Network([2, 3, 1], seed=1)
    >>> net.weights[0].shape, net.biases[1].shape
    ((2, 3), (1,))
    """

    @naming_keywords(name="Network")
    def __init__(
        self,
        sizes: Iterable[int],
        *,
        activation: str = "sigmoid",
        output_activation: str | None = None,
        cost: str = "quadratic",
        initialization: str = "normal",
        dtype: str = "float32",
        momentum: float = 0.0,
        optimizer: str | Ruled | None = None,
        seed: int = 0,
        dropout: float | Iterable[float] = 0.0,
        precision: str = FULL,
        backend: str | Backend = "numpy",
    ) -> None:
        widths = check_sizes(sizes)
        self.activation = check_name("activation", activation, ACTIVATIONS)
        check_name("cost", cost, COSTS)
        self.initialization = check_name("initialization", initialization, INITIALIZATIONS)
        check_name("dtype", dtype, DTYPES)
        chosen = optimizer_of(optimizer, momentum=momentum)
        self.epochs_trained = 0
        """How many epochs the network has had: the next one's order follows from it and the seed."""
        self.history = History()
        """A record of each epoch of its trainings, as soon as it is done; a training that is stopped loses none."""
        self.scaling: Scaling | None = None
        """How the raw values of its training data became inputs; None where nobody scaled them here."""
        self.preparation: Preparation | None = None
        """How tables and values became its inputs, as its saved state says; None where nobody prepared them here."""
        self.seed = check_whole("seed", seed, least=0)
        self.dropout = check_dropout(dropout, hidden=len(widths) - 2)
        self.output_activation = costs.output_activation(
            cost, activation=activation, units=widths[-1], given=output_activation
        )
        activations = (*[activation] * (len(widths) - 2), self.output_activation)
        found = select_backend(backend)
        super().__init__(widths, activations, cost=cost, dtype=dtype, backend=found, precision=precision)
        self.dropped_below = (*map(below_of, self.dropout), 0)
        parameters = initial_parameters(
            widths, initialization=initialization, activation=activation, dtype=dtype, seed=self.seed
        )
        for k, (W, b) in enumerate(parameters):
            self.weights[k], self.biases[k] = W, b
        self.backend.prepare(widths, dtype)
        self.use_optimizer(simplest(chosen))

    def save(self, path: str | Path, *, keep: int = 0) -> None:
        """Save the network to `path`: parameters, optimizer state, and what else it is. `checkpoint.load` reads it.

        `path` holds the old state or the new one, whole, whenever this is killed; `keep`: how many older ones stay, as
        PATH.1 to PATH.N. Raises `StateError` where it cannot be written, or would move along what is no saved state,
        `TrainingError` for non-finite values and for velocities that a step has spoilt.
        """
        from mlp.saving.write import save_state  # whose package loads networks

        save_state(path, self, keep=keep, notes=self.saved_notes)

    @property
    def saved_notes(self) -> Mapping[str, str]:
        """What of its training data is saved with it, as text by name."""
        return {} if self.preparation is None else {NOTE: self.preparation.to_json()}

    def prepare(self, X: Any) -> np.ndarray:
        """Raw values as inputs of this network: (n, n_0), its dtype, scaled as its training data was.

        `X`: numbers (n, n_0), or a DataFrame with the columns of the table that it was trained on. How that was done,
        `preparation`, comes from the saved state that the network was loaded from. Raises `NetworkError` where there
        is none, `DataError` for an `X` of another kind.
        """
        if self.preparation is None:
            raise NetworkError("nothing is known of how this network's data was prepared; give inputs as it takes them")
        from mlp.data.unlabelled import as_trained_on  # which loads readers of pictures

        return as_trained_on(X, self.preparation, dtype=self.dtype)

    @property
    def saved_arguments(self) -> Mapping[str, str]:
        """What a class of its own needs to be made again from a saved state, beside `Network`'s arguments.

        Text by name, the class under "class". A plain network needs nothing: empty.
        """
        return {}

    @naming_keywords()
    def SGD(
        self,
        training_data: Any,
        epochs: int,
        mini_batch_size: int,
        eta: LearningRate,
        test_data: Any = None,
        *,
        shuffle: bool = True,
        sample_weight: Any = None,
        class_weight: Any = None,
        label_smoothing: float = 0.0,
        verbose: bool | None = None,
        validation_data: Any = None,
        validation_split: float | None = None,
        early_stopping: EarlyStopping | int | bool | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> History:
        """Train by mini-batch stochastic gradient descent; returns one `EpochRecord` an epoch, as `history` has them.

        `training_data` and `test_data`: a pair (X, y), or the classic list of pairs (x, y), one a sample. X is (n, n_0)
        floats. y is (n, n_L), any targets, or whole-number labels (n,) or (n, 1). They may be NumPy arrays, on the
        host or the device, or arrays of another library, a DataFrame, a list or a data set of an HDF5 file; each
        mini-batch is converted to the network's dtype as it is taken.

        `eta`: a number, or a function of the count of steps before, such as `Cosine` of `mlp.training.rates`.

        `sample_weight` (n,): how much each sample counts; `class_weight`: how much each class does, by its number, or
        "balanced". A mini-batch's gradient is the weighted mean. `label_smoothing` s trains on targets
        (1 - s) y + s / K of K classes.

        The last, smaller mini-batch of an epoch is trained on too. `shuffle` draws a new order each epoch, from the
        network's seed and the count of its epochs. `verbose` True prints a line an epoch, with a progress bar wherever
        it runs; None, a bar on a terminal or in a notebook alone; False, nothing.

        Cost and accuracy are measured after each epoch on `test_data`, and on the validation data: `validation_data`,
        as `test_data` is, or `validation_split`, the share of the training data that is held out for it by the seed.
        `early_stopping` stops when these get no better: an `EarlyStopping`, or its patience in epochs. `callbacks` are
        called with the record of each epoch; one that returns True stops.
        """
        if hasattr(epochs, "__len__") and not isinstance(epochs, str):
            raise NetworkError(
                f"epochs must be a whole number; got {kind_of(epochs)}: training_data is one argument, as in "
                f"SGD((X, y), epochs=5, mini_batch_size=100, eta=0.1)"
            )
        check_training(epochs=epochs, mini_batch_size=mini_batch_size, eta=eta, n_samples=None, dtype=self.dtype)
        check_callbacks(callbacks)
        data = batches_of(self, training_data, name="training_data")
        weights = sample_weights(self, data, sample_weight=sample_weight, class_weight=class_weight)
        held = None if validation_data is None else batches_of(self, validation_data, name="validation_data")
        if validation_split is not None:
            if held is not None:
                raise NetworkError("validation_data and validation_split both say what to validate on; give one")
            data, held = parts = parts_of(data, validation_split, seed=self.seed)
            weights = None if weights is None else weights[parts[0].rows]
        rule = early_stopping_of(early_stopping)
        return train(
            self,
            SmoothedBatches(self, data, label_smoothing) if label_smoothing else data,
            weights=weights,
            epochs=epochs,
            mini_batch_size=mini_batch_size,
            eta=eta,
            test_data=None if test_data is None else batches_of(self, test_data, name="test_data"),
            shuffle=shuffle,
            verbose=verbose,
            validation_data=held,
            stopper=None if rule is None else Stopper(rule, self),
            callbacks=callbacks,
        )
