"""How others name the parameters of a chain of dense layers, and which way round they keep a weight. No arrays here.

PyTorch's `Sequential(Linear, Sigmoid, Linear, ...)` calls them "0.weight" (out, in) and "0.bias", then "2.weight", as
each activation is a module too. Keras calls those of `Dense` "dense/kernel" (in, out) and "dense/bias", then
"dense_1/kernel": the names of layers and weights with a slash between them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mlp.errors import StateError, one_line


@dataclass(frozen=True, slots=True)
class Form:
    """`weight` and `bias` end the names of a layer's parameters; `turned` says that weights are (out, in)."""

    name: str
    weight: str
    bias: str
    turned: bool
    marked: str

    def layer_name(self, layer: int) -> str:
        """What layer 1 .. L is called.

        >>> FORMS["torch"].layer_name(2), FORMS["keras"].layer_name(1), FORMS["keras"].layer_name(2)
        ('2', 'dense', 'dense_1')
        """
        if self.name == "torch":
            return str(2 * (layer - 1))
        return "dense" if layer == 1 else f"dense_{layer - 1}"


FORMS = {
    "torch": Form("torch", ".weight", ".bias", turned=True, marked="pt"),
    "keras": Form("keras", "/kernel", "/bias", turned=False, marked="np"),
}
"""`marked`: what the file says of its format, which some readers want."""


def form_of(names: Iterable[str]) -> tuple[Form, list[str]]:
    """The form of a file with these names, and its layers' names in order: "2" before "10", "dense" before "dense_1".

    Raises `StateError` for names that no chain of dense layers has.
    """
    names = set(names)
    form = next((form for form in FORMS.values() if any(name.endswith(form.weight) for name in names)), None)
    if form is None:
        wanted = " or ".join(f"*{form.weight}" for form in FORMS.values())
        raise StateError(f"holds no weights of dense layers: wanted names such as {wanted}, found {_few(names)}")
    layers = [name.removesuffix(form.weight) for name in names if name.endswith(form.weight)]
    strange = names - {layer + ending for layer in layers for ending in (form.weight, form.bias)}
    if strange:
        raise StateError(f"holds {_few(strange)}, which no chain of dense layers has; export those layers alone")
    return form, sorted(layers, key=_in_order)


def _in_order(name: str) -> list[tuple[str, int]]:
    """Digits count as numbers."""
    parts = re.split(r"([0-9]{1,18})", name)
    return [(text, int(number or 0)) for text, number in zip(parts[::2], [*parts[1::2], ""], strict=True)]


def _few(names: Iterable[str]) -> str:
    shown = [repr(one_line(name, limit=40)) for name in sorted(names)]
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "") if shown else "none"
