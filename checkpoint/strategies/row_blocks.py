"""Row blocks around the whole chain: micro-batches, each with checkpoints of its own.

The layers of a multi-layer perceptron don't mix rows, so a mini-batch can go through the whole chain a block of rows at
a time. The gradients of all layers are held from the first block to the last; activations are as small as the blocks.
With everything stored inside a block this is plain micro-batching (gradient accumulation), and nothing is recomputed.
Inside a block, any schedule for that many rows will do.

With checkpoints for the whole mini-batch, row blocks inside single segments are `checkpoint.planning.programs.leaves`,
and those over several segments `checkpoint.planning.programs.block_segments`.
"""

from checkpoint.arguments import whole_number
from checkpoint.errors import CheckpointError
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.stretches import Stretch
from checkpoint.strategies.store_all import store_all
from checkpoint.strategies.sweeps import row_blocks


def micro_batches(*, n_layers: int, batch_size: int, rows: int) -> Schedule:
    """Plain micro-batching: the whole chain, `rows` rows at a time; nothing is recomputed.

    >>> print(micro_batches(n_layers=2, batch_size=5, rows=3))
    F1[0:3]* F2[0:3] B2[0:3] B1[0:3] F1[3:5]* F2[3:5] B2[3:5] B1[3:5]
    """
    batch_size = whole_number("batch_size", batch_size)
    rows = whole_number("a row block's number of rows", rows)
    if rows > batch_size:
        raise CheckpointError(f"a row block has 1 to {batch_size} rows; got {rows}")
    return in_row_blocks(
        store_all(n_layers=n_layers), batch_size=batch_size, rows=rows, name=f"micro-batches of {rows}"
    )


def in_row_blocks(schedule: Schedule, *, batch_size: int, rows: int, name: str = "") -> Schedule:
    """`schedule`, which is for whole mini-batches, on each block of `rows` rows of a mini-batch in turn."""
    if rows >= batch_size:
        return Schedule.in_stretches(
            schedule.n_layers, schedule.stretches, name or schedule.name, pieces=schedule.pieces
        )
    if schedule.offloads:
        raise CheckpointError("activations in row blocks are not offloaded; offload whole mini-batches")
    blocks = Stretch(tuple(schedule), row_blocks(batch_size, rows))
    return Schedule.in_stretches(schedule.n_layers, [blocks], name, batch_size, schedule.pieces)


def gradients_bytes(chain: Chain) -> int:
    """The bytes of the gradients of all layers as row blocks around the whole chain add them up."""
    return sum(chain.sum_bytes(layer) for layer in range(1, chain.n_layers + 1))
