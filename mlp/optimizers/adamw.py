"""AdamW: Adam with weight decay apart from the gradient (I. Loshchilov and F. Hutter, 2019)."""

from dataclasses import dataclass
from typing import ClassVar

from mlp.optimizers.adam import Adam


@dataclass(frozen=True, kw_only=True)
class AdamW(Adam):
    """`Adam`, whose weights decay by default."""

    weight_decay: float = 0.01

    name: ClassVar[str] = "adamw"
