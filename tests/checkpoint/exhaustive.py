"""Judges for planners: an interpreter of schedules written apart from `simulate`, and searches over all schedules.

The searches know nothing of intervals or fronts. They walk through every state that a step can be in.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf

from checkpoint import Chain, Forward, Release, Schedule

State = tuple[int, int, int, int]
"""Held activations as bits, the layer whose error is held (L + 1 at first), the highest run, those run again."""


class WrongSchedule(Exception):
    """The interpreter's refusal."""


@dataclass
class Account:
    """What a schedule took, as the interpreter counted it."""

    peak_bytes: int = 0
    forward_rows: int = 0


def interpret(schedule: Schedule, chain: Chain) -> Account:
    """Run `schedule` on symbols, one for every row of every activation; raises `WrongSchedule` or any lookup's error.

    A symbol says what a row of a buffer is: ("a", layer) or ("delta", layer).
    """
    n_layers, batch = chain.n_layers, chain.batch_size
    buffers: dict[int, dict[int, tuple[str, int]]] = {0: dict.fromkeys(range(batch), ("a", 0))}
    sums: dict[int, set[int]] = {}
    finished: list[int] = []
    account = Account()

    def require(fact: bool, what: str) -> None:
        if not fact:
            raise WrongSchedule(what)

    def held_bytes() -> int:
        activations = sum(chain.activation_bytes(layer, len(rows)) for layer, rows in buffers.items() if layer)
        return activations + sum(chain.sum_bytes(layer) for layer, done in sums.items() if len(done) < batch)

    for action in schedule.actions:
        layer = action.layer
        require(1 <= layer <= n_layers, "no such layer")
        rows = range(*(action.rows or (0, batch)))
        if isinstance(action, Forward):
            require(layer not in finished, "weights have changed")
            filling = action.whole and rows[0] > 0
            require(filling or layer not in buffers, "held twice")
            require(all(buffers[layer - 1][row] == ("a", layer - 1) for row in rows), "input not held")
            if filling:
                require(buffers[layer][rows[0] - 1] != ("empty", layer), "rows left out")
                require(buffers[layer][rows[0]] == ("empty", layer), "made twice")
            elif action.whole:
                buffers[layer] = dict.fromkeys(range(batch), ("empty", layer))
            else:
                buffers[layer] = {}
            buffers[layer].update(dict.fromkeys(rows, ("a", layer)))
            account.forward_rows += len(rows)
            account.peak_bytes = max(account.peak_bytes, held_bytes())
        elif isinstance(action, Release):
            require(set(buffers.pop(layer)) == set(rows), "released in part")
        else:
            above = ("a", layer) if layer == n_layers else ("delta", layer)
            require(all(buffers[layer][row] == above for row in rows), "no error to take back")
            require(all(buffers[layer - 1][row] == ("a", layer - 1) for row in rows), "input not held")
            done = sums.get(layer, set())
            require(not done & set(rows), "gradient counted twice")
            require(rows[0] == len(done), "blocks out of order")
            whole = len(rows) == batch
            if not whole:
                sums[layer] = done | set(rows)
            working = held_bytes() + chain.workspace_bytes(layer, len(rows))
            if not whole and len(sums[layer]) == batch:
                working += chain.sum_bytes(layer)
            account.peak_bytes = max(account.peak_bytes, working)
            if layer > 1:
                buffers[layer - 1].update(dict.fromkeys(rows, ("delta", layer - 1)))
            if max(buffers[layer]) == rows[-1]:
                del buffers[layer]
            if whole or len(sums[layer]) == batch:
                finished.append(layer)
    require(sorted(finished) == list(range(1, n_layers + 1)), "a gradient is missing")
    require(set(buffers) == {0}, "something is held at the end")
    return account


def least_recompute(chain: Chain, budget_bytes: int, *, kind: str = "all") -> float:
    """The fewest operations that schedules of a kind recompute within the budget; infinite where none fits.

    Kinds: "all"; "once-only", no layer runs more than twice; "persistent", what is kept stays until its backward step;
    "nested", persistent, and runs start from the last activation that is held, none between a_L and B_L.
    Dijkstra's search over the states of a step on a whole mini-batch.
    """
    n_layers = chain.n_layers
    held = [chain.activation_bytes(layer) for layer in range(n_layers + 1)]
    start: State = (1, n_layers + 1, 0, 0)
    best: dict[State, float] = {start: 0}
    waiting: list[tuple[float, State]] = [(0, start)]
    moves = {"persistent": _persistent_moves, "nested": _nested_moves}.get(kind, _moves)
    while waiting:
        cost, state = heappop(waiting)
        if cost > best[state]:
            continue
        if state[1] == 0:
            return cost
        for peak, price, following in moves(chain, held, state, once=kind == "once-only"):
            if peak <= budget_bytes and cost + price < best.get(following, inf):
                best[following] = cost + price
                heappush(waiting, (cost + price, following))
    return inf


def _bytes(held: list[int], bits: int, error: int, n_layers: int) -> int:
    total = sum(held[layer] for layer in range(n_layers + 1) if bits >> layer & 1)
    return total + (held[error] if error <= n_layers else 0)


def _beside(chain: Chain, error: int) -> int:
    """What stays of an activation beside the error that it has become: nothing, in an MLP's chain."""
    return chain.kept_bytes(error) if 0 < error <= chain.n_layers else 0


def _backward(chain: Chain, held: list[int], state: State) -> Iterator[tuple[int, float, State]]:
    bits, error, highest, again = state
    n_layers = chain.n_layers
    if error == n_layers + 1 and bits >> n_layers & 1:
        yield 0, 0, (bits & ~(1 << n_layers), n_layers, highest, again)  # a_L becomes its error
    elif error <= n_layers and bits >> (error - 1) & 1:
        growing = _beside(chain, error) + _beside(chain, error - 1)
        peak = _bytes(held, bits, error, n_layers) + chain.workspace_bytes(error) + growing
        after = bits if error == 1 else bits & ~(1 << (error - 1))
        yield peak, 0, (after, error - 1, highest, again)


def _moves(chain: Chain, held: list[int], state: State, *, once: bool) -> Iterator[tuple[int, float, State]]:
    bits, error, highest, again = state
    n_layers = chain.n_layers
    yield from _backward(chain, held, state)
    for layer in range(1, min(error, n_layers + 1)):
        if bits >> layer & 1:
            yield 0, 0, (bits & ~(1 << layer), error, highest, again)
        elif bits >> (layer - 1) & 1:
            repeated = layer <= highest
            if repeated and once and again >> layer & 1:
                continue
            after = bits | 1 << layer
            peak = _bytes(held, after, error, n_layers) + _beside(chain, error) + chain.forward_bytes(layer)
            marked = again | 1 << layer if repeated and once else again
            yield peak, chain.forward_flops(layer) if repeated else 0, (after, error, max(highest, layer), marked)


def _persistent_moves(chain: Chain, held: list[int], state: State, *, once: bool) -> Iterator[tuple[int, float, State]]:
    """Back, or a run from a held activation to one that is held from then on; what is passed is held for a moment."""
    bits, error, highest, again = state
    n_layers = chain.n_layers
    yield from _backward(chain, held, state)
    for start in range(min(error, n_layers + 1)):
        if not bits >> start & 1:
            continue
        before, peak, price = _bytes(held, bits, error, n_layers) + _beside(chain, error), 0, 0
        for stop in range(start + 1, min(error, n_layers + 1)):
            if bits >> stop & 1:
                break
            passed = held[stop - 1] if stop > start + 1 else 0
            peak = max(peak, before + passed + held[stop] + chain.forward_bytes(stop))
            price += chain.forward_flops(stop) if stop <= highest else 0
            yield peak, price, (bits | 1 << stop, error, max(highest, stop), again)


def _nested_moves(chain: Chain, held: list[int], state: State, *, once: bool) -> Iterator[tuple[int, float, State]]:
    """Those persistent moves that run from the last activation held, or go back; from a_L at once."""
    last = (state[0] & ((1 << state[1]) - 1)).bit_length() - 1
    for peak, price, following in _persistent_moves(chain, held, state, once=once):
        new = following[0] & ~state[0]
        if not new or (new > 1 << last and state[1] != chain.n_layers):
            yield peak, price, following
