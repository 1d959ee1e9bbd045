"""The data that a saved network was trained on: noted when it is saved; found again and compared when it is used."""

from dataclasses import replace
from pathlib import Path

from checkpoint.errors import CheckpointError
from mlp import SavedState, data
from mlp.data import Dataset, Preparation
from mlp.data.load import NAMES, paths_of
from mlp.saving.prepared import prepared_as


def note_of(dataset: Dataset, given: str) -> str:
    """What finds `dataset` again, wherever the program is started: a name, or a whole path. `given`: as in `--data`."""
    if dataset.name in NAMES:  # "mnist" may have been asked for, and the sample have taken its place
        return dataset.name
    return ",".join(str(path.resolve()) for path in paths_of(given))


def noted(state: SavedState) -> str | None:
    """What `note_of` said when the state was saved; None where the state was not saved by a training run."""
    return state.notes.get("data") or None


def is_trained_data(dataset: Dataset, state: SavedState) -> bool | None:
    """Whether the network was trained on this data, by its digest; None where the state does not say."""
    digest = state.progress.data_digest if state.progress else ""
    return dataset.digest == digest if digest and dataset.digest else None


def prepared_alike(state: SavedState, path: Path, *, skip_pass: bool) -> Preparation | None:
    """`prepared_as`, with the choice made now of whether files are read through at the start."""
    known = prepared_as(state, path)
    return None if known is None else replace(known, reading=replace(known.reading, skip_pass=skip_pass))


def load_trained_data(state: SavedState, path: Path, *, skip_pass: bool = False) -> Dataset:
    """The data that the network saved at `path` was trained on, and no other in its place.

    Raises `CheckpointError` where the state does not say which it was, and where it cannot be had or has changed;
    `DataError` for what is at its path now.
    """
    source = noted(state)
    if source is None:
        raise CheckpointError(f"{path} does not say which data it was trained on; give --data")
    dataset = load_itself(source, state, path, skip_pass=skip_pass)
    if is_trained_data(dataset, state) is False:
        raise CheckpointError(
            f"{source} is not the data any more that {path} was trained on: its SHA-256 is {dataset.digest[:12]}..., "
            f"was {state.progress.data_digest[:12] if state.progress else ''}...; give --data to use it all the same"
        )
    return dataset


def load_itself(source: str, state: SavedState, path: Path, *, skip_pass: bool = False) -> Dataset:
    """The data at `source`, prepared as that of the network saved at `path`; never the sample in the place of MNIST.

    Where that is other data than the network was trained on, and has no test part, all of it is to test with. Raises
    `CheckpointError` where MNIST cannot be had.
    """
    known = prepared_alike(state, path, skip_pass=skip_pass)
    trained = state.progress.data_digest if state.progress else ""
    dataset = data.load(source, known=known, trained_digest=trained)
    if dataset.name == "sample" != source:
        reason = (dataset.notice or "").partition("; using")[0]
        raise CheckpointError(f"{reason}; give --data, with the path of a copy or sample")
    return dataset
