"""Pictures of plans and comparisons; each file draws one. They know matplotlib, and nothing of arrays or training."""

from checkpoint.drawing import quiet

__all__ = ["quiet"]
