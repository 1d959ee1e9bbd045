"""Programs: what each kind of record does, in the bits of single steps; what is refused; and how a program ends."""

import ctypes
import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from backend.numpy.kernels import program as program_module
from backend.numpy.kernels.engine import NO_ACTIVATION, OFFSET_BITS
from backend.numpy.kernels.program import BadNumber

ARENA, PARAMETERS, VELOCITIES, INPUTS, TARGETS = range(1, 6)


@dataclass
class Layers:
    """A small network as a program sees it: every array at an offset in one of five bases."""

    widths: tuple[int, ...]
    rows: int
    dtype: str = "float32"
    activation: str = "tanh"
    sizes: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(1, 6), 0))
    slots: dict[str, int] = field(default_factory=dict)
    records: list[dict[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.take("a0", INPUTS, self.rows * self.widths[0])
        self.take("y", TARGETS, self.rows * self.widths[-1])
        for layer in range(1, len(self.widths)):
            n_in, n_out = self.widths[layer - 1 : layer + 1]
            for name, base in (("W", PARAMETERS), ("vW", VELOCITIES), ("G", ARENA)):
                self.take(f"{name}{layer}", base, n_in * n_out)
            for name, base in (("b", PARAMETERS), ("vb", VELOCITIES), ("g", ARENA)):
                self.take(f"{name}{layer}", base, n_out)
            self.take(f"a{layer}", ARENA, self.rows * n_out)

    @property
    def item(self) -> int:
        return np.dtype(self.dtype).itemsize

    def take(self, name: str, base: int, values: int) -> None:
        self.slots[name] = base << OFFSET_BITS | self.sizes[base] * self.item
        self.sizes[base] += values

    def add(self, engine: Any, kind: str, layer: int, *, rows: tuple[int, int] | None = None, **fields: Any) -> None:
        """A record about a layer; strings are names of arrays, and move down to the first of `rows`."""
        start, stop = rows or (0, self.rows)
        record = {"kind": engine.kinds[kind], "layer": layer, "rows": stop - start}
        record |= {"n_in": self.widths[layer - 1], "n_out": self.widths[layer], "a_leading": self.widths[layer - 1]}
        for name, value in fields.items():
            record[name] = self.slots[value] if isinstance(value, str) else value
        record["a"] = record.get("a", 0) and record["a"] + start * self.widths[layer - 1] * self.item
        record["delta"] = record.get("delta", 0) and record["delta"] + start * self.widths[layer] * self.item
        self.records.append(record)

    def bases(self, seed: int = 3) -> list[np.ndarray]:
        random = np.random.default_rng(seed)
        return [(random.normal(size=max(size, 1)) / 4).astype(self.dtype) for size in self.sizes.values()]

    def program(self, engine: Any, bases: list[np.ndarray]) -> Any:
        table = engine.records(len(self.records))
        for row, record in zip(table, self.records, strict=True):
            for name, value in record.items():
                row[name] = value
        return engine.program(table, dtype=self.dtype, bases=bases)

    def array(self, name: str, bases: list[np.ndarray], *shape: int) -> np.ndarray:
        slot = self.slots[name]
        first = (slot & (2**OFFSET_BITS - 1)) // self.item
        return bases[(slot >> OFFSET_BITS) - 1][first : first + int(np.prod(shape))].reshape(shape)

    def parameters(self, bases: list[np.ndarray]) -> bytes:
        return bases[PARAMETERS - 1].tobytes() + bases[VELOCITIES - 1].tobytes()

    # Passes

    def forward(self, engine: Any) -> None:
        for layer in range(1, len(self.widths)):
            code = engine.activations[self.activation]
            arrays = {"a": f"a{layer - 1}", "W": f"W{layer}", "b": f"b{layer}", "out": f"a{layer}"}
            self.add(engine, "forward", layer, activation=code, **arrays)
        last = len(self.widths) - 1
        self.add(engine, "output_error", last, activation=code, out=f"a{last}", y="y", y_leading=self.widths[last])

    def backward(self, engine: Any, kind: str, layer: int, *, block: int = 0, **fields: Any) -> None:
        code = engine.activations[self.activation] if layer > 1 else NO_ACTIVATION
        arrays = {"a": f"a{layer - 1}", "delta": f"a{layer}", "W": f"W{layer}"}
        for top in range(0, self.rows, block or self.rows):
            rows = (top, min(top + (block or self.rows), self.rows))
            onto = int(top > 0)
            self.add(engine, kind, layer, rows=rows, activation=code, onto=onto, **arrays, **fields)


WIDTHS = (37, 70, 3, 64, 5)
GRADIENTS = ("weight_gradient", "G"), ("bias_gradient", "g")
VELOCITY = ("weight_velocity", "vW"), ("bias_velocity", "vb")


def named(pairs: tuple[tuple[str, str], ...], layer: int) -> dict[str, str]:
    return {slot: f"{name}{layer}" for slot, name in pairs}


def step(engine: Any, layers: Layers, way: str, *, block: int = 0) -> list[np.ndarray]:
    """One step's program of a way, run; its bases afterwards."""
    layers.forward(engine)
    for layer in range(len(layers.widths) - 1, 0, -1):
        own = {"W": f"W{layer}", "b": f"b{layer}"}
        if way == "fused":
            layers.backward(engine, "backward_update", layer, b=f"b{layer}", block_rows=13, **named(GRADIENTS, layer))
        elif way == "onto velocity":
            layers.backward(engine, "backward_momentum", layer, block=block, **named(VELOCITY, layer))
            layers.add(engine, "add_velocity", layer, **own, **named(VELOCITY, layer))
        else:
            layers.backward(engine, "backward", layer, block=block, **named(GRADIENTS, layer))
            more = named(VELOCITY, layer) if way == "update_momentum" else {}
            layers.add(engine, way, layer, **own, **named(GRADIENTS, layer), **more)
    bases = layers.bases()
    layers.program(engine, bases).run(bases, rate=0.1, momentum=0.75)
    return bases


def one_by_one(backend: Any, layers: Layers, momentum: float) -> list[np.ndarray]:
    """The same step by the backend's own methods."""
    bases, L, dtype = layers.bases(), len(layers.widths) - 1, layers.dtype
    a = [layers.array(f"a{k}", bases, layers.rows, layers.widths[k]) for k in range(L + 1)]
    W = [layers.array(f"W{k}", bases, *layers.widths[k - 1 : k + 1]) for k in range(1, L + 1)]
    b = [layers.array(f"b{k}", bases, layers.widths[k]) for k in range(1, L + 1)]
    for k in range(L):
        backend.forward_layer_(a[k], W[k], b[k], layers.activation, out=a[k + 1])
    backend.output_delta_(a[L], layers.array("y", bases, layers.rows, layers.widths[L]), layers.activation)
    for k in range(L - 1, -1, -1):
        weight, bias = np.empty(W[k].shape, dtype), np.empty(b[k].shape, dtype)
        below = layers.activation if k else None
        backend.backward_layer_(a[k], a[k + 1], W[k], below, first=0, weight=weight, bias=bias)
        for p, g, name in ((W[k], weight, f"vW{k + 1}"), (b[k], bias, f"vb{k + 1}")):
            if momentum:
                backend.apply_momentum_(p, layers.array(name, bases, *p.shape), g, 0.1, momentum)
            else:
                backend.apply_gradient_(p, g, 0.1)
    return bases


# What programs do


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "leaky-relu", "elu", "softplus"])
@pytest.mark.parametrize("way", ["update", "update_momentum", "fused"])
@pytest.mark.parametrize("threads", [1, 3])
def test_program_has_the_bits_of_its_operations_one_by_one(way, activation, threads, compiled, dtype):
    compiled.engine.threads = threads
    layers = Layers(WIDTHS, 300, dtype, activation)
    found = step(compiled.engine, layers, way)
    wanted = one_by_one(compiled, layers, 0.75 if way == "update_momentum" else 0)
    assert layers.parameters(found) == layers.parameters(wanted)


@pytest.mark.parametrize("way", ["update", "update_momentum", "onto velocity"])
@pytest.mark.parametrize("block", [128, 256])
def test_row_blocks_of_whole_chunks_have_the_bits_of_the_whole_batch(way, block, compiled, dtype):
    whole, blocks = Layers(WIDTHS, 300, dtype), Layers(WIDTHS, 300, dtype)
    assert whole.parameters(step(compiled.engine, whole, way)) == blocks.parameters(
        step(compiled.engine, blocks, way, block=block)
    )


def test_row_blocks_of_other_sizes_are_noticed(compiled):
    whole, blocks = Layers(WIDTHS, 300), Layers(WIDTHS, 300)
    assert whole.parameters(step(compiled.engine, whole, "onto velocity")) != blocks.parameters(
        step(compiled.engine, blocks, "onto velocity", block=100)
    )


def test_velocity_is_scaled_and_then_takes_each_chunk_s_sum_in_turn(compiled, dtype):
    layers = Layers((9, 4), 300, dtype)
    bases = step(compiled.engine, layers, "onto velocity")
    delta, a = (layers.array(name, bases, 300, n) for name, n in (("a1", 4), ("a0", 9)))
    velocity = layers.array("vW1", layers.bases(), 9, 4) * np.dtype(dtype).type(0.75)
    rate, exact = np.longdouble(np.dtype(dtype).type(0.1)), np.longdouble
    for top in range(0, 300, 128):
        sums = np.zeros((9, 4), dtype)
        for row in range(top, min(top + 128, 300)):
            sums = (sums.astype(exact) + np.outer(a[row], delta[row]).astype(exact)).astype(dtype)
        velocity = (velocity - rate * sums).astype(dtype)
    found = layers.array("vW1", bases, 9, 4)
    assert np.allclose(found, velocity, rtol=1e-5, atol=1e-6)


def test_cost_is_added_onto_a_total_in_double(compiled, dtype):
    layers = Layers((6, 4), 30, dtype, "sigmoid")
    layers.forward(compiled.engine)
    layers.records.pop()
    for cost in ("quadratic", "binary-cross-entropy"):
        code = compiled.engine.costs[cost]
        layers.add(compiled.engine, "cost", 1, cost=code, out="a1", y="y", y_leading=4, total=6 << OFFSET_BITS)
    bases, total = [*layers.bases(), np.array([5.0])], None
    bases[TARGETS - 1][:] = np.abs(bases[TARGETS - 1]) % 1
    layers.program(compiled.engine, bases).run(bases)
    out, y = (layers.array(name, bases, 30, 4).astype("float64") for name in ("a1", "y"))
    total = ((out - y) ** 2).sum() / 2 - (y * np.log(out) + (1 - y) * np.log(1 - out)).sum()
    assert bases[-1][0] == pytest.approx(5 + total, rel=1e-6)


# How a program ends


@pytest.mark.parametrize("layer", [1, 2, 4])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_bad_output_ends_the_program_with_its_layer_and_nothing_applied(layer, value, compiled):
    layers = Layers(WIDTHS, 300, activation="relu")
    step(compiled.engine, layers, "update")
    bases = layers.bases()
    layers.array(f"b{layer}", bases, WIDTHS[layer])[-1] = value
    before = layers.parameters(bases)
    with pytest.raises(BadNumber, match=f"the output of layer {layer} is not finite") as caught:
        layers.program(compiled.engine, bases).run(bases, rate=0.1)
    assert (caught.value.layer, caught.value.kind) == (layer, "forward")
    assert layers.parameters(bases) == before


@pytest.mark.parametrize("way", ["update", "fused"])
def test_bad_error_ends_the_program_before_its_layer_is_applied(way, compiled):
    layers = Layers(WIDTHS, 300)
    step(compiled.engine, layers, way)
    bases = layers.bases()
    layers.array("W3", bases, 3, 64)[1, 1] = np.nan
    before = [layers.array(f"W{k}", bases, *WIDTHS[k - 1 : k + 1]).copy() for k in range(1, 5)]
    layers.records = layers.records[4:]  # without the forward pass, which would show it
    with pytest.raises(BadNumber, match="the error of layer 2 is not finite") as caught:
        layers.program(compiled.engine, bases).run(bases, rate=0.1)
    assert caught.value.layer == 2
    after = [layers.array(f"W{k}", bases, *WIDTHS[k - 1 : k + 1]) for k in range(1, 5)]
    same = [a.tobytes() == b.tobytes() for a, b in zip(after, before, strict=True)]
    assert same == [True, True, False, False]


def test_program_in_slices_has_the_same_bits(compiled, monkeypatch):
    layers = Layers(WIDTHS, 300)
    wanted = layers.parameters(step(compiled.engine, layers, "update"))
    monkeypatch.setattr(program_module, "SLICE_SECONDS", 0.0)
    calls, bases = 0, layers.bases()
    program, run = layers.program(compiled.engine, bases), compiled.engine.library.engine_run

    def counted(call: Any) -> int:
        nonlocal calls
        calls += 1
        return int(run(call))

    monkeypatch.setattr(compiled.engine.library, "engine_run", counted)
    program.run(bases, rate=0.1)
    assert layers.parameters(bases) == wanted
    assert calls == len(program)


def test_program_can_be_run_on_other_arrays(compiled):
    layers = Layers(WIDTHS, 300)
    wanted = layers.parameters(step(compiled.engine, layers, "update"))
    program, others = layers.program(compiled.engine, layers.bases(seed=8)), layers.bases()
    program.run(others, rate=0.1)
    assert layers.parameters(others) == wanted


# What is refused


def refused(compiled: Any, **changes: int) -> str:
    layers = Layers((6, 4), 30)
    layers.forward(compiled.engine)
    layers.records[0] |= changes
    bases = layers.bases()
    with pytest.raises(ValueError, match="record 0") as caught:
        layers.program(compiled.engine, bases)
    return str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("rows", value) for value in (0, -1)),
        *(("n_out", value) for value in (0, -4)),
        *(("n_in", value) for value in (0, -6, 7)),
        *(("a_leading", value) for value in (5, 0, -6)),
        *(("activation", value) for value in (8, -1, -128)),
        ("kind", 100),
        ("kind", -1),
        ("layer", -1),
    ],
)
def test_numbers_that_do_not_fit_are_refused(field, value, compiled):
    assert "do not fit together" in refused(compiled, **{field: value})


@pytest.mark.parametrize(
    ("slot", "value"),
    [
        ("a", 0),
        ("W", 0),
        ("b", 6 << OFFSET_BITS),
        ("b", -1),
        ("out", 1 << OFFSET_BITS | 2),
        ("out", 1 << OFFSET_BITS | 4 * (6 * 4 + 4 + 1)),
        ("a", 12345),
        ("a", 4 << OFFSET_BITS | 4),
    ],
)
def test_slots_that_do_not_fit_are_refused_by_name(slot, value, compiled):
    assert f": {slot} does not fit" in refused(compiled, **{slot: value})


@pytest.mark.parametrize("base", [6, 2**15 - 1, -1, -(2**15)])
@pytest.mark.parametrize("slot", ["y", "weight_square", "row_weights"])
def test_bases_that_there_are_none_of_are_refused_in_slots_without_a_use(slot, base, compiled):
    assert f": {slot} does not fit" in refused(compiled, **{slot: base << OFFSET_BITS})


@pytest.mark.parametrize("sides", [(2**31 - 1, 2**31 - 1), (2**31 - 1, 2**30 + 1)])
def test_arrays_whose_bytes_are_beyond_64_bits_are_refused(sides, dtype, compiled):
    table, base = compiled.engine.records(1), np.zeros(8, dtype)
    table["kind"], table["n_in"], table["n_out"] = compiled.engine.kinds["update"], *sides
    table["W"] = table["weight_gradient"] = 1 << OFFSET_BITS
    with pytest.raises(ValueError, match="record 0, update: W does not fit"):
        compiled.engine.program(table, dtype=dtype, bases=[base])


def test_more_rows_than_there_are_is_refused(compiled):
    assert "does not fit" in refused(compiled, rows=31)


def test_read_only_arrays_are_refused_where_they_are_written(compiled):
    layers = Layers((6, 4), 30)
    layers.forward(compiled.engine)
    bases = layers.bases()
    bases[INPUTS - 1].flags.writeable = False
    program = layers.program(compiled.engine, bases)
    program.run(bases)
    bases[ARENA - 1].flags.writeable = False
    with pytest.raises(ValueError, match="base 1 must be a writeable array"):
        program.run(bases)
    with pytest.raises(ValueError, match="out does not fit"):
        layers.program(compiled.engine, bases)


def test_smaller_and_fewer_arrays_are_refused(compiled):
    layers = Layers((6, 4), 30)
    layers.forward(compiled.engine)
    bases = layers.bases()
    program = layers.program(compiled.engine, bases)
    with pytest.raises(ValueError, match="base 4 must have at least 720 bytes; got 716"):
        program.run([*bases[:3], bases[3][1:], bases[4]])
    with pytest.raises(ValueError, match="made for 5 bases; got 4"):
        program.run(bases[:4])


def test_table_changed_after_the_check_changes_nothing(compiled):
    layers = Layers((6, 4), 30)
    layers.forward(compiled.engine)
    bases = layers.bases()
    table = compiled.engine.records(len(layers.records))
    for row, record in zip(table, layers.records, strict=True):
        for name, value in record.items():
            row[name] = value
    program = compiled.engine.program(table, dtype="float32", bases=bases)
    table["rows"] = 10**6
    program.run(bases)


def test_record_is_as_c_has_it(compiled):
    assert compiled.engine.record_dtype.itemsize == ctypes.sizeof(compiled.engine._record)
    assert sys.byteorder == "little"


# Repeats


def in_blocks(engine: Any, block: int, *, repeated: bool) -> tuple[Layers, list[tuple[int, int, int]]]:
    """Layer 1 forward and back on one block of 96 rows after another; `repeated`: most of them said once."""
    layers, repeats = Layers((7, 5), 96), []
    arrays = {"a": "a0", "W": "W1", "b": "b1", "out": "a1"}
    code, gradients = engine.activations["tanh"], named(GRADIENTS, 1)
    starts = list(range(0, 96, block))
    if repeated:
        repeats = [(3, 3, len(starts) - 2)]
        starts = [*starts[:3], starts[-1]]
    for top in starts:
        rows = top, min(top + block, 96)
        layers.add(engine, "forward", 1, rows=rows, activation=code, **arrays)
        layers.records[-1]["out"] += top * 5 * layers.item
        layers.add(engine, "output_error", 1, rows=rows, activation=code, out="a1", y="y", y_leading=5)
        for name in ("out", "y"):
            layers.records[-1][name] += top * 5 * layers.item
        back = {"activation": NO_ACTIVATION, "onto": int(top > 0), "a": "a0", "delta": "a1", "W": "W1"}
        layers.add(engine, "backward", 1, rows=rows, **back, **gradients)
    layers.add(engine, "update", 1, W="W1", b="b1", **gradients)
    return layers, repeats


def program_of(engine: Any, layers: Layers, bases: list[np.ndarray], repeats: Any) -> Any:
    table = engine.records(len(layers.records))
    for row, record in zip(table, layers.records, strict=True):
        for name, value in record.items():
            row[name] = value
    return engine.program(table, dtype=layers.dtype, bases=bases, repeats=repeats)


@pytest.mark.parametrize("seconds", [1.0, 0.0])
@pytest.mark.parametrize("block", [24, 8, 5])
def test_repeated_records_are_those_written_out(block, seconds, compiled, monkeypatch):
    monkeypatch.setattr(program_module, "SLICE_SECONDS", seconds)
    found = []
    for repeated in (False, True):
        layers, repeats = in_blocks(compiled.engine, block, repeated=repeated)
        bases = layers.bases()
        program_of(compiled.engine, layers, bases, repeats).run(bases, rate=0.1)
        found.append([base.tobytes() for base in bases])
    assert found[0] == found[1]


def test_bad_number_in_a_repeat_ends_the_program_there(compiled):
    layers, repeats = in_blocks(compiled.engine, 8, repeated=True)
    bases = layers.bases()
    layers.array("a0", bases, 96, 7)[53, 2] = np.nan
    before = layers.parameters(bases)
    with pytest.raises(BadNumber, match="the output of layer 1"):
        program_of(compiled.engine, layers, bases, repeats).run(bases, rate=0.1)
    assert layers.parameters(bases) == before


@pytest.mark.parametrize(
    "wrong", [(3, 3, 1), (3, 0, 9), (-1, 3, 9), (8, 3, 9), (3, 7, 9), (3, 2**40, 9), (3, 3, 2**40), (2**62, 3, 9)]
)
def test_repeats_of_no_records_are_refused(wrong, compiled):
    layers, _ = in_blocks(compiled.engine, 8, repeated=True)
    with pytest.raises(ValueError, match="repeats must be of records"):
        program_of(compiled.engine, layers, layers.bases(), [wrong])


def test_repeats_over_each_other_are_refused(compiled):
    layers, repeats = in_blocks(compiled.engine, 8, repeated=True)
    with pytest.raises(ValueError, match="repeats must be of records"):
        program_of(compiled.engine, layers, layers.bases(), repeats * 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({(6, "rows"): 7}, "record 3, forward: its numbers do not fit together"),
        ({(3, "first_row"): 1}, "record 3, forward: its numbers do not fit together"),
        ({(6, "out"): 0}, "record 3, forward: out does not fit"),
        ({(6, "out"): 600}, "record 3, forward: out does not fit"),
        ({(7, "y"): 600}, "record 4, output_error: y does not fit"),
        ({(8, "weight_gradient"): "W1"}, "record 5, backward: weight_gradient does not fit"),
    ],
)
def test_what_moves_out_of_its_array_is_refused(changes, message, compiled):
    """Each record fits by itself; what does not is where it has moved on to by the last time, or what has changed."""
    layers, repeats = in_blocks(compiled.engine, 8, repeated=True)
    for (record, name), value in changes.items():
        at = {"out": "a1", "y": "y"}.get(name)
        value = layers.slots[value] if isinstance(value, str) else value
        layers.records[record][name] = value if at is None else layers.slots[at] + value * layers.item // 4
    with pytest.raises(ValueError, match=message):
        program_of(compiled.engine, layers, layers.bases(), repeats)
