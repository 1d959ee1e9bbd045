"""Steps that check themselves, for `--verify`: no activation changes, and bytes are as predicted.

The checksum of each activation is taken when it is made and compared whenever it is used, as is that of the error which
takes its place. A recomputed activation is compared with the first one, row for row. After each action the array bytes
above rest are compared with the simulator's.

A normal step pays nothing for this. Its only guard is that NumPy's stored activations are read-only, so that a stray
write raises ValueError at its own line.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from zlib import crc32

from backend import MeterError
from checkpoint.errors import VerificationError
from checkpoint.execution.network import NetworkWithCheckpointing
from checkpoint.execution.step import Execution
from checkpoint.schedule.actions import Action, Backward, Fetch, Forward, Offload, Release, Rows
from checkpoint.schedule.simulation import Simulation, simulate
from mlp import Gradient
from mlp.row_weights import row_weights


class VerifyingNetwork(NetworkWithCheckpointing):
    """A `NetworkWithCheckpointing` that raises `VerificationError` for a step that is not as it should be.

    Gradients and updates are bit-identical. Bytes are checked in `update_mini_batch`, for which they are predicted, on
    backends that can measure them.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._simulations: dict[int, Simulation] = {}
        self._execution_kind = _VerifyingExecution

    def update_mini_batch(self, X: Any, y: Any, *, eta: float, weights: Any = None) -> None:
        """One step of gradient descent, checked."""
        X, y = self.as_batch(X, y)  # a mini-batch taken to a device belongs to rest
        if weights is not None:
            weights = row_weights(weights, X.shape[0], dtype=self.dtype, backend=self.backend)
        try:
            with self.backend.measure() as usage:

                def check_bytes(position: int, action: Action) -> None:
                    usage.mark()
                    self._check("after", position, action, usage.marks.pop(), self._simulation(X.shape[0]).bytes_after)

                with self.observing(check_bytes):
                    super().update_mini_batch(X, y, eta=eta, weights=weights)
        except MeterError:
            super().update_mini_batch(X, y, eta=eta, weights=weights)
            return
        predicted = self._simulation(X.shape[0]).peak_bytes
        if usage.peak_bytes != predicted:
            raise VerificationError(f"the step's peak was {usage.peak_bytes} bytes above rest, predicted {predicted}")

    def _simulation(self, batch_size: int) -> Simulation:
        if batch_size not in self._simulations:
            self._simulations[batch_size] = simulate(self.schedule_for(batch_size), self.chain(batch_size))
        return self._simulations[batch_size]

    @staticmethod
    def _check(when: str, position: int, action: Action, measured: int, predicted: tuple[int, ...]) -> None:
        if measured != predicted[position]:
            raise VerificationError(
                f"{when} action {position}, {action}: {measured} bytes above rest, predicted {predicted[position]}",
                layer=action.layer,
            )


class _VerifyingExecution(Execution):
    """An `Execution` that remembers the checksum of everything it holds."""

    def __init__(self, network: NetworkWithCheckpointing, X: Any, y: Any, **options: Any) -> None:
        super().__init__(network, X, y, **options)
        self._first: dict[tuple[int, Rows], int] = {}
        self._now: dict[int, tuple[str, int]] = {}
        self._note(0, "a")

    def forward(self, action: Forward) -> None:
        self._compare(action.layer - 1, "running the layer above")
        super().forward(action)
        rows = action.rows or (0, self._batch_size)
        self._note(action.layer, "a")
        checksum = crc32(self._network.backend.to_numpy(self._held[action.layer].rows(rows)).data)
        if self._first.setdefault((action.layer, rows), checksum) != checksum:
            raise VerificationError(
                f"a_{action.layer}, recomputed, is not the a_{action.layer} of the forward pass; weights or the "
                f"arithmetic changed in between",
                layer=action.layer,
            )

    def release(self, action: Release) -> None:
        self._compare(action.layer, "releasing it")
        super().release(action)
        del self._now[action.layer]

    def offload(self, action: Offload) -> None:
        self._compare(action.layer, "offloading it")
        self._first.setdefault((action.layer, (0, self._batch_size)), self._now[action.layer][1])
        super().offload(action)

    def fetch(self, action: Fetch) -> None:
        super().fetch(action)
        checksum = self._note(action.layer, "a")  # which waits for the copy
        if self._first[action.layer, (0, self._batch_size)] != checksum:
            raise VerificationError(
                f"a_{action.layer}, fetched, is not the a_{action.layer} that was offloaded; the copy was changed on "
                f"the host, or a copy and a computation were not in order",
                layer=action.layer,
            )

    def backward(self, action: Backward) -> Iterator[Gradient]:
        self._compare(action.layer, "its backward step")
        self._compare(action.layer - 1, "the backward step above it")
        yield from super().backward(action)
        with suppress(KeyError):  # rows are left of it, which keep the layer's error
            self._note(action.layer, "delta")
        if action.layer > 1:
            self._note(action.layer - 1, "delta")
        if action.layer not in self._held:
            self._now.pop(action.layer, None)

    def _note(self, layer: int, name: str) -> int:
        """Remember the checksum of what is held of a layer, and return it."""
        checksum = self._checksum(layer)
        self._now[layer] = (name, checksum)
        return checksum

    def _compare(self, layer: int, when: str) -> None:
        name, checksum = self._now[layer]
        if self._checksum(layer) != checksum:
            raise VerificationError(
                f"{name}_{layer} changed after it was stored, found before {when}; something else wrote to it",
                layer=layer,
            )

    def _checksum(self, layer: int) -> int:
        self._await(layer)
        return crc32(self._network.backend.to_numpy(self._held[layer].array).data)
