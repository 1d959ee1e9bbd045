"""Everything that reads outside input, as functions of bytes: files, schedules and options.

A reader must return, or raise one of the package's own errors with a one-line message. `tests/corpus` keeps every input
that ever made one do anything else; a test replays them, and the fuzzer starts from them.
"""

import io
import json
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from backend import select_backend
from checkpoint.errors import CheckpointError
from checkpoint.execution.arguments import arguments_of, plans_of
from checkpoint.execution.network import NetworkWithCheckpointing
from checkpoint.execution.saved import load
from checkpoint.measuring.timings import Timings
from checkpoint.planning.choice import Choice
from checkpoint.runs.saver import Every
from checkpoint.schedule.chain import chain_of
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import simulate
from checkpoint.strategies import every_nth, micro_batches
from checkpoint.units import parse_bandwidth, parse_bytes, parse_speed
from mlp import Network, NetworkError, Progress, SavedState, StateError, parse_sizes, save_state
from mlp.data import DataError, dataset_from_arrays, read_idx, read_npz
from mlp.data.images import read_images

OURS = (CheckpointError, DataError, NetworkError, StateError)
"""The errors that a reader may raise."""

Reader = Callable[[bytes], object]


def idx(content: bytes) -> None:
    """IDX, raw or gzipped."""
    read_idx(io.BytesIO(content), max_bytes=2**24)


def npz(content: bytes) -> None:
    """A Keras .npz and the data set made of it."""
    arrays = read_npz(io.BytesIO(content), max_bytes=2**24)
    dataset_from_arrays(*(arrays[key] for key in ("x_train", "y_train", "x_test", "y_test")), name="fuzzed")


def schedule(content: bytes) -> None:
    """A schedule as JSON, and its simulation on a chain of its length."""
    read = Schedule.from_json(content.decode("latin-1"))
    str(read)
    if read.n_layers <= 1000:
        simulate(read, chain_of([3] * (read.n_layers + 1), batch_size=read.batch_size or 4))


def sizes(content: bytes) -> None:
    """--sizes."""
    parse_sizes(content.decode("latin-1"))


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


def from_file(read: Callable[[Path], object]) -> Reader:
    """A reader of a file, which must be unchanged afterwards and alone in its folder."""
    folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)  # noqa: S108
    path = Path(folder.name) / "fuzzed"

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


def seeds(name: str) -> Iterator[bytes]:
    """Valid inputs of a reader, to start from."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seed"
        grey = np.arange(784, dtype="uint8").reshape(28, 28)
        planned = every_nth(n_layers=4, n=2).to_json()
        if name == "idx":
            import gzip

            raw = b"\0\0\x08\x03" + np.array([2, 3, 4], ">u4").tobytes() + bytes(24)
            yield from (raw, gzip.compress(raw), b"\0\0\x0c\x01\0\0\0\x02" + bytes(8))
        elif name == "npz":
            arrays = {key: np.arange(4, dtype="uint8") % 10 for key in ("y_train", "y_test")}
            arrays |= {key: np.zeros((4, 3, 2), "uint8") for key in ("x_train", "x_test")}
            for save in (np.savez, np.savez_compressed):
                buffer = io.BytesIO()
                save(buffer, **arrays)  # type: ignore[arg-type]
                yield buffer.getvalue()
        elif name == "state":
            for momentum in (0.0, 0.5):
                save_state(path, Network([3, 2, 2], momentum=momentum), Progress(1, 2, 3, 4, 0.5, True, 9))
                yield path.read_bytes()
            save_state(path, Network([3, 2, 2], optimizer="adam:clip=1.0"))
            yield path.read_bytes()
            for way in ({"checkpoint_every_nth_layer": 2}, {"budget_bytes": 10**6}):
                NetworkWithCheckpointing([3, 2, 2], **way).save(path)  # type: ignore[arg-type]
                yield path.read_bytes()
        elif name == "facts":
            yield save_state(path, Network([3, 2, 2]), Progress(1, 2, 3, 4, 0.5, True, 9)).to_json().encode()
        elif name == "checkpointing":
            yield json.dumps({"class": "NetworkWithCheckpointing", "schedule": planned}).encode()
            yield json.dumps({"budget_bytes": "99999", "plans": json.dumps([[4, planned]])}).encode()
            yield json.dumps({"checkpoint": "optimal", "budget": "50%"}).encode()
        elif name == "npy":
            for array in (grey, grey.reshape(1, 784) / 255, np.asfortranarray(grey)):
                with path.open("wb") as file:
                    np.save(file, array)
                yield path.read_bytes()
        elif name == "picture":
            from PIL import Image

            for picture in (Image.fromarray(grey), Image.fromarray(grey).convert("P"), Image.new("RGBA", (28, 28))):
                picture.save(path, format="PNG")
                yield path.read_bytes()
            Image.fromarray(grey).save(path, format="JPEG")
            yield path.read_bytes()
        elif name == "schedule":
            yield planned.encode()
            yield micro_batches(n_layers=2, batch_size=8, rows=4).to_json().encode()
        elif name == "timings":
            kept = Timings(select_backend("numpy"), path)
            kept.put("float32 forward 4x3 5", 1e-3)
            kept.save()
            yield path.read_bytes()
        elif name == "ways":
            yield from (b"none", b"every:2", b"sqrt", b"slots:2", b"micro:2")
        elif name == "amounts":
            yield from (b"64MiB", b"1.5GB", b"50%", b"12GB/s", b"30TFLOP/s")
        elif name == "sizes":
            yield b"784,256x64,10"
        else:
            yield from (b"100steps", b"5min", b"1epoch")
