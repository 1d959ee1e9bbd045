"""How the training data of a saved network was prepared, as its state's notes say."""

from pathlib import Path

from mlp.data.errors import DataError
from mlp.data.values.preparation import NOTE, Preparation
from mlp.errors import StateError
from mlp.saving.state import SavedState


def prepared_as(state: SavedState, path: Path) -> Preparation | None:
    """How the data of the network saved at `path` was prepared; None where the state does not say.

    Raises `StateError` for what no training wrote there.
    """
    text = state.notes.get(NOTE)
    if not text:
        return None
    try:
        found = Preparation.from_json(text)
    except DataError as error:
        raise StateError(str(error), path=path) from None
    outputs = (found.outputs, 1) if found.classes is not None and found.outputs == 2 else (found.outputs,)
    enough = found.classes is not None and state.sizes[-1] > found.outputs
    if found.features != state.sizes[0] or not (enough or state.sizes[-1] in outputs):
        raise StateError("what it says of its training data is of another network; it is damaged", path=path)
    return found
