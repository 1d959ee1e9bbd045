"""Small random chains, and the pieces of a search over them."""

from dataclasses import replace
from functools import reduce
from math import gcd
from random import Random

from checkpoint import Chain, Flops, Schedule, simulate, store_all
from checkpoint.planning.programs.ladder import Ladder
from checkpoint.planning.programs.smallest_peak import SmallestPeak
from mlp.uptake import ONTO_WEIGHTS, UPTAKES


def random_chain(random: Random, *, most_layers: int = 6) -> Chain:
    """A chain of 2 layers or more, of widths 1 to 9; where the first is odd, errors are made in place.

    Gradients are taken up in each of the ways, as the number of its units makes it.
    """
    n_layers = random.randint(2, most_layers)
    widths = tuple(random.randint(1, 9) for _ in range(n_layers + 1))
    chain = Chain(widths, random.choice((1, 2, 5, 8, 64)), error_in_place=widths[0] % 2 == 1)
    return taken_up(chain, sum(widths))


def taken_up(chain: Chain, number: int) -> Chain:
    """The chain with gradients taken up in one of the ways that are possible on it, by the number."""
    ways = [way for way in UPTAKES if not (way == ONTO_WEIGHTS and chain.error_in_place)]
    return replace(chain, uptake=ways[number % len(ways)])


def ladder_of(chain: Chain, sizes: list[int] | None = None) -> Ladder:
    """All positions of a chain, with whole mini-batches unless there are sizes."""
    return Ladder(chain, Flops(chain), list(range(chain.n_layers + 1)), sizes or [chain.batch_size])


def common_divisor(ladder: Ladder) -> int:
    """The largest unit in which the bytes of the ladder's activations are whole numbers."""
    return reduce(gcd, ladder.held[1:-1], 0) or 1


def random_budget(random: Random, chain: Chain) -> int:
    """A budget between the smallest peak and store-all's, more often near the smallest, where it matters."""
    low = SmallestPeak(ladder_of(chain)).peak_bytes
    high = simulate(store_all(n_layers=chain.n_layers), chain).peak_bytes
    return random.randint(low, low + (high - low) // random.choice((1, 2, 4)))


def step_flops(chain: Chain) -> int:
    """The operations of a step that recomputes nothing."""
    cost = Flops(chain)
    layers = range(1, chain.n_layers + 1)
    return sum(cost.forward(layer, chain.batch_size) + cost.backward(layer, chain.batch_size) for layer in layers)


def schedule_of(chain: Chain, actions: object) -> Schedule:
    """The actions as a schedule for this chain's batch."""
    return Schedule(chain.n_layers, tuple(actions), "", chain.batch_size)  # type: ignore[call-overload]
