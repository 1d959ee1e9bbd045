"""The workloads that are compared, each standing for a kind of network."""

from dataclasses import dataclass

from checkpoint import Chain, chain_of

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Case:
    """A network and a batch. `every` is the n of every n-th, `row_block_mib` a budget that row blocks are for."""

    name: str
    why: str
    sizes: tuple[int, ...]
    batch_size: int
    every: int
    row_block_mib: float | None
    steps: int = 1  # in one timing, so that it takes milliseconds

    @property
    def chain(self) -> Chain:
        """The chain of this case on NumPy, in float32."""
        return chain_of(self.sizes, batch_size=self.batch_size)


CASES = {
    case.name: case
    for case in (
        Case("classic", "small layers, call overhead counts", (784, 100, 30, 10), 100, 2, None, steps=100),
        Case("deep", "activations and weights of like size", (784, *[512] * 64, 10), 1024, 8, 83),
        Case("long", "activations far larger than weights", (784, *[256] * 256, 10), 4096, 16, 100),
        Case("ragged", "wide and narrow layers in turn", (784, *[1024, 64, 512, 32] * 12, 10), 4096, 7, 20),
    )
}
