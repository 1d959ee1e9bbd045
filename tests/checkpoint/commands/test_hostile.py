"""Text from elsewhere: any options and schedules are read, or refused in one line with little memory and time."""

import json
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoint import CheckpointError, Schedule, ScheduleError, chain_of, every_nth, simulate
from checkpoint.commands import program as command_line
from checkpoint.runs.states.saver import Every
from checkpoint.units import MOST_BYTES, parse_bytes
from mlp import NetworkError, parse_sizes
from mlp.sizes import MAX_WIDTH

NUMBERS = st.one_of(
    st.integers(-3, 2**70).map(str), st.sampled_from(("0", "1", "256", str(2**31), str(2**63), "9" * 400, "1e9", "nan"))
)
SIZES = st.lists(
    st.tuples(NUMBERS, st.sampled_from(("", "x2", "x0", "x999999999", "x", "X2", "x2x2"))), max_size=4
).map(lambda parts: ",".join(number + repeat for number, repeat in parts))
AMOUNTS = st.tuples(NUMBERS, st.sampled_from(("", "MiB", "%", "GB", "TiB", ".5GB", " kb", "PiB", "\n", "\0"))).map(
    "".join
)


class Bounded:
    """A block that may take `seconds` and `peak_bytes` of Python's and NumPy's memory."""

    def __init__(self, *, seconds: float = 5, peak_bytes: int = 2**26) -> None:
        self._seconds, self._peak_bytes = seconds, peak_bytes

    def __enter__(self) -> None:
        tracemalloc.start()
        self._begun = time.perf_counter()

    def __exit__(self, kind: object, *_: object) -> None:
        seconds, (_, peak) = time.perf_counter() - self._begun, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        if kind is None:
            assert seconds < self._seconds
            assert peak < self._peak_bytes


@settings(max_examples=300)
@given(SIZES | st.text(max_size=30))
def test_any_sizes_are_widths_or_one_line(text):
    try:
        widths = parse_sizes(text)
    except NetworkError as error:
        assert len(str(error)) < 300  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert all(1 <= width <= MAX_WIDTH for width in widths)


@settings(max_examples=300)
@given(AMOUNTS | st.text(max_size=30))
def test_any_budget_is_a_number_of_bytes_or_one_line(text):
    try:
        amount = parse_bytes(text, whole_bytes=10**9)
    except CheckpointError as error:
        assert len(str(error)) < 300  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert amount >= 1


@settings(max_examples=200)
@given(st.text(max_size=30))
def test_any_save_every_is_one_or_one_line(text):
    try:
        assert Every.parse(text).count >= 1
    except CheckpointError as error:
        assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    "options",
    [
        ("--sizes", "2147483647,2147483647"),
        ("--sizes", "2147483647x100000,10"),
        ("--sizes", "784," + "9" * 10**5),
        ("--sizes", "784,2147483647,10"),
        ("--sizes", "784,2147483647x99990,10"),
        ("--sizes", "1x100001"),
        ("--sizes", "784,256x99999999999,10"),
        ("--sizes", ""),
        ("--sizes", "784,٣,10"),
        ("--budget", "1e9"),
        ("--budget", "999999999999999TiB%"),
        ("--budget", "0%"),
        ("--budget", "9" * 10**5),
        ("--budget", "nan"),
        ("--checkpoint", "every:99999999"),
        ("--checkpoint", "every:0"),
        ("--checkpoint", "slots:0"),
        ("--seed", "-1"),
        ("--epochs", "0"),
        ("--eta", "nan"),
        ("--eta", "inf"),
        ("--momentum", "1"),
        ("--batch-size", "0"),
        ("--batch-size", "99999999999999999999"),
    ],
    ids=lambda options: " ".join(options)[:40],
)
def test_hostile_option_is_one_line_and_nothing_is_written(options, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    train = ["train", "--data", "sample", "--sizes", "784,10", "--save", "run.state", "--json", "run.json", *options]
    with Bounded(peak_bytes=2**28):
        try:
            status = command_line.main(train)
        except SystemExit as error:  # argparse's
            status = error.code
    said = capsys.readouterr()
    assert status in (1, 2)
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err
    assert len(said.err) < 500
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--checkpoint", "micro:99999999999999"), "R in micro:R must be at most 9999999; got 99999999999999"),
        (("--checkpoint", "every:" + "9" * 5000), "N in every:N must be at most 9999999; got 99999"),
        (("--epochs", "9" * 25), "epochs must be at most 9007199254740992; got 9999999999999"),
        (("--epochs", "9" * 4000), "epochs must be at most 9007199254740992; got a whole number of"),
        (("--epochs", "9" * 5000), "argument --epochs: must be a whole number; got '99999"),
        (
            ("--memory-limit", "9999999999TiB"),
            "--memory-limit: a number of bytes must be at most 9223372036854775807; got '9999999999TiB'",
        ),
        (("--budget", "9" * 30), "--budget: a number of bytes must be at most 9223372036854775807; got '99999"),
    ],
    ids=lambda options: " ".join(options)[:40],
)
def test_number_that_is_too_large_is_said_with_the_largest(options, said, capsys):
    try:
        status = command_line.main(["train", "--data", "sample", "--sizes", "784,10", *options])
    except SystemExit as error:  # argparse's
        status = error.code
    line = capsys.readouterr().err
    assert status == 2
    assert said in line
    assert line.count("\n") == 1
    assert len(line) < 500


def test_as_many_bytes_as_there_may_be_are_exact():
    assert parse_bytes("8388607TiB") == 8388607 * 2**40
    assert parse_bytes(str(MOST_BYTES)) == parse_bytes(f"{MOST_BYTES:,} bytes") == MOST_BYTES == 2**63 - 1
    with pytest.raises(CheckpointError, match="at most 9223372036854775807"):
        parse_bytes("8388608TiB")
    assert parse_bytes("300%", whole_bytes=2**62) == 3 * 2**62  # what checks a share of what is not known yet


# Schedules as JSON

GOOD = every_nth(n_layers=4, n=2).to_json()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
ACTIONS = st.lists(st.from_regex(r"\A[FDB][0-5](\[[0-9]:[0-9]\])?\Z") | st.text(max_size=6), max_size=12)


def read_and_judged(text: str) -> bool:
    """Read a schedule and simulate it; whether both worked. Any error but `ScheduleError` fails the test."""
    try:
        schedule = Schedule.from_json(text)
        str(schedule)
        simulate(schedule, chain_of([3] * 5, batch_size=8))
    except ScheduleError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return False
    return True


def test_good_schedule_is_read():
    assert read_and_judged(GOOD)


@settings(max_examples=300)
@given(st.sampled_from(("format", "name", "n_layers", "batch_size", "actions")), JSON | ACTIONS)
def test_any_value_in_a_schedule_is_refused_or_read(name, value):
    read_and_judged(json.dumps(json.loads(GOOD) | {name: value}))


@settings(max_examples=200)
@given(st.floats(0, 1), st.text(max_size=5), st.integers(0, 5))
def test_any_cut_in_a_schedule_is_refused_or_read(fraction, new, length):
    at = int(fraction * len(GOOD))
    read_and_judged(GOOD[:at] + new + GOOD[at + length :])


@pytest.mark.parametrize("text", ["[" * 10**6, '{"a":' * 10**6, "9" * 10**6, '"' + "\\u0041" * 10**5, "null", ""])
def test_deep_or_long_json_is_refused_at_once(text):
    with Bounded(), pytest.raises(ScheduleError):
        Schedule.from_json(text)


def test_schedule_of_more_layers_than_there_can_be_costs_nothing():
    text = json.dumps(json.loads(GOOD) | {"n_layers": 2**60})
    with Bounded():
        assert not read_and_judged(text)
