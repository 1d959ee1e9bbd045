"""The safetensors library, which comes with an extra."""

from typing import Any

from mlp.errors import StateError


def safetensors() -> Any:
    """The module `safetensors`, with `safetensors.numpy`. Raises `StateError`, with what to install, without it."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise StateError(
            f"weights are exchanged by the library safetensors ({error}); pip install 'mlp-checkpointing[safetensors]'"
        ) from None
    return safetensors
