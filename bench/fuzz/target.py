"""The fuzzer's own process: `python -m bench.fuzz.target TARGET CORPUS [libFuzzer's options]`; see `bench.fuzz`."""

import io
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["mlp", "checkpoint", "zipfile", "json"]):
    import numpy as np

    from checkpoint.errors import CheckpointError
    from checkpoint.runs.saver import Every
    from checkpoint.schedule.chain import chain_of
    from checkpoint.schedule.schedule import Schedule
    from checkpoint.schedule.simulation import simulate
    from checkpoint.strategies import every_nth
    from checkpoint.units import parse_bytes
    from mlp import Network, NetworkError, Progress, SavedState, StateError, load_state, parse_sizes, save_state
    from mlp.data import DataError, dataset_from_arrays, read_idx, read_npz
    from mlp.data.images import read_images

OURS = (CheckpointError, DataError, NetworkError, StateError)


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
    """--budget."""
    parse_bytes(content.decode("latin-1"), whole_bytes=10**9)


def facts(content: bytes) -> None:
    """What a saved state says about its network: the JSON in its header, which a checksum guards in the file."""
    SavedState.from_json(content.decode("latin-1")).to_json()


def every(content: bytes) -> None:
    """--save-every."""
    Every.parse(content.decode("latin-1"))


def from_file(read: Callable[[Path], object]) -> Callable[[bytes], None]:
    """A target that reads a file, which must be unchanged afterwards and alone in its folder."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))  # noqa: S108
    path = folder / "fuzzed"

    def target(content: bytes) -> None:
        path.write_bytes(content)
        try:
            read(path)
        finally:
            assert path.read_bytes() == content
            assert list(folder.iterdir()) == [path]

    return target


def images(path: Path) -> object:
    """PNG and .npy."""
    return read_images(path, features=784, dtype="float32")


TARGETS: dict[str, Callable[[bytes], None]] = {
    "idx": idx,
    "npz": npz,
    "state": from_file(load_state),
    "facts": facts,
    "npy": from_file(images),
    "png": from_file(images),
    "schedule": schedule,
    "sizes": sizes,
    "bytes": amounts,
    "save-every": every,
}


def seeds(name: str) -> Iterator[bytes]:
    """Valid inputs of a target, to start from."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seed"
        grey = np.arange(784, dtype="uint8").reshape(28, 28)
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
        elif name == "facts":
            yield save_state(path, Network([3, 2, 2]), Progress(1, 2, 3, 4, 0.5, True, 9)).to_json().encode()
        elif name == "npy":
            for array in (grey, grey.reshape(1, 784) / 255, np.asfortranarray(grey)):
                with path.open("wb") as file:
                    np.save(file, array)
                yield path.read_bytes()
        elif name == "png":
            from PIL import Image

            for picture in (Image.fromarray(grey), Image.fromarray(grey).convert("P"), Image.new("RGBA", (28, 28))):
                picture.save(path, format="PNG")
                yield path.read_bytes()
        elif name == "schedule":
            yield every_nth(n_layers=4, n=2).to_json().encode()
            yield Schedule(2, (), "x", 8).to_json().replace("[]", '["F1[0:4]", "B2[0:8]", "D1"]').encode()
        else:
            yield from (b"784,256x64,10", b"64MiB", b"1.5GB", b"50%", b"100steps", b"5min", b"1epoch")


def judged(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """The target, which accepts our own errors if they are one line."""

    def run(content: bytes) -> None:
        try:
            target(content)
        except OURS as error:
            if not str(error).isprintable():
                raise AssertionError("an error must be one line") from error

    return run


def main() -> None:
    """Write the seeds and run libFuzzer, which ends the process."""
    name, corpus, *options = sys.argv[1:]
    for number, seed in enumerate(seeds(name)):
        (Path(corpus) / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], corpus, *options], judged(TARGETS[name]))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
