"""Dropout's mask: which outputs of a layer a training step sets to 0. Nothing is drawn in turn, so nothing is stored.

Each output has a word of 32 bits of its own: word `unit % 4` of Philox4x32-10 (Salmon et al. 2011) under the counter
(unit // 4, row of the mini-batch, layer, step mod 2^32) and the key that is the network's seed mod 2^64, its low half
first. The output is dropped where its word is less than `below`. So recomputed layers, row blocks and all backends have
one mask.
"""

from dataclasses import dataclass, replace

import numpy as np

WORDS = 2**32
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
KEY_STEPS = 0x9E3779B9, 0xBB67AE85
ROUNDS = 10


def below_of(rate: float) -> int:
    """Below which number words drop, of a share `rate` from 0 up to 1.

    >>> below_of(0.0), below_of(0.5)
    (0, 2147483648)
    """
    return min(round(rate * WORDS), WORDS - 1)


@dataclass(frozen=True, slots=True)
class Drop:
    """What a mask follows from: the seed, the step, the layer, and the first row of those at hand in the mini-batch."""

    below: int
    seed: int
    step: int
    layer: int
    row: int = 0

    @property
    def kept(self) -> float:
        """The share that is kept; kept outputs are divided by it."""
        return (WORDS - self.below) / WORDS

    def from_row(self, row: int) -> "Drop":
        """That of the rows from `row` of these on."""
        return replace(self, row=self.row + row)

    def factor(self, *, undo: bool) -> float:
        """What kept outputs are multiplied by, or with `undo` what makes them as they were."""
        return self.kept if undo else WORDS / (WORDS - self.below)

    @property
    def key(self) -> tuple[int, int]:
        """The two halves of the key."""
        return self.seed % WORDS, self.seed // WORDS % WORDS


def dropped(drop: Drop, rows: int, columns: slice) -> np.ndarray:
    """Which of the outputs of `rows` rows and of `columns` are dropped, (rows, columns), bool."""
    units = np.arange(columns.start, columns.stop)
    return words(drop, np.arange(drop.row, drop.row + rows), units) < drop.below


def words(drop: Drop, rows: np.ndarray, units: np.ndarray) -> np.ndarray:
    """The words of outputs, (rows, units), in uint64 of which 32 bits are used."""
    mask, shift = np.uint64(WORDS - 1), np.uint64(32)
    shape = len(rows), len(units)
    c = [np.empty(shape, np.uint64) for _ in range(4)]
    c[0][...], c[1][...] = units // 4, rows.reshape(-1, 1)
    c[2][...], c[3][...] = drop.layer, drop.step % WORDS
    key = list(drop.key)
    for _ in range(ROUNDS):
        p, q = c[0] * np.uint64(MULTIPLIERS[0]), c[2] * np.uint64(MULTIPLIERS[1])
        c = [(q >> shift) ^ c[1] ^ np.uint64(key[0]), q & mask, (p >> shift) ^ c[3] ^ np.uint64(key[1]), p & mask]
        key = [(half + step) % WORDS for half, step in zip(key, KEY_STEPS, strict=True)]
    return np.choose(units % 4, c)
