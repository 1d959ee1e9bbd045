"""Writes a network's weights as others name them."""

from pathlib import Path

import numpy as np

from mlp.arguments import check_name
from mlp.errors import StateError
from mlp.exchange.forms import FORMS
from mlp.exchange.library import safetensors
from mlp.network import Network
from mlp.saving.atomic import replaced
from mlp.saving.paths import as_path


def export_weights(path: str | Path, network: Network, *, form: str = "torch") -> list[str]:
    """Write the weights and biases of `network` to `path`, a safetensors file; returns the names in it, layer by layer.

    `form`: "torch", for `load_state_dict` of a `Sequential` of `Linear` layers with an activation after each, or
    "keras", for `Dense` layers. Activations are not in the file. A copy of all parameters is made. `path` holds the old
    file or the new one, whole, whenever this is killed.

    Raises `NetworkError` for another form, and `StateError` where the file cannot be written, a value is not finite, or
    the safetensors library is not installed.
    """
    path, library = as_path(path), safetensors()
    named = FORMS[check_name("form", form, tuple(FORMS))]
    tensors: dict[str, np.ndarray] = {}
    for layer, (W, b) in enumerate(zip(network.weights, network.biases, strict=True), start=1):
        weight, name = network.backend.to_numpy(W), named.layer_name(layer)
        tensors[name + named.weight] = np.ascontiguousarray(weight.T if named.turned else weight)
        tensors[name + named.bias] = np.ascontiguousarray(network.backend.to_numpy(b))
    for name, array in tensors.items():
        if not np.isfinite(array).all():
            raise StateError(f"{name} would hold a value that is not finite; train again with a lower eta", path=path)
    content = library.numpy.save(tensors, metadata={"format": named.marked})
    try:
        with replaced(path) as file:
            file.write(content)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StateError(f"cannot be written ({reason}); what was there is unchanged", path=path) from None
    return list(tensors)
