"""Says in one line what to install where scikit-learn is missing or too old. Every file here is imported after it."""

try:
    from sklearn.utils.validation import validate_data  # came with 1.6
except ImportError as error:
    raise ImportError(
        "MLPClassifier and MLPRegressor need scikit-learn 1.7 or newer; install it with pip install "
        "'mlp-checkpointing[sklearn]'"
    ) from error

__all__ = ["validate_data"]
