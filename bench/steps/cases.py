"""The workloads that are compared, each standing for a kind of network."""

from dataclasses import dataclass

from checkpoint import Chain, chain_of

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Case:
    """A network and a batch. `every` is the n of every n-th.

    `row_block_mib` is a budget in which row blocks recompute nothing, `one_extra_mib` one in which a plan recomputes at
    most one forward pass; None where neither gains anything. `steps` are timed together, so that a timing takes
    milliseconds.
    """

    name: str
    why: str
    sizes: tuple[int, ...]
    batch_size: int
    every: int
    row_block_mib: float | None
    steps: int = 1
    one_extra_mib: float | None = None

    @property
    def n_layers(self) -> int:
        """L."""
        return len(self.sizes) - 1

    @property
    def chain(self) -> Chain:
        """The chain of this case on NumPy, in float32."""
        return self.chain_on("numpy")

    def chain_on(self, backend_name: str) -> Chain:
        """The chain of this case on a backend, in float32."""
        return chain_of(self.sizes, batch_size=self.batch_size, backend=backend_name)


CLASSIC = Case("classic", "small layers, call overhead counts", (784, 100, 30, 10), 100, 2, None, steps=100)
DEEP = Case(
    "deep",
    "activations and weights of like size",
    (784, *[512] * 64, 10),
    1024,
    every=8,
    row_block_mib=83,
    one_extra_mib=20,
)
LONG = Case(
    "long",
    "activations far larger than weights",
    (784, *[256] * 256, 10),
    4096,
    every=16,
    row_block_mib=100,
    one_extra_mib=33,
)
RAGGED = Case(
    "ragged",
    "wide and narrow layers in turn",
    (784, *[1024, 64, 512, 32] * 12, 10),
    4096,
    every=7,
    row_block_mib=20,
    one_extra_mib=27,
)
CASES = {case.name: case for case in (CLASSIC, DEEP, LONG, RAGGED)}
