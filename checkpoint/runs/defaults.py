"""The initialization and the learning rate of a run that names neither: what fits its cost, activation and momentum.

The classic choice, sigmoid and the quadratic cost without momentum, has the classic class's: normal weights and 3. Its
slopes are small, at most 1/4 a layer, so anything else learns nothing at such a rate: units of ReLU die in the first
steps and stay dead. There 0.1 with scaled weights learns on MNIST, whatever the cost and the activation, with up to ten
hidden layers; but 0.03 under the quadratic cost where outputs are neither bounded nor flat on one side, whose errors
grow with them: 0.1 diverged there. Momentum m makes steps add up to 1 / (1 - m) times as much.
"""

CLASSIC = ("sigmoid", "quadratic", 0)
CLASSIC_ETA = 3.0
ETA = 0.1
STEEP = ("identity", "elu", "softplus")
STEEP_ETA = 0.03


def default_initialization(*, activation: str, cost: str, momentum: float, output_activation: str | None = None) -> str:
    """The initialization where none is given.

    >>> default_initialization(activation="relu", cost="cross-entropy", momentum=0)
    'scaled'
    """
    return "normal" if _is_classic(activation, output_activation, cost, momentum) else "scaled"


def default_eta(
    *, activation: str, cost: str, momentum: float, initialization: str, output_activation: str | None = None
) -> float:
    """The learning rate where none is given.

    >>> default_eta(activation="sigmoid", cost="quadratic", momentum=0, initialization="normal")
    3.0
    >>> default_eta(activation="relu", cost="cross-entropy", momentum=0.9, initialization="scaled")
    0.01
    >>> default_eta(
    ...     activation="relu", output_activation="identity", cost="quadratic", momentum=0, initialization="scaled"
    ... )
    0.03
    """
    if _is_classic(activation, output_activation, cost, momentum) and initialization == "normal":
        return CLASSIC_ETA
    steep = cost == "quadratic" and (output_activation or activation) in STEEP
    return round((STEEP_ETA if steep else ETA) * (1 - momentum), 12)


def _is_classic(activation: str, output_activation: str | None, cost: str, momentum: float) -> bool:
    return (activation, cost, momentum) == CLASSIC and output_activation in (None, activation)
