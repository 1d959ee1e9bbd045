"""The networks as scikit-learn's estimators: its parameters, attributes and habits, with a budget of bytes on top."""

from checkpoint.estimators import needed

__all__ = ["needed"]
