"""A backend: an array library, a device, and the in-place kernels that the array API cannot express.

`Backend` has its arrays from `backend.arrays`, its kernels from `backend.kernels`, and the steps of a layer from
`backend.layer_steps`. All of that is written in array-API calls alone. So it is the reference for the faster backends,
and lets any conforming namespace train a network. Its kernels may hold temporaries; those of the NumPy and CuPy
backends hold none, which makes their bytes predictable.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from backend.errors import BackendUnavailable
from backend.facts import Facts
from backend.layer_steps import LayerSteps


class Backend(LayerSteps):
    """An array library (`xp`), a device, and kernels. This class is the reference; see `select_backend`.

    `name` is what `select_backend` takes, and `facts` what a prediction of this backend's bytes rests on.
    """

    facts = Facts()

    threads: int | None = None
    """The host's threads that kernels run on; None where another device computes."""

    whole_steps: Any = None
    """What runs a whole step in one call; None where operations are called one by one."""

    records_steps = False
    """Whether `record` makes plans of steps."""

    def step_key(self, inputs: Sequence[Any]) -> tuple[Any, ...]:
        """What a recorded step follows from beside the values of its inputs and where they lie."""
        raise NotImplementedError

    def record(self, take: Callable[..., None], inputs: Sequence[Any]) -> Any:
        """A plan of the step that `take` takes on arrays such as `inputs`; None where it cannot be planned.

        `take` is called, and nothing is computed. The plan has `run(inputs)`, for arrays of the same `step_key`.
        """
        return None

    def remarks(self) -> list[str]:
        """What a user of this backend should be told once, each time it is asked what has come up since."""
        return []

    def in_tf32(self) -> "Backend":
        """This backend with products of float32 in TF32. Raises `BackendUnavailable` where there are none."""
        raise BackendUnavailable(f"{self.name} has no products in TF32", "leave it out, or choose cupy")

    @property
    def arithmetic(self) -> dict[str, str]:
        """What the last bits of products follow from beside this program and the device: text by name."""
        return {}

    @property
    def variant(self) -> str:
        """This backend's row of `FACTS`: its name, except for NumPy without compiled kernels."""
        return self.name

    def prepare(self, sizes: Iterable[int], dtype: str) -> None:
        """Make ready what steps of layers of these widths need, so that none of them waits for it."""
