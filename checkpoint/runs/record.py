"""What a run did and took, as a record and as JSON."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from backend import peak_resident_bytes
from checkpoint.execution.network import NetworkWithCheckpointing
from checkpoint.execution.ranks.network import NetworkOnRanks
from checkpoint.planning.process import batches_bytes, largest
from checkpoint.schedule.chain import chain_of
from mlp import EpochRecord, Network
from mlp.data import Dataset

ROW_NUMBER_BYTES = 8


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run did and took. `checkpoint/commands/JSON.md` describes each field, under `train`.

    Bytes are array bytes above rest, in a step on a whole mini-batch.
    """

    strategy: str
    data: str
    training_samples: int
    test_samples: int
    validation_samples: int
    device: str
    cublas: str
    cublas_variables: str
    predicted_peak_bytes: int
    measured_peak_bytes: int
    measured_bytes_after: list[int]
    arena_bytes: int
    promised_bytes: int
    pool_bytes: int | None
    outside_bytes: int | None
    recomputed_layers: int
    recompute_fraction: float
    rest_bytes: int
    best_bytes: int
    data_bytes: int
    process_bytes: int
    largest_part: str
    peak_resident_bytes: int
    offloaded_bytes: int
    host_asked_bytes: int
    host_held_bytes: int
    offload_place: str
    seconds: float
    batch_seconds: float
    evaluation_seconds: float
    loading_seconds: float
    other_seconds: float
    wall_seconds: float
    busy_share: float
    test_accuracy: float | None
    test_cost: float | None
    test_rmse: float | None
    test_r2: float | None
    validation_accuracy: float | None
    validation_cost: float | None
    outputs_alike: bool
    one_answer_cost: float
    nothing_learnt: bool
    weights_sha256: str
    best_epoch: int | None
    epochs: list[EpochRecord]

    @property
    def parts(self) -> dict[str, int]:
        """What memory went to, in bytes."""
        return parts_of(self.rest_bytes, self.predicted_peak_bytes, self.data_bytes, self.process_bytes)

    def as_json(self) -> dict[str, Any]:
        """Every figure, in bytes and seconds."""
        return asdict(self)

    @classmethod
    def from_json(cls, report: Mapping[str, Any]) -> "RunRecord":
        """The record in what `train --json` wrote, as it was read; other keys are passed over."""
        values = {field.name: report[field.name] for field in fields(cls)}
        values["epochs"] = [EpochRecord(**epoch) for epoch in report["epochs"]]
        return cls(**values)


def seconds_record(history: list[EpochRecord], *, wall_seconds: float, loading_seconds: float) -> dict[str, Any]:
    """Where the `wall_seconds` of a run went: the fields of a `RunRecord` that say so."""
    seconds = sum(epoch.seconds for epoch in history)
    evaluation = sum(epoch.evaluation_seconds for epoch in history)
    return {
        "seconds": seconds,
        "batch_seconds": sum(epoch.batch_seconds for epoch in history),
        "evaluation_seconds": evaluation,
        "loading_seconds": loading_seconds,
        "other_seconds": wall_seconds - seconds - evaluation - loading_seconds,
        "wall_seconds": wall_seconds,
        "busy_share": (seconds + evaluation) / wall_seconds,
    }


def parts_of(rest_bytes: int, peak_bytes: int, data_bytes: int, process_bytes: int) -> dict[str, int]:
    """The parts of a run's memory by name."""
    return {
        "parameters and mini-batch": rest_bytes,
        "the step": peak_bytes,
        "the data": data_bytes,
        "Python and libraries": process_bytes,
    }


def memory_record(rest_bytes: int, peak_bytes: int, dataset: Dataset, *, on_host: bool) -> dict[str, Any]:
    """The fields of a `RunRecord` that say what else the process took; `on_host`: rest and step are there too."""
    data_bytes, resident = bytes_in_memory(dataset), peak_resident_bytes()
    process_bytes = max(0, resident - data_bytes - (rest_bytes + peak_bytes if on_host else 0))
    return {
        "data_bytes": data_bytes,
        "process_bytes": process_bytes,
        "largest_part": largest(parts_of(rest_bytes, peak_bytes, data_bytes, process_bytes)),
        "peak_resident_bytes": resident,
    }


def bytes_in_memory(dataset: Dataset) -> int:
    """The bytes of a data set's arrays that are in memory, and not in a file; each is counted once."""
    parts = [part for part in (dataset.train, dataset.test, dataset.validation) if part is not None]
    arrays = [part.inputs for part in parts]
    arrays += [getattr(part.targets, field.name) for part in parts for field in fields(part.targets)]
    known = {id(a): a.nbytes for a in arrays if isinstance(a, np.ndarray) and not isinstance(a, np.memmap)}
    return sum(known.values())


def device_record(network: Network, rest_bytes: int, arena_bytes: int) -> dict[str, Any]:
    """The fields of a `RunRecord` that say what a run was promised, and what its GPU's driver has given by now.

    A pool gives nothing back by itself, so what it has at the end is the most that it had.
    """
    device = network.backend.device_memory()
    return {
        "arena_bytes": arena_bytes,
        "promised_bytes": rest_bytes + network.backend.facts.array_bytes(arena_bytes),
        "pool_bytes": None if device is None else device.pool_bytes,
        "outside_bytes": None if device is None else device.outside_bytes,
    }


def place_record(network: Network) -> dict[str, Any]:
    """What a run took of the place that it offloaded to: the fields of a `RunRecord` that say so."""
    place = network.transfers if isinstance(network, NetworkWithCheckpointing) else None
    return {
        "host_asked_bytes": place.asked_bytes if place else 0,
        "host_held_bytes": place.held_bytes if place else 0,
        "offload_place": place.place if place else "",
    }


def rest_bytes(network: Network, batch_size: int, rows: int | None = None, *, pixels: bool = False) -> int:
    """Bytes held between steps: parameters, optimizer state, and a mini-batch; on a GPU the next mini-batch too.

    The sum of the steps' costs is among them. `pixels`: whether the data's inputs are in uint8, see `batches_bytes`.
    On ranks: this rank's part of the state, its `rows` of the mini-batch, and its slots for what is passed on.
    """
    kept = (a for pairs in network.optimizer_state.values() for pair in pairs for a in pair)
    parameters = [*network.weights, *network.biases, *kept]
    chain = chain_of(network.sizes, batch_size=batch_size, dtype=network.dtype, backend=network.backend.name)
    on_ranks = isinstance(network, NetworkWithCheckpointing) and network.on_ranks  # they take theirs in its turn
    batches = batches_bytes(chain, rows=rows, pixels=pixels, ahead=not on_ranks)
    slots = network.reserve(batch_size) if isinstance(network, NetworkOnRanks) else 0
    total = network.backend.facts.array_bytes(network.cost_total.nbytes)
    return sum(chain.array_bytes(int(a.size)) for a in parameters) + batches + total + slots


def order_bytes(dataset: Dataset, *, shuffle: bool) -> int:
    """Bytes of row numbers held while training: the order of an epoch, and which rows are held out."""
    return dataset.held_bytes + (ROW_NUMBER_BYTES * len(dataset.train) if shuffle else 0)


def weights_sha256(network: Network) -> str:
    """SHA-256 of all weights and biases, first layer to last, in hex."""
    digest = hashlib.sha256()
    for a in [*network.weights, *network.biases]:
        digest.update(network.backend.to_numpy(a).tobytes())
    return digest.hexdigest()
