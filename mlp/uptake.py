"""How a step takes up the gradient of a layer, and what it holds of it for that. Plain names and numbers; no arrays.

*In pieces*: some rows of the gradient are made, and the optimizer changes the weights by them; row blocks add up the
gradient of the layer. Every optimizer can do so. *Onto weights*: plain gradient descent on whole mini-batches adds the
products to the weights themselves, where the backend can, and holds no gradient. *Onto velocity*: plain momentum scales
the velocity, adds to it whatever rows come, and then adds it to the weights: whole mini-batches and row blocks hold no
gradient.
"""

from backend.facts import Facts

IN_PIECES, ONTO_WEIGHTS, ONTO_VELOCITY = UPTAKES = ("in pieces", "onto weights", "onto velocity")


def uptake_of(optimizer: object, facts: Facts) -> str:
    """The uptake of gradients under `optimizer` on the backend of these facts; in pieces for one that names none.

    >>> uptake_of(object(), Facts())
    'in pieces'
    """
    return possible_uptake(getattr(optimizer, "uptake", IN_PIECES), facts)


def possible_uptake(wanted: str, facts: Facts) -> str:
    """The uptake on the backend of these facts where an optimizer can do with the one that is `wanted`."""
    return IN_PIECES if wanted == ONTO_WEIGHTS and not facts.onto_weights else wanted


def fits_onto_weights(layer: int, *, rows: int, n_out: int, error_rows: int) -> bool:
    """Whether a step on `rows` rows puts this layer's gradient onto the weights, where others do.

    The error below needs the old weights and the gradient the old activation. So, but for layer 1, one of them is held
    for some inputs: all rows of their error, or their gradient beside `error_rows` rows of it. It is what takes less.
    """
    return layer == 1 or rows <= n_out + error_rows
