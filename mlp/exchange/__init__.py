"""Weights to and from PyTorch and Keras, as safetensors files: names, orientation and values; never code."""

from mlp.exchange.read import import_weights
from mlp.exchange.write import export_weights

__all__ = ["export_weights", "import_weights"]
