"""Files of people's own data: what is read of each format, and what is refused in a line."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from mlp.data import DataError, OversizedDataError, Reading, load
from mlp.data.formats.npy_pair import mapped
from mlp.data.values.columns import Column

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(40, 5)).astype("float32")
Y = np.arange(40) % 4


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_arrays() -> list[str]:
    np.savez("whole.npz", X=X, y=Y)
    np.save("X.npy", X)
    np.save("y.npy", Y)
    with h5py.File("whole.h5", "w") as file:
        file.create_dataset("X", data=X, chunks=(7, 5), compression="gzip")
        file["y"] = Y
    return ["whole.npz", "X.npy,y.npy", "whole.h5"]


def test_one_data_set_in_each_format_is_the_same() -> None:
    datasets = [load(path, reading=Reading(scale="standard", seed=1)) for path in write_arrays()]
    for dataset in datasets:
        assert dataset.train.rows is not None
        assert dataset.train.rows.tolist() == datasets[0].train.rows.tolist()  # type: ignore[union-attr]
        assert dataset.preparation == datasets[0].preparation
        rows = np.array([30, 2, 2, 17])
        np.testing.assert_array_equal(dataset.train.inputs[rows], X[rows])
        np.testing.assert_array_equal(dataset.train.inputs[5:9], X[5:9])
    assert len({dataset.digest for dataset in (datasets[0], datasets[2])}) == 1


def test_parts_of_a_file_stay_parts() -> None:
    np.savez("parts.npz", x_train=X[:30], y_train=Y[:30], x_test=X[30:], y_test=Y[30:])
    with h5py.File("parts.hdf5", "w") as file:
        for name, array in np.load("parts.npz").items():
            file[name] = array
    for path in ("parts.npz", "parts.hdf5"):
        dataset = load(path, reading=Reading(validation=0.1))
        assert [len(part) for part in (dataset.train, dataset.test)] == [27, 10]
        assert dataset.validation is not None
        assert len(dataset.validation) == 3
        assert dataset.test.rows is None


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 3), (1, 12)])
def test_images_of_any_size_grey_or_in_colour(shape: tuple[int, ...]) -> None:
    images = RANDOM.integers(0, 256, (40, *shape), dtype=np.uint8)
    np.savez("images.npz", X=images, y=Y.reshape(-1, 1))
    np.save("images.npy", images)
    np.save("labels.npy", Y)
    for path in ("images.npz", "images.npy,labels.npy"):
        dataset = load(path)
        assert (dataset.kind, dataset.preparation.shape) == ("image", shape)
        assert dataset.features == np.prod(shape)
        np.testing.assert_array_equal(dataset.train.inputs, images.reshape(40, -1))


def test_mapped_array_is_of_the_file_and_labels_stay_there() -> None:
    write_arrays()
    dataset = load("X.npy,y.npy")
    assert isinstance(dataset.train.inputs, np.memmap)
    assert isinstance(dataset.train.targets.stored, np.memmap)
    np.save("X.npy", np.asfortranarray(X))
    np.testing.assert_array_equal(load("X.npy,y.npy").train.inputs, X)


def test_a_comma_in_a_name_is_one() -> None:
    np.savez("a,b.npz", X=X, y=Y)
    assert len(load("a,b.npz").train) == 32


def test_pass_can_be_left_out() -> None:
    write_arrays()
    dataset = load("X.npy,y.npy", reading=Reading(skip_pass=True))
    assert (dataset.digest, dataset.finite) == ("", False)
    assert load("X.npy,y.npy").finite
    with pytest.raises(DataError, match="--scale minmax is fitted on the pass"):
        load("X.npy,y.npy", reading=Reading(skip_pass=True, scale="minmax"))


def test_header_and_length_of_a_mapped_file_must_agree() -> None:
    np.save("X.npy", X)
    content = Path("X.npy").read_bytes()
    for wrong in (content[:-1], content + b"\0", content.replace(b"(40, 5)", b"(41, 5)")):
        Path("X.npy").write_bytes(wrong)
        with pytest.raises(DataError, match="the header promises"):
            mapped(Path("X.npy"))


@pytest.mark.parametrize("name", ["X", "y"])
def test_pickled_objects_are_refused_unread(name: str) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("a pickle was loaded",))

    np.save("X.npy", X)
    np.save("y.npy", Y)
    np.save(f"{name}.npy", np.array([Trap()] * 40, dtype=object))
    with pytest.raises(DataError, match=r"found dtype '\|O'; convert them, objects are not unpickled"):
        load("X.npy,y.npy")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("X.npy", "is one array; name the targets too, as X.npy,y.npy"),
        ("X.npy,whole.npz", "two files are a pair X.npy,y.npy"),
        ("X.npy,none.npy", "'none.npy': can't be read"),
        ("text.h5", "cannot be opened as HDF5"),
        ("empty.h5", r"wanted x_train, .*, or X and y, at its top; found nothing"),
        ("link.h5", "X leads elsewhere by a link"),
        ("soft.h5", "X leads elsewhere by a link"),
        ("virtual.h5", "X lies in other files"),
        ("external.h5", "X lies in other files"),
        ("chunks.h5", "in chunks of 268435456 bytes"),
        ("group.h5", "X is no data set"),
    ],
)
def test_files_that_do_not_fit_are_one_line(path: str, message: str) -> None:
    write_arrays()
    Path("text.h5").write_text("no HDF5")
    names = ("empty", "link", "soft", "virtual", "external", "chunks", "group")
    files = {name: h5py.File(f"{name}.h5", "w") for name in names}
    for name, file in files.items():
        if name != "empty":
            file["y"] = Y
    files["link"]["X"] = h5py.ExternalLink("whole.h5", "X")
    files["soft"]["X"] = h5py.SoftLink("/y")
    layout = h5py.VirtualLayout((40, 5), "f4")
    layout[...] = h5py.VirtualSource("whole.h5", "X", (40, 5))
    files["virtual"].create_virtual_dataset("X", layout)
    files["external"].create_dataset("X", (40, 5), "f4", external="X.npy")
    files["chunks"].create_dataset("X", (40, 2**23), "f4", chunks=(8, 2**23))
    files["group"].create_group("X")
    for file in files.values():
        file.close()
    with pytest.raises(DataError, match=message) as caught:
        load(path)
    assert str(caught.value).isprintable()


def test_text_in_hdf5_is_labels() -> None:
    with h5py.File("text.h5", "w") as file:
        file["X"] = X
        file["y"] = np.array(["red", "green"], dtype=object)[Y % 2]
    assert load("text.h5").preparation.classes == ("green", "red")


# Tables

TABLE = pd.DataFrame(
    {
        "size": [1.5, 2, 3, 4] * 10,
        "colour": ["red", "blue", "red", "green"] * 10,
        "flag": [True, False, False, True] * 10,
        "price": np.arange(40) / 8,
        "kind": ["low", "high"] * 20,
    }
)


def table(form: str = "csv", **changed: Any) -> str:
    whole = TABLE.assign(**changed)
    if form == "parquet":
        whole.to_parquet("t.parquet")
    else:
        whole.to_csv(f"t.{form}", index=False, sep="\t" if form == "tsv" else ",")
    return f"t.{form}"


def read(path: str, **reading: Any) -> Any:
    return load(path, reading=Reading(**{"target": "kind", "drop": ("price",), **reading}))


@pytest.mark.parametrize("form", ["csv", "tsv", "parquet"])
def test_table_is_numbers_and_one_hot_categories(form: str) -> None:
    dataset = read(table(form))
    assert dataset.preparation.columns == (
        Column("size"),
        Column("colour", ("blue", "green", "red")),
        Column("flag", ("False", "True")),
    )
    assert dataset.train.inputs[:2].tolist() == [[1.5, 0, 0, 1, 0, 1], [2, 1, 0, 0, 1, 0]]
    assert dataset.preparation.classes == ("high", "low")
    assert read(table(form), target="price", drop=("kind",)).preparation.classes is None


def test_semicolons_and_a_byte_order_mark_are_read() -> None:
    Path("t.csv").write_text("\ufeffsize;kind\n1;low\n2;high\n" * 1 + "3;low\n4;high\n" * 9, encoding="utf-8")
    assert read("t.csv", drop=()).train.inputs[:2].tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("changed", "reading", "message"),
    [
        (
            {},
            {"target": None},
            "say with --target which column to predict; there are size, colour, flag, price, kind",
        ),
        ({}, {"target": "sort"}, "has no column 'sort'; there are size, colour"),
        ({}, {"drop": ("none",)}, "has no column 'none'"),
        ({"size": ["1"] * 39 + ["x"]}, {}, "column 'size', row 40 below the header: 'x' among numbers"),
        ({"size": [1.0] * 39 + [np.nan]}, {}, "column 'size' is empty or NaN in row 40 below the header"),
        ({"colour": ["red"] * 39 + [""]}, {}, "column 'colour' is empty or NaN in row 40"),
        ({"kind": ["low"] * 39 + [None]}, {}, "column 'kind' is empty or NaN in row 40"),
        ({"kind": ["low"] * 40}, {}, "all labels are low; wanted two classes"),
        ({"size": [1.0] * 39 + [np.inf]}, {}, "column 'size' is infinite in row 40"),
        ({"colour": [f"name {k}" for k in range(40)]}, {}, "column 'colour' holds 40 different texts in 40 rows"),
        ({}, {"drop": ("size", "colour", "flag", "price")}, "has no column beside 'kind'"),
        ({}, {"targets": "values"}, "wanted numbers, found text"),
    ],
)
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_bad_cells_are_named_by_column_and_row(form: str, changed: Any, reading: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(table(form, **changed), **reading)
    assert f"t.{form}" in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; wanted a table"),
        (b"a,b\n", "has no row below its header"),
        (b"1,2\n3,4\n", "its first line is numbers"),
        (b"a,a\n3,4\n", "has two columns 'a'"),
        (b"a,kind\n3,4,5\n", "can't be read as a table"),
        (b"\xff\xfe\x00" * 40, "can't be read as a table|has no column"),
        (b"a" * (2**20 + 1), "its first line is longer"),
        (b'a,kind\n"1,2\n', "can't be read as a table"),
    ],
)
def test_text_that_is_no_table_is_one_line(content: bytes, message: str) -> None:
    Path("t.csv").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read("t.csv", drop=())
    assert str(caught.value).isprintable()


def test_parquet_that_promises_gigabytes_is_not_read() -> None:
    pd.DataFrame({"a": np.zeros(2**21)}).to_parquet("t.parquet")
    assert Path("t.parquet").stat().st_size < 2**18
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlp.data.formats.table_files.MAX_DATA_BYTES", 2**23)
        with pytest.raises(OversizedDataError, match="holds 16777216 bytes unpacked"):
            read("t.parquet", drop=())
        patch.setattr("mlp.data.formats.table_files.MAX_DATA_BYTES", 2**10)
        with pytest.raises(OversizedDataError, match="bytes long, the limit is 1024"):
            read("t.parquet", drop=())


@pytest.mark.parametrize(("library", "path"), [("pandas", "t.csv"), ("h5py", "whole.h5")])
def test_library_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, library: str, path: str) -> None:
    write_arrays()
    table()
    monkeypatch.setitem(__import__("sys").modules, library, None)
    with pytest.raises(DataError, match=rf"needs {library}; pip install .mlp-checkpointing\[(tabular|hdf5)\]"):
        read(path)
