"""The data that a saved network was trained on: noted when it is saved; found again and compared when it is used."""

from pathlib import Path

from checkpoint.errors import CheckpointError
from mlp import SavedState, data
from mlp.data import Dataset

NAMES = ("mnist", "sample")


def note_of(dataset: Dataset, given: str) -> str:
    """What finds `dataset` again, wherever the program is started: a name, or a whole path. `given`: as in `--data`."""
    if dataset.name in NAMES:  # "mnist" may have been asked for, and the sample have taken its place
        return dataset.name
    return str(Path(given).expanduser().resolve())


def noted(state: SavedState) -> str | None:
    """What `note_of` said when the state was saved; None where the state was not saved by a training run."""
    return state.notes.get("data") or None


def is_trained_data(dataset: Dataset, state: SavedState) -> bool | None:
    """Whether the network was trained on this data, by its digest; None where the state does not say."""
    digest = state.progress.data_digest if state.progress else ""
    return dataset.digest == digest if digest else None


def load_trained_data(state: SavedState, path: Path) -> Dataset:
    """The data that the network saved at `path` was trained on, and no other in its place.

    Raises `CheckpointError` where the state does not say which it was, and where it cannot be had or has changed;
    `DataError` for what is at its path now.
    """
    source = noted(state)
    if source is None:
        raise CheckpointError(f"{path} does not say which data it was trained on; give --data")
    dataset = load_itself(source)
    if is_trained_data(dataset, state) is False:
        raise CheckpointError(
            f"{source} is not the data any more that {path} was trained on: its SHA-256 is {dataset.digest[:12]}..., "
            f"was {state.progress.data_digest[:12] if state.progress else ''}...; give --data to use it all the same"
        )
    return dataset


def load_itself(source: str) -> Dataset:
    """`mlp.data.load`, without the sample in the place of MNIST. Raises `CheckpointError` where MNIST cannot be had."""
    dataset = data.load(source)
    if dataset.name == "sample" != source:
        reason = (dataset.notice or "").partition("; using")[0]
        raise CheckpointError(f"{reason}; give --data, with the path of a copy or sample")
    return dataset
