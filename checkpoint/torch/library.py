"""PyTorch, or what to do without it."""

try:
    import torch as torch
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise ModuleNotFoundError(
        "checkpoint.torch needs PyTorch, which is not installed; pip install 'mlp-checkpointing[torch]'", name="torch"
    ) from None
