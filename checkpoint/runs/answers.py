"""What a network's outputs say of samples: the names of classes, or values."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp.data import Preparation


@dataclass(frozen=True, eq=False)
class Answers:
    """The outputs (n, n_L) for n samples. `classes`: the number of each one's class, and `names`; None for values."""

    outputs: NDArray[Any]
    classes: list[int] | None
    names: list[str] | None

    def as_json(self) -> dict[str, Any]:
        """Every figure."""
        return {"classes": self.classes, "names": self.names, "outputs": self.outputs.tolist()}

    def lines(self) -> Iterator[str]:
        """A line for each sample: its class and the output that says so, or its values."""
        if self.classes is None or self.names is None:
            yield from ("  ".join(f"{value:.6g}" for value in row) for row in self.outputs)
            return
        for row, number, name in zip(self.outputs, self.classes, self.names, strict=True):
            yield f"{name}  {row[min(number, len(row) - 1)]:.4f}"


def answers_of(outputs: NDArray[Any], preparation: Preparation | None) -> Answers:
    """What `outputs` say, of a network trained on data that was prepared so; of classes by number where None.

    One output tells two classes apart: the second from 1/2 on.
    """
    if preparation is not None and preparation.classes is None:
        return Answers(outputs, None, None)
    if outputs.shape[1] == 1 and preparation is not None:
        numbers = (outputs[:, 0] >= 0.5).astype(np.intp).tolist()
    else:
        numbers = outputs.argmax(axis=1).tolist()
    names = [str(number) if preparation is None else preparation.name_of(number) for number in numbers]
    return Answers(outputs, numbers, names)
