"""What a step takes in a machine's seconds, from a few constants of it. Plain numbers; no arrays here.

Counting operations cannot see that each row block reads all weights of a layer again, that few rows at once multiply
slower, that narrow layers are mostly sigmoids, or what a call costs. `checkpoint.measuring.constants` measures the
constants once; planning reads them, so that equal inputs make equal plans.
"""

from dataclasses import dataclass, fields

from checkpoint.errors import CheckpointError
from checkpoint.schedule.chain import Chain


@dataclass(frozen=True, slots=True)
class MachineConstants:
    """One machine's, for one dtype. All are finite and above 0, but `half_rows` may be 0.

    Products run at `forward_flops` or `backward_flops` a second. Reading a layer's weights takes as long as multiplying
    `half_rows` rows, and those that are not in the last-level cache, of `cache_bytes`, come at `bytes_per_second`.
    `call_seconds` are those of a layer's step whatever it works on, and `value_seconds` of one value's activation.
    """

    forward_flops: float
    backward_flops: float
    half_rows: float
    call_seconds: float
    value_seconds: float
    bytes_per_second: float
    cache_bytes: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = 0.0 if field.name == "half_rows" else 1e-15
            if not isinstance(value, int | float) or not least <= value < 1e30:
                raise CheckpointError(f"{field.name} of a machine must be a number above 0; got {value!r}")


@dataclass(frozen=True, slots=True)
class MachineCost:
    """A `checkpoint.planning.costs.Cost` in seconds, of `chain` on the machine of `constants`.

    >>> from checkpoint.schedule.chain import chain_of
    >>> constants = MachineConstants(1e11, 9e10, 8.0, 2e-6, 1e-9, 1e10, 2**25)
    >>> cost = MachineCost(chain_of([784, 512, 10], batch_size=1024), constants)
    >>> cost.forward(1, 1024) < 2 * cost.forward(1, 512)
    True
    """

    chain: Chain
    constants: MachineConstants

    def forward(self, layer: int, rows: int) -> float:
        """Seconds of running `layer` forward on `rows` rows."""
        flops = self.chain.forward_flops(layer, rows)
        return self._seconds(flops, self.constants.forward_flops, layer, rows, weight_passes=1)

    def backward(self, layer: int, rows: int) -> float:
        """Seconds of its backward step, which reads the weights, and reads and writes them once more to apply to."""
        flops = self.chain.backward_flops(layer, rows)
        return self._seconds(flops, self.constants.backward_flops, layer, rows, weight_passes=3)

    def _seconds(self, flops: int, rate: float, layer: int, rows: int, *, weight_passes: int) -> float:
        known = self.constants
        product = flops / rate
        cached = product * known.half_rows / rows
        uncached = weight_passes * self._weight_bytes(layer) * self._uncached / known.bytes_per_second
        values = rows * self.chain.widths[layer] * known.value_seconds
        return known.call_seconds + product + max(cached, uncached) + values

    def _weight_bytes(self, layer: int) -> int:
        return self.chain.widths[layer - 1] * self.chain.widths[layer] * self.chain.item_bytes

    @property
    def _uncached(self) -> float:
        """The part of the weights that the cache has lost by the time that they are read again."""
        total = sum(self._weight_bytes(layer) for layer in range(1, self.chain.n_layers + 1))
        return max(0.0, 1 - self.constants.cache_bytes / total)
