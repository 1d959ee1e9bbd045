"""Dropout by NumPy's ufuncs, in place and in the thread's working memory: see `backend.dropping`."""

import numpy as np

from backend.dropping import KEY_STEPS, MULTIPLIERS, ROUNDS, WORDS, Drop
from backend.numpy.working import NUMBERS, WORK_VALUES, work

_MULTIPLIERS = [np.array(number, np.uint64) for number in MULTIPLIERS]
_MASK, _SHIFT = np.array(WORDS - 1, np.uint64), np.array(32, np.uint64)
_COUNTERS = np.arange(WORK_VALUES // 4, dtype=np.uint64)


def drop_row(a: np.ndarray, drop: Drop, row: int, unit: int, *, undo: bool) -> None:
    """Drop outputs of one row of the mini-batch, a vector of at most `WORK_VALUES` - 4 of them from `unit` on."""
    first, count = unit // 4, (unit + a.size - 1) // 4 - unit // 4 + 1
    c, (p, q, _, _) = work.values(np.uint64, (4, count)), work.values(np.uint64, (4, count), 1)
    np.add(_COUNTERS[:count], work.number(first, np.uint64), out=c[0])
    for k, number in ((1, row), (2, drop.layer), (3, drop.step % WORDS)):
        c[k].fill(number)
    key = list(drop.key)
    for _ in range(ROUNDS):
        np.multiply(c[0], _MULTIPLIERS[0], out=p)
        np.multiply(c[2], _MULTIPLIERS[1], out=q)
        for k, product, half in ((0, q, key[0]), (2, p, key[1])):
            np.right_shift(product, _SHIFT, out=c[k])
            np.bitwise_xor(c[k], c[k + 1], out=c[k])
            np.bitwise_xor(c[k], work.number(half, np.uint64), out=c[k])
            np.bitwise_and(product, _MASK, out=c[k + 1])
        key = [(half + step) % WORDS for half, step in zip(key, KEY_STEPS, strict=True)]
    low = work.truths((count, 4))
    for k in range(4):
        np.less(c[k], work.number(drop.below, np.uint64), out=low[:, k])
    np.multiply(a, work.number(drop.factor(undo=undo), a.dtype), out=a)
    np.copyto(a, NUMBERS[a.dtype, 0], where=low.reshape(-1)[unit % 4 : unit % 4 + a.size])
