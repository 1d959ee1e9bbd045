"""How a step's memory grows with the number of hidden layers: the exercise's first question. No arrays here.

The chain is even: n_0 inputs, H hidden layers of one width n, a small output, batch B, so L = H + 1 layers. In values,
the formula counts the activations that are live at the peak, B n each, and what a backward step works in: w in a hidden
layer, w_1 in the first one, whose weights may be many.

    store all      max(B n H + w, B n + w_1)
    every k-th     max(B n (C + max(k - 1, H - C k)) + w, B n + w_1),  C = ceil(L / k) - 1 checkpoints, if there are any

C + k - 1 is the error, the checkpoints below it and a segment at work; C + H - C k is the end of the forward pass,
where the last segment is held whole. With k = sqrt(L) both are about 2 sqrt(L). The formula leaves out the output layer
and its few values; the prediction of `simulate` counts everything.
"""

from dataclasses import dataclass

from checkpoint.planning.choice import Choice
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.simulation import simulate


@dataclass(frozen=True, slots=True)
class Growth:
    """Peak array bytes above rest for one depth and one way: by the formula, by simulation, and measured if it was."""

    hidden_layers: int
    way: str
    formula_bytes: int
    predicted_bytes: int
    measured_bytes: int | None = None

    @property
    def name(self) -> str:
        """The way in words: "store all" for "none"."""
        return "store all" if self.way == "none" else self.way


def even_sizes(hidden_layers: int, *, inputs: int, width: int, outputs: int) -> tuple[int, ...]:
    """The widths of the even chain."""
    return (inputs, *[width] * hidden_layers, outputs)


def growth(chain: Chain, way: str) -> Growth:
    """Formula and prediction for an even chain, `way` being "none", "every:N" or "sqrt".

    >>> from checkpoint.schedule.chain import chain_of
    >>> found = growth(chain_of([784, *[100] * 8, 10], batch_size=100), "none")
    >>> found.formula_bytes, found.predicted_bytes
    (360400, 360400)
    """
    hidden, choice = chain.n_layers - 1, Choice(way)
    spacing = choice.spacing(chain.n_layers)
    checkpoints = -(-chain.n_layers // spacing) - 1
    live = checkpoints + max(spacing - 1, hidden - checkpoints * spacing) if 1 <= checkpoints < hidden else hidden
    one = chain.activation_bytes(1)
    formula = max(live * one + chain.workspace_bytes(max(hidden, 1)), one + chain.workspace_bytes(1))
    predicted = simulate(choice.schedule(chain), chain).peak_bytes
    return Growth(hidden, way, formula, predicted)
