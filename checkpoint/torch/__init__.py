"""Plans for a `torch.nn.Sequential`, as nested segments of `torch.utils.checkpoint`. Needs PyTorch, on first use.

The public names are in `__init__.pyi`.
"""

from backend.lazy import public_names

__getattr__, __dir__, __all__ = public_names(__name__, __file__)
