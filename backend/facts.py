"""Plain numbers about each backend, said once: predictions of bytes and promises of bits rest on them.

No array library is imported here, so a plan can be made for a backend that isn't installed. A `Backend` says which row
is its own; planners look theirs up by name.
"""

from dataclasses import dataclass

CHUNK_ROWS = 128
"""Rows of the batch whose part of a weight gradient the compiled kernels sum before they add it to the rest."""

LINE_BYTES, PADDED_BYTES = 64, 4096
"""A cache line, and the size from which on arrays begin and end on one in an arena: 1.6% more at most."""

HALF_BYTES = 2
"""What a value takes that is kept in float16 or bfloat16; see `backend.halves`."""

NAMES = ("numpy", "cupy")
"""The backends that a user can ask for."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a planner has to know about a backend. The defaults are the reference's.

    `allocation_bytes` is the unit that each allocation is rounded up to.

    `error_in_place`: whether `Backend.backward_layer_` turns an activation into the error below without holding a piece
    of that error elsewhere. Products of cuBLAS and of NumPy cannot write over their own input.

    `onto_weights`: whether `Backend.backward_onto_weights_` serves, which holds the whole error of some inputs and none
    of their gradient. Where errors are made in place, a piece of the gradient takes less.

    `chunk_rows`: gradients are summed over chunks of this many rows, which are added up in turn, so row blocks that
    begin at multiples of it leave gradients bit-identical. None where sums have another order.

    `keeps_freed_memory`: whether the library keeps freed memory and hands it out again.

    `asynchronous`: whether the host runs ahead of the device, so that reading a value waits for all work begun.
    """

    allocation_bytes: int = 1
    error_in_place: bool = False
    onto_weights: bool = True
    chunk_rows: int | None = None
    keeps_freed_memory: bool = False
    asynchronous: bool = False

    def array_bytes(self, size: int) -> int:
        """The bytes that an array of `size` bytes takes from the allocator."""
        return -(-size // self.allocation_bytes) * self.allocation_bytes

    def placed_bytes(self, size: int) -> int:
        """The bytes that an array of `size` bytes takes in an arena, where large ones are padded to cache lines."""
        return padded(self.array_bytes(size))


def padded(size: int) -> int:
    """`size` bytes, rounded up to cache lines if they are many."""
    return size if size < PADDED_BYTES else -(-size // LINE_BYTES) * LINE_BYTES


UNCOMPILED = "numpy-uncompiled"
"""NumPy's own kernels, which serve where the compiled ones cannot be built or loaded."""

FACTS = {
    "numpy": Facts(error_in_place=True, onto_weights=False, chunk_rows=CHUNK_ROWS),
    "cupy": Facts(allocation_bytes=512, keeps_freed_memory=True, asynchronous=True),
    UNCOMPILED: Facts(),
}
"""The facts of each backend by name. CuPy's memory pool rounds up to 512 bytes; NumPy's allocator counts each byte."""
