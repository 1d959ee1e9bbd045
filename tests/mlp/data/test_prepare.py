"""From raw arrays to a data set: targets told, parts split off, values looked through, scaling fitted."""

from typing import Any

import numpy as np
import pytest

from mlp import Network, NetworkError
from mlp.data import DataError, Preparation, Reading, load, split_rows
from mlp.data.prepare import Raw, prepared
from mlp.data.values.column_scaling import ColumnScaling
from mlp.data.values.columns import Column
from mlp.data.values.statistics import ColumnStatistics
from mlp.data.values.survey import survey
from mlp.training.regression import fit_of
from mlp.training.samples import batches_of_part, check_fit

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 4)) * [1, 10, 0, 1e-3] + [0, 1e6, 5, 0]
LABELS = np.arange(60) % 3


def made(y: Any = LABELS, inputs: Any = X, **reading: Any) -> Any:
    return prepared(Raw((inputs, np.asarray(y))), name="own", reading=Reading(**reading))


def taken(dataset: Any, outputs: int, *, dtype: str = "float64", part: str = "train") -> tuple[Any, Any]:
    network = Network([dataset.features, outputs], dtype=dtype)
    batches = batches_of_part(network, dataset, part)
    return batches.take(slice(0, len(batches)))


# Targets


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (LABELS, (0, 1, 2)),
        (LABELS.reshape(-1, 1), (0, 1, 2)),
        (LABELS.astype("uint8"), (0, 1, 2)),
        (LABELS * 2, (0, 1, 2, 3, 4)),
        (LABELS * 100 - 7, (-7, 93, 193)),
        (np.array(["b", "a", "c"])[LABELS], ("a", "b", "c")),
        (np.array([b"b", b"a", b"c"])[LABELS], ("a", "b", "c")),
        (LABELS == 1, (0, 1)),
        (np.eye(3)[LABELS], (0, 1, 2)),
        (np.eye(3, dtype=bool)[LABELS], (0, 1, 2)),
    ],
)
def test_labels_of_any_kind_are_classes(y: Any, classes: tuple[Any, ...]) -> None:
    dataset = made(y)
    assert dataset.preparation.classes == classes
    _, one_hot = taken(dataset, dataset.outputs)
    names = np.array(classes)[one_hot.argmax(axis=1)]
    rows = np.asarray(y)[dataset.train.rows]
    wanted = rows.argmax(axis=1) if rows.ndim == 2 and rows.shape[1] > 1 else rows.reshape(-1)
    assert [str(name) for name in names] == [str(label) for label in np.asarray(wanted).astype(names.dtype)]
    assert (one_hot.sum(axis=1) == 1).all()


@pytest.mark.parametrize(
    ("y", "reading", "width"),
    [
        (X[:, 0], {}, 1),
        (X[:, :2], {}, 2),
        (LABELS, {"targets": "values"}, 1),
        (np.eye(3)[LABELS], {"targets": "values"}, 3),
        (np.eye(3)[LABELS] + np.eye(3)[0], {}, 3),
    ],
)
def test_floats_and_what_is_said_to_be_so_are_values(y: Any, reading: dict[str, Any], width: int) -> None:
    dataset = made(y, **reading)
    assert dataset.preparation.classes is None
    assert dataset.outputs == width
    np.testing.assert_array_equal(taken(dataset, width)[1], np.asarray(y).reshape(60, -1)[dataset.train.rows])


def test_two_classes_fit_one_output() -> None:
    dataset = made(LABELS == 1)
    assert taken(dataset, 1)[1].reshape(-1).tolist() == (LABELS == 1)[dataset.train.rows].tolist()


@pytest.mark.parametrize(
    ("y", "reading", "message"),
    [
        (X[:, 0], {"targets": "classes"}, "own: labels: row 0 is 0.12573, which names no class"),
        (X[:, :2], {"targets": "classes"}, "row 0 names no class: wanted one 1 among zeros"),
        (np.array(["a"] * 60), {"targets": "values"}, "wanted numbers, found text"),
        (np.arange(60), {"seed": 1, "targets": "classes", "test": 0.001}, "own: a share of 0.001 of 60 rows leaves 60"),
        (LABELS[:-1], {}, "60 inputs but 59 labels"),
        (np.array(["a\n"] * 60), {}, "the label 'a.n' is no name"),
    ],
)
def test_targets_that_do_not_fit_are_said(y: Any, reading: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        made(y, **reading)


def test_as_many_labels_as_rows_are_no_classes() -> None:
    n = 10_001
    with pytest.raises(DataError, match="more than 10000 different labels; for a regression"):
        made(np.arange(n), np.zeros((n, 1)))


def test_one_class_only_is_said(tmp_path: Any) -> None:
    np.savez(tmp_path / "one.npz", X=X, y=np.full(60, 7))
    with pytest.raises(DataError, match="all labels are 7; wanted two classes or more"):
        load(tmp_path / "one.npz")


def test_network_with_too_few_outputs_or_inputs_is_refused() -> None:
    dataset = made()
    check_fit((4, 3), dataset)
    check_fit((4, 9, 5), dataset)
    with pytest.raises(NetworkError, match="has 3 classes, the last layer 2 units"):
        check_fit((4, 2), dataset)
    with pytest.raises(NetworkError, match="has 4 inputs, the network 5 inputs"):
        check_fit((5, 3), dataset)
    with pytest.raises(NetworkError, match="has 1 columns of targets, the last layer 2 units"):
        check_fit((4, 2), made(X[:, 0]))


# Parts


def test_every_row_is_in_one_part_and_classes_keep_their_shares() -> None:
    dataset = made(test=0.25, validation=0.2, seed=3)
    parts = [dataset.train.rows, dataset.validation.rows, dataset.test.rows]
    assert [len(part) for part in parts] == [36, 9, 15]
    assert sorted(np.concatenate(parts).tolist()) == list(range(60))
    for part in parts:
        assert (np.bincount(LABELS[part]) == len(part) // 3).all()
    again = made(test=0.25, validation=0.2, seed=3)
    assert again.train.rows.tolist() == dataset.train.rows.tolist()
    assert made(test=0.25, validation=0.2, seed=4).train.rows.tolist() != dataset.train.rows.tolist()
    assert dataset.held_bytes == 60 * 8


@pytest.mark.parametrize("labels", [None, LABELS])
def test_split_is_of_the_rows_given(labels: Any) -> None:
    rows = np.arange(100, 160)
    stay, out = split_rows(rows, 1 / 3, seed=5, labels=labels)
    assert (len(stay), len(out)) == (40, 20)
    assert sorted([*stay, *out]) == rows.tolist()
    assert stay.tolist() == sorted(stay)
    for share in (0.0, 1.0, 0.001, 0.999, float("nan")):
        with pytest.raises(DataError, match="wanted at least one of each"):
            split_rows(60, share, seed=0)


# Scaling


@pytest.mark.parametrize("kind", ["standard", "minmax"])
def test_scaling_is_fitted_on_the_training_rows_alone(kind: str) -> None:
    dataset = made(scale=kind, test=0.4, validation=0.1)
    rows = X[dataset.train.rows]
    inputs, _ = taken(dataset, 3)
    shift, spread = (rows.mean(0), rows.std(0)) if kind == "standard" else (rows.min(0), np.ptp(rows, axis=0))
    spread[2] = 1
    np.testing.assert_allclose(inputs, (rows - shift) / spread, atol=1e-9)
    tested, _ = taken(dataset, 3, part="test")
    np.testing.assert_allclose(tested, (X[dataset.test.rows] - shift) / spread, atol=1e-9)
    assert (inputs[:, 2] == 0).all()
    assert dataset.notice == f"1 column has one value in all training rows, and --scale {kind} makes it 0: column 2"


def test_scaling_of_float32_is_rounded_once() -> None:
    dataset = made(scale="standard")
    exact, rounded = (taken(dataset, 3, dtype=dtype)[0] for dtype in ("float64", "float32"))
    np.testing.assert_array_equal(rounded, exact.astype("float32"))


def test_statistics_are_those_of_all_blocks_together() -> None:
    statistics = ColumnStatistics(4)
    for block in (X[:1], X[1:1], X[1:40], X[40:]):
        statistics.add(block)
    np.testing.assert_allclose(statistics.mean, X.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(statistics.deviation, X.std(axis=0), rtol=1e-9, atol=1e-12)


def test_wide_values_that_nobody_scales_are_said() -> None:
    assert "taken as they are; --scale standard" in made().notice
    assert made(scale="none").notice is None


def test_values_too_large_for_the_dtype_are_said() -> None:
    large = made(inputs=np.full((60, 4), 1e300), scale="none")
    with pytest.raises(NetworkError, match="holds values up to 1e\\+300, more than float32 can"):
        batches_of_part(Network([4, 3]), large, "train")
    assert taken(large, 3)[0].max() == 1e300
    assert abs(taken(made(inputs=np.full((60, 4), 1e300), scale="minmax"), 3, dtype="float32")[0]).max() == 0


@pytest.mark.parametrize("scale", ["none", "255"])
def test_inputs_too_large_that_no_pass_has_seen_are_refused_as_they_are_taken(scale: str) -> None:
    raw = Raw((np.full((60, 4), 1e300), LABELS), in_file=True)
    dataset = prepared(raw, name="own", reading=Reading(scale=scale, skip_pass=True))
    batches = batches_of_part(Network([4, 3]), dataset, "train")
    with pytest.raises(NetworkError, match="X holds a value that is not finite"):  # and no warning
        batches.take(slice(0, 8))


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize(("columns", "place"), [(1, r"row \d+ \(from 0\)"), (2, r"row \d+ \(from 0\), column 1,")])
def test_targets_too_large_for_the_dtype_are_refused_with_their_place(columns: int, place: str, part: str) -> None:
    dataset = made(np.tile(X[:, :1], columns), scale="none")
    samples = getattr(dataset, part)
    row = int(samples.rows[-1])
    samples.targets.stored[row, -1] = -1e39
    found = f"^own: targets: {place} holds -1e\\+39, more than float32 can; scale them, or take float64$"
    with pytest.raises(NetworkError, match=found) as refused:
        batches_of_part(Network([4, columns]), dataset, part)
    assert f"row {row} " in str(refused.value)
    assert taken(dataset, columns, part=part)[1].min() == -1e39


def test_place_of_a_target_names_its_part_where_the_data_has_two() -> None:
    y = X[:, 0] + np.where(np.arange(60) == 7, 1e39, 0)
    dataset = prepared(Raw((X, X[:, 0]), (X, y)), name="own")
    batches_of_part(Network([4, 1]), dataset, "train")
    with pytest.raises(NetworkError, match=r"^own: test targets: row 7 \(from 0\) holds 1e\+39, more than float32"):
        batches_of_part(Network([4, 1]), dataset, "test")
    with pytest.raises(DataError, match=r"^own: test targets: row 7 \(from 0\) is NaN"):
        prepared(Raw((X, X[:, 0]), (X, np.where(y > 1e38, np.nan, y))), name="own")


@pytest.mark.parametrize("kind", ["standard", "minmax"])
@pytest.mark.parametrize("values", [(1e308, 0), (1e308, -1e308), (1e308, 1e308)])
def test_column_too_large_to_scale_is_named_with_the_data(kind: str, values: tuple[float, float]) -> None:
    wide = X.copy()
    wide[:, 2] = np.resize(values, 60)
    raw, reading = Raw((wide, LABELS)), Reading(scale=kind)
    with pytest.raises(DataError, match=r"^own: column 2 \(from 0\) holds values from .*1e\+308, too large or too far"):
        prepared(raw, name="own", reading=reading)
    raw = Raw((wide, LABELS), columns=tuple(map(Column, "abcd")))
    with pytest.raises(DataError, match=r"^own: column 'c' holds values from"):
        prepared(raw, name="own", reading=reading)


def test_empty_test_part_is_to_be_left_out() -> None:
    with pytest.raises(DataError, match=r"own: test inputs: .* shape \(0, 4\); .*; leave the test part out$"):
        prepared(Raw((X, LABELS), (X[:0], LABELS[:0])), name="own")
    with pytest.raises(DataError, match=r"wanted at least one value of one row$"):
        prepared(Raw((X[:0], LABELS[:0]), (X, LABELS)), name="own")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_value_that_is_not_finite_is_found_with_its_place(value: float) -> None:
    wrong = X.copy()
    wrong[41, 2] = value
    with pytest.raises(DataError, match=r"own: inputs: row 41 \(from 0\), column 2 is (NaN|infinite)"):
        made(inputs=wrong)
    y = X[:, 0].copy()
    y[5] = value
    found = r"^own: targets: row 5 \(from 0\) is (NaN|infinite); fill it in, or leave the row out$"
    with pytest.raises(DataError, match=found):
        made(y)


def test_pass_in_blocks_finds_what_one_block_does(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments: dict[str, Any] = {"training": np.arange(3, 50), "where": ["own"], "targets_where": ["own"], "names": ()}
    whole = survey([(X, LABELS)], **arguments)
    monkeypatch.setattr("mlp.data.values.survey.BLOCK_BYTES", 5 * 4 * 8)
    blocks = survey([(X, LABELS)], **arguments)
    assert (blocks.digest, blocks.least, blocks.most) == (whole.digest, whole.least, whole.most)
    np.testing.assert_allclose(blocks.statistics.mean, X[3:50].mean(axis=0), rtol=1e-12)


def test_mini_batch_in_blocks_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = made(scale="standard")
    network = Network([4, 3])
    rows = RANDOM.permutation(len(dataset.train))
    batches = batches_of_part(network, dataset, "train")
    whole = [batches.take(part) for part in (rows, slice(7, 30))]
    monkeypatch.setattr("mlp.training.samples.BLOCK_BYTES", 3 * 8 * 4)
    for (inputs, targets), part in zip(whole, (rows, slice(7, 30)), strict=True):
        again = batches.take(part)
        assert np.array_equal(again[0], inputs)
        assert np.array_equal(again[1], targets)
        assert np.array_equal(batches.targets(part), targets)


# What training remembers


def test_other_data_is_treated_as_the_training_s_was() -> None:
    trained = made(np.array(["b", "a", "c"])[LABELS], scale="standard", seed=2)
    known = Preparation.from_json(trained.preparation.to_json())
    assert known == trained.preparation
    other = prepared(Raw((X[:2] + 1, np.array(["c", "b"]))), name="other", known=known, trained_digest=trained.digest)
    assert other.test.rows is None
    np.testing.assert_array_equal(taken(other, 3, part="test")[1].argmax(axis=1), [2, 1])
    scaling = known.scaling
    assert isinstance(scaling, ColumnScaling)
    np.testing.assert_allclose(taken(other, 3, part="test")[0], (X[:2] + 1 - scaling.shift) / scaling.divisor)
    same = prepared(
        Raw((X, np.array(["b", "a", "c"])[LABELS])), name="same", known=known, trained_digest=trained.digest
    )
    assert same.digest == trained.digest
    assert same.test.rows.tolist() == trained.test.rows.tolist()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ((X[:5], np.array(["a"] * 4 + ["z"])), "row 4 has the label z, which is none of the classes a, b, c"),
        ((X[:5, :3], np.array(["a"] * 5)), r"has inputs and outputs \(3, 3\), and the network was trained on \(4, 3\)"),
        ((X[:5], X[:5, 0]), "which names no class"),
    ],
)
def test_data_that_the_network_does_not_know_is_refused(raw: Any, message: str) -> None:
    known = made(np.array(["b", "a", "c"])[LABELS]).preparation
    with pytest.raises(DataError, match=message):
        prepared(Raw(raw), name="other", known=known)


def test_root_mean_square_error_and_r2_are_those_of_their_definitions() -> None:
    dataset = made(X[:, :2], inputs=X[:, :1], test=0.5)
    network = Network([1, 2], dtype="float64")
    batches = batches_of_part(network, dataset, "test")
    inputs, wanted = batches.take(slice(0, 30))
    errors = np.square(network.feedforward(inputs) - wanted)
    rmse, r2 = fit_of(network, batches, batch_size=7)
    assert rmse == pytest.approx(np.sqrt(errors.mean()))
    assert r2 == pytest.approx((1 - errors.sum(axis=0) / np.square(wanted - wanted.mean(axis=0)).sum(axis=0)).mean())
    alike = batches_of_part(network, made(np.ones((60, 2)), inputs=X[:, :1]), "test")
    assert fit_of(network, alike)[1] is None
