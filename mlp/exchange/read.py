"""Reads the weights of a chain of dense layers from an untrusted safetensors file, and makes a network with them.

The library checks the header against the file's length, so no shape promises more than is there. Names, shapes and
dtypes are checked before a value is read, and values as they come.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np

from mlp.data.errors import DataError
from mlp.data.stream import open_regular
from mlp.errors import NetworkError, StateError
from mlp.exchange.forms import Form, form_of
from mlp.exchange.library import safetensors
from mlp.network import Network
from mlp.saving.paths import as_path
from mlp.sizes import check_sizes

DTYPES = {"F16": "float32", "F32": "float32", "F64": "float64"}
"""What is read, and the dtype of the network that is made of it."""

Made = TypeVar("Made", bound=Network)


@overload
def import_weights(path: str | Path, *, kind: Callable[..., Made], **arguments: Any) -> Made: ...
@overload
def import_weights(path: str | Path, **arguments: Any) -> Network: ...
def import_weights(path: str | Path, *, kind: Callable[..., Network] = Network, **arguments: Any) -> Network:
    """A network with the weights and biases in `path`, a safetensors file of PyTorch's or Keras's dense layers.

    Its sizes are those of the weights. `kind` makes it, of sizes and `arguments`: `Network`, or another class with what
    it takes. Activations and the cost are not in the file: give those that the weights were trained with. `dtype` is
    the file's unless it is given; a layer without biases gets zeros.

    Raises `StateError`, one line, for any other file and without the safetensors library, and what `kind` raises.
    """
    path, library = as_path(path), safetensors()
    try:
        with open_regular(path):
            pass
        with library.safe_open(path, framework="numpy") as file:
            form, layers = form_of(file.keys())
            names = set(file.keys())
            sizes, dtype = _sizes(file, form, layers)
            network = kind(sizes, **{"dtype": dtype, **arguments})
            if tuple(network.sizes) != sizes:
                raise NetworkError(f"kind made a network of sizes {network.sizes}; the weights are for {sizes}")
            for k, layer in enumerate(layers):
                weight = _values(file, layer + form.weight)
                network.weights[k] = _cast(weight.T if form.turned else weight, network.dtype, layer + form.weight)
                bias = layer + form.bias
                zeros = np.zeros(sizes[k + 1], network.dtype)
                network.biases[k] = _cast(_values(file, bias), network.dtype, bias) if bias in names else zeros
    except DataError as error:
        raise StateError(str(error)) from None
    except StateError as error:
        raise StateError(str(error), path=path) from None
    except (library.SafetensorError, OSError) as error:
        raise StateError(f"is no safetensors file, or is damaged ({error})", path=path) from None
    return network


def _sizes(file: Any, form: Form, layers: list[str]) -> tuple[tuple[int, ...], str]:
    """The widths that the weights' shapes say, and the dtype of a network of them; each layer must fit the last."""
    widths: list[int] = []
    dtypes, names = set(), set(file.keys())
    for layer in layers:
        name, there = layer + form.weight, file.get_slice(layer + form.weight)
        shape = tuple(there.get_shape())
        if len(shape) != 2 or 0 in shape:
            way = "(out, in)" if form.turned else "(in, out)"
            raise StateError(f"{name!r:.60} has shape {shape}; wanted that of a dense layer, {way}")
        n_in, n_out = reversed(shape) if form.turned else shape
        if widths and widths[-1] != n_in:
            raise StateError(
                f"{name!r:.60} takes {n_in} inputs where the layer before it has {widths[-1]} outputs; layers "
                f"are in the order of their names, with numbers as numbers"
            )
        widths += [n_out] if widths else [n_in, n_out]
        dtypes.add(there.get_dtype())
        if layer + form.bias in names:
            bias = file.get_slice(layer + form.bias)
            if tuple(bias.get_shape()) != (n_out,):
                raise StateError(f"{layer + form.bias!r:.60} has shape {tuple(bias.get_shape())}; wanted ({n_out},)")
            dtypes.add(bias.get_dtype())
    if not dtypes <= set(DTYPES):
        raise StateError(f"holds values of {', '.join(sorted(dtypes - set(DTYPES)))}; wanted {', '.join(DTYPES)}")
    return check_sizes(widths), "float64" if "F64" in dtypes else "float32"


def _values(file: Any, name: str) -> np.ndarray:
    array: np.ndarray = file.get_tensor(name)
    return array


def _cast(array: np.ndarray, dtype: str, name: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        cast = np.ascontiguousarray(array, dtype=dtype)
    if not np.isfinite(cast).all():
        raise StateError(f"{name!r:.60} holds a value that is not finite in {dtype}")
    return cast
