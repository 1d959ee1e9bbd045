"""Everything that reads outside input, as functions of bytes: files, schedules and options.

A reader must return, or raise one of the package's own errors with a one-line message. `tests/corpus` keeps every input
that ever made one do anything else; a test replays them, and the fuzzer starts from them.
"""

import io
import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from backend import select_backend
from checkpoint.errors import CheckpointError
from checkpoint.execution.arguments import arguments_of, plans_of
from checkpoint.execution.saved import load
from checkpoint.measuring.timings import Timings
from checkpoint.planning.choice import Choice
from checkpoint.runs.states.saver import Every
from checkpoint.schedule.chain import chain_of
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import simulate
from checkpoint.units import parse_bandwidth, parse_bytes, parse_speed
from mlp import NetworkError, SavedState, StateError, import_weights, parse_sizes
from mlp.data import DataError, Preparation, Reading, read_idx, read_npz
from mlp.data import load as load_data
from mlp.data.formats.npy_pair import raw_npy_pair
from mlp.data.formats.npz_file import raw_npz
from mlp.data.images import read_images
from mlp.data.prepare import prepared
from mlp.sizes import sizes_for

OURS = (CheckpointError, DataError, NetworkError, StateError)
"""The errors that a reader may raise."""

Reader = Callable[[bytes], object]


def idx(content: bytes) -> None:
    """IDX, raw or gzipped."""
    read_idx(io.BytesIO(content), max_bytes=2**24)


def npz(content: bytes) -> None:
    """A .npz and the data set made of it."""
    read_npz(io.BytesIO(content), max_bytes=2**24)
    prepared(raw_npz(io.BytesIO(content), where="fuzzed"), name="fuzzed", reading=Reading(scale="standard"))


def schedule(content: bytes) -> None:
    """A schedule as JSON, and its simulation on a chain of its length."""
    read = Schedule.from_json(content.decode("latin-1"))
    str(read)
    if read.n_layers <= 1000:
        simulate(read, chain_of([3] * (read.n_layers + 1), batch_size=read.batch_size or 4))


def sizes(content: bytes) -> None:
    """--sizes."""
    parse_sizes(content.decode("latin-1"))


def sizes_of_data(content: bytes) -> None:
    """--sizes, where a data set has the ends."""
    sizes_for(content.decode("latin-1"), inputs=7, outputs=3)


def preparation(content: bytes) -> None:
    """What a saved state says of its training data."""
    found = Preparation.from_json(content.decode("latin-1"))
    assert Preparation.from_json(found.to_json()) == found


def amounts(content: bytes) -> None:
    """--budget, --bandwidth and --speed, whichever takes it."""
    text, errors = content.decode("latin-1"), []
    for parse in (partial(parse_bytes, whole_bytes=10**9), parse_bandwidth, parse_speed):
        try:
            parse(text)
        except CheckpointError as error:
            check_line(error)
            errors.append(error)
    if len(errors) == 3:
        raise errors[0]


def facts(content: bytes) -> None:
    """What a saved state says about its network: the JSON in its header, which a checksum guards in the file."""
    SavedState.from_json(content.decode("latin-1")).to_json()


def checkpointing(content: bytes) -> None:
    """How a saved network checkpoints: text by name, here as a JSON object."""
    try:
        text = json.loads(content)
    except (ValueError, RecursionError):
        return
    if isinstance(text, dict) and all(isinstance(value, str) for value in text.values()):
        arguments_of(text, chain_of([3] * 5, batch_size=4), Path("fuzzed"))
        plans_of(text, Path("fuzzed"))


def ways(content: bytes) -> None:
    """--checkpoint."""
    Choice(content.decode("latin-1")).schedule(chain_of([3] * 5, batch_size=4))


def every(content: bytes) -> None:
    """--save-every."""
    Every.parse(content.decode("latin-1"))


def from_file(read: Callable[[Path], object], *, name: str = "fuzzed") -> Reader:
    """A reader of a file, which must be unchanged afterwards and alone in its folder. `name`: where readers mind it."""
    folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)  # noqa: S108
    path = Path(folder.name) / name

    def reader(content: bytes) -> None:
        path.write_bytes(content)
        try:
            read(path)
        finally:
            assert path.read_bytes() == content
            assert list(Path(folder.name).iterdir()) == [path]

    return reader


def images(path: Path) -> object:
    """PNG, JPEG and .npy."""
    return read_images(path, features=784, dtype="float32")


def table(path: Path) -> object:
    """CSV and Parquet."""
    return load_data(path, reading=Reading(target="kind", scale="minmax"))


def pair(path: Path) -> object:
    """A mapped .npy, as inputs and as targets."""
    found = raw_npy_pair(path, path)
    return prepared(found, name="fuzzed", reading=Reading(scale="standard"))


def timings(path: Path) -> object:
    """The file of kept timings, which anything may have been written to."""
    return Timings(select_backend("numpy"), path).get("float32 forward 4x3 5")


READERS: dict[str, Reader] = {
    "idx": idx,
    "npz": npz,
    "state": from_file(load),
    "facts": facts,
    "checkpointing": checkpointing,
    "npy": from_file(images),
    "picture": from_file(images),
    "schedule": schedule,
    "timings": from_file(timings),
    "sizes": sizes,
    "amounts": amounts,
    "ways": ways,
    "save-every": every,
    "preparation": preparation,
    "csv": from_file(table, name="fuzzed.csv"),
    "parquet": from_file(table, name="fuzzed.parquet"),
    "hdf5": from_file(load_data, name="fuzzed.h5"),
    "pair": from_file(pair),
    "sizes-of-data": sizes_of_data,
    "weights": from_file(import_weights),
}


def check_line(error: Exception) -> None:
    """Raise `AssertionError` unless an error's message is one line that can be printed."""
    if not str(error).isprintable():
        raise AssertionError("an error must be one line") from error


def judged(reader: Reader) -> Callable[[bytes], None]:
    """The reader, which may also raise an error of `OURS` that is one line."""

    def run(content: bytes) -> None:
        try:
            reader(content)
        except OURS as error:
            check_line(error)

    return run
