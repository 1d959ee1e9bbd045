"""Valid inputs of every reader, for the fuzzer to start from."""

import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from backend import select_backend
from checkpoint.execution.network import NetworkWithCheckpointing
from checkpoint.measuring.timings import Timings
from checkpoint.strategies import every_nth, micro_batches
from mlp import Network, Progress, export_weights, save_state
from mlp.data import Preparation, Reading
from mlp.data.prepare import Raw, prepared
from mlp.data.values.columns import Column


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
        elif name == "weights":
            for form in ("torch", "keras"):
                export_weights(path, Network([3, 2, 2]), form=form)
                yield path.read_bytes()
        elif name == "ways":
            yield from (b"none", b"every:2", b"sqrt", b"slots:2", b"micro:2")
        elif name == "amounts":
            yield from (b"64MiB", b"1.5GB", b"50%", b"12GB/s", b"30TFLOP/s")
        elif name == "preparation":
            X, y = np.arange(24.0).reshape(12, 2), np.arange(12) % 3
            for scale in ("none", "255", "standard"):
                yield prepared(Raw((X, y)), name="", reading=Reading(scale=scale)).preparation.to_json().encode()
            columns = (Column("size"), Column("colour", ("blue", "red")))
            yield Preparation(3, 1, (3,), columns=columns, reading=Reading("price", ("kind",))).to_json().encode()
        elif name == "csv":
            yield b"size,colour,kind\n" + b"1,red,low\n2,blue,high\n" * 6
            yield b"size;kind\n1.5;7\n2;8\n-3e2;7\n0;8\n2;7\n"
        elif name == "parquet":
            import pandas as pd

            pd.DataFrame({"a": np.arange(9.0), "b": [*"xyzxyzxyz"], "kind": [*"stststsst"]}).to_parquet(path)
            yield path.read_bytes()
        elif name == "hdf5":
            import h5py

            for options in ({}, {"chunks": (4, 2), "compression": "gzip"}):
                with h5py.File(path, "w") as file:
                    file.create_dataset("X", data=np.arange(24.0).reshape(12, 2), **options)
                    file["y"] = np.arange(12) % 3
                yield path.read_bytes()
        elif name == "pair":
            for array in (np.eye(6), np.arange(12, dtype="uint8").reshape(6, 2) % 5):
                with path.open("wb") as file:
                    np.save(file, array)
                yield path.read_bytes()
        elif name == "sizes-of-data":
            yield from (b"7,256x64,3", b"in,7,out", b"32")
        elif name == "sizes":
            yield b"784,256x64,10"
        else:
            yield from (b"100steps", b"5min", b"1epoch")
