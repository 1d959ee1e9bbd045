"""A training that goes from one process to ranks and back: parameters, optimizer state, history and counts.

Nothing is written: all ranks have the network of one process before, and all have it afterwards.
"""

from checkpoint.execution.ranks.links.base import wait
from checkpoint.execution.ranks.network import NetworkOnRanks
from mlp import Network


def take_over(ranked: NetworkOnRanks, network: Network) -> None:
    """Let `ranked` go on from where `network` is, an equal one on each rank; it keeps the state of its own layers."""
    _copy(network, ranked)
    for name, pairs in network.optimizer_state.items():
        for layer, (theirs, own) in enumerate(zip(pairs, ranked.optimizer_state[name], strict=True), 1):
            if ranked.owns(layer):
                for source, target in zip(theirs, own, strict=True):
                    network.backend.set_(target, source)


def hand_back(ranked: NetworkOnRanks, network: Network) -> None:
    """Let `network` go on from where `ranked` is, with the state of all layers; all ranks call this together."""
    _copy(ranked, network)
    for name, pairs in network.optimizer_state.items():
        for layer, (all_have, own) in enumerate(zip(pairs, ranked.optimizer_state[name], strict=True), 1):
            for target, source in zip(all_have, own, strict=True):
                if ranked.owns(layer):
                    network.backend.set_(target, source)
                wait(ranked.link.broadcast(target, ranked.owners[layer - 1]))


def _copy(source: Network, target: Network) -> None:
    target.weights[:], target.biases[:] = source.weights, source.biases
    target.epochs_trained, target.steps_trained = source.epochs_trained, source.steps_trained
    target.history, target.scaling = source.history, source.scaling
