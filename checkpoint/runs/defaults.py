"""The initialization and the learning rate of a run that names neither: what fits cost, activation and optimizer.

The classic choice, sigmoid and the quadratic cost by plain gradient descent, has the classic class's: normal weights
and 3. Its slopes are small, at most 1/4 a layer, so anything else learns nothing at such a rate: units of ReLU die in
the first steps and stay dead. There 0.1 with scaled weights learns on MNIST, whatever the cost and the activation, with
up to ten hidden layers; but 0.03 under the quadratic cost where outputs are neither bounded nor flat on one side, whose
errors grow with them: 0.1 diverged there. Momentum m makes steps add up to 1 / (1 - m) times as much. Optimizers that
divide gradients by their size have rates of their own, which fit all costs and activations.
"""

from mlp.optimizers.named import OPTIMIZERS

CLASSIC = ("sigmoid", "quadratic", 0, "sgd")
CLASSIC_ETA = 3.0
ETA = 0.1
STEEP = ("identity", "elu", "softplus")
STEEP_ETA = 0.03


def default_initialization(
    *, activation: str, cost: str, momentum: float, optimizer: str = "sgd", output_activation: str | None = None
) -> str:
    """The initialization where none is given; `optimizer` is a text that names one.

    >>> default_initialization(activation="relu", cost="cross-entropy", momentum=0)
    'scaled'
    """
    classic = _is_classic(activation, output_activation, cost, momentum, optimizer)
    return "normal" if classic else "scaled"


def default_eta(
    *,
    activation: str,
    cost: str,
    momentum: float,
    initialization: str,
    optimizer: str = "sgd",
    output_activation: str | None = None,
) -> float:
    """The learning rate where none is given.

    >>> default_eta(activation="sigmoid", cost="quadratic", momentum=0, initialization="normal")
    3.0
    >>> default_eta(activation="relu", cost="cross-entropy", momentum=0.9, initialization="scaled")
    0.01
    >>> default_eta(activation="relu", cost="cross-entropy", momentum=0, initialization="scaled", optimizer="adam")
    0.001
    >>> default_eta(
    ...     activation="relu", output_activation="identity", cost="quadratic", momentum=0, initialization="scaled"
    ... )
    0.03
    """
    if _is_classic(activation, output_activation, cost, momentum, optimizer) and initialization == "normal":
        return CLASSIC_ETA
    steep = cost == "quadratic" and (output_activation or activation) in STEEP
    usual = OPTIMIZERS[_name(optimizer)].usual_eta
    return round((min(usual, STEEP_ETA) if steep else usual) * (1 - momentum), 12)


def _is_classic(activation: str, output: str | None, cost: str, momentum: float, optimizer: str) -> bool:
    return (activation, cost, momentum, _name(optimizer)) == CLASSIC and output in (None, activation)


def _name(optimizer: str) -> str:
    return optimizer.partition(":")[0]
