"""The rules by which a gradient changes parameters, one a file."""

from mlp.optimizers.adagrad import Adagrad
from mlp.optimizers.adam import Adam
from mlp.optimizers.adamw import AdamW
from mlp.optimizers.base import Optimizer
from mlp.optimizers.gradient_descent import GradientDescent
from mlp.optimizers.momentum import Momentum
from mlp.optimizers.named import OPTIMIZERS, is_known, optimizer_of, optimizer_text, simplest
from mlp.optimizers.nesterov import Nesterov
from mlp.optimizers.rmsprop import RMSprop
from mlp.optimizers.ruled import Ruled, StepFacts
from mlp.optimizers.sgd import SGD

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "GradientDescent",
    "Momentum",
    "Nesterov",
    "Optimizer",
    "RMSprop",
    "Ruled",
    "StepFacts",
    "is_known",
    "optimizer_of",
    "optimizer_text",
    "simplest",
]
