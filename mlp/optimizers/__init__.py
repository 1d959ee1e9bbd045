"""The rules by which a gradient changes parameters, one a file."""

from mlp.optimizers.base import Optimizer
from mlp.optimizers.gradient_descent import GradientDescent
from mlp.optimizers.momentum import Momentum

__all__ = ["GradientDescent", "Momentum", "Optimizer"]
