"""The errors of this package."""


class NetworkError(ValueError):
    """An argument that no network, or not this network, can take: what was wanted, what arrived, what to do."""


class TrainingError(RuntimeError):
    """Training cannot go on: the cost or a gradient is no longer finite."""
