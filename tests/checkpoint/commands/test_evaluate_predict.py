"""A saved network is used: evaluated, and asked about pictures and arrays that are not trusted."""

import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from checkpoint.commands import program as command_line
from mlp import Network, data, load_state, read_state, save_state
from mlp.data import DataError
from mlp.data.images import read_images
from mlp.data.named.sample import load_sample
from mlp.data.values.scaling import Scaling


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "run.state"
    train = ["train", "--data", "sample", "--sizes", "784,30,10", "--epochs", "3", "--save", str(path), "--json"]
    assert command_line.main([*train, str(path.with_name("run.json"))]) == 0
    return path


@pytest.fixture
def images(tmp_path, monkeypatch) -> np.ndarray:
    monkeypatch.chdir(tmp_path)
    return data.load("sample").test_images


def run(*arguments: object) -> int:
    return command_line.main([str(argument) for argument in arguments])


# evaluate


def test_accuracy_is_that_of_the_training(trained, capsys, tmp_path):
    assert run("evaluate", trained, "--data", "sample", "--json", tmp_path / "found.json") == 0
    wanted = json.loads(trained.with_name("run.json").read_text())["test_accuracy"]
    assert json.loads((tmp_path / "found.json").read_text())["test_accuracy"] == wanted
    assert f"test accuracy on sample: {wanted:.4f} of 1,000 images" in capsys.readouterr().out


def test_data_is_that_of_the_training_unless_it_is_given(trained, capsys, tmp_path):
    assert run("evaluate", trained, "--json", tmp_path / "found.json") == 0
    said = capsys.readouterr()
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["data"], found["same_data"]) == ("sample", True)
    assert found["test_accuracy"] == json.loads(trained.with_name("run.json").read_text())["test_accuracy"]
    assert "test accuracy on sample: " in said.out
    assert said.err == ""


@pytest.fixture
def on_other_data(tmp_path, monkeypatch, capsys) -> Path:
    """A state trained on `other.npz`, the sample with one pixel changed, named by a path from the working folder."""
    monkeypatch.chdir(tmp_path)
    sample = data.load("sample")
    arrays = {"x_train": sample.train_images.copy(), "y_train": sample.train_labels}
    arrays["x_train"][5, 300] ^= 1
    np.savez("other.npz", **arrays, x_test=sample.test_images, y_test=sample.test_labels)
    assert run("train", "--data", "other.npz", "--sizes", "784,10", "--epochs", "1", "--save", "other.state") == 0
    capsys.readouterr()
    return tmp_path


def test_data_at_a_path_is_found_from_another_folder(on_other_data, monkeypatch, capsys):
    (on_other_data / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert run("evaluate", "../other.state") == 0
    assert f"test accuracy on {on_other_data / 'other.npz'}: " in capsys.readouterr().out


def test_data_that_has_gone_or_changed_is_an_error_and_nothing_takes_its_place(on_other_data, capsys):
    sample = data.load("sample")
    arrays = {"x_train": sample.train_images, "y_train": sample.train_labels}
    np.savez("other.npz", **arrays, x_test=sample.test_images, y_test=sample.test_labels)
    assert run("evaluate", "other.state") == 2
    said = capsys.readouterr()
    assert "is not the data any more that other.state was trained on" in said.err
    assert said.out == ""
    Path("other.npz").unlink()
    assert run("evaluate", "other.state") == 2
    assert "other.npz" in capsys.readouterr().err


def test_other_data_is_called_other_data_and_the_sample_s_images_those_of_training(on_other_data, capsys):
    assert run("evaluate", "other.state", "--data", "sample", "--json", "found.json") == 0
    said = capsys.readouterr()
    assert "test accuracy on sample, which is not the data it was trained on: " in said.out
    assert "a network trained on MNIST has seen them" in said.err
    assert json.loads(Path("found.json").read_text())["same_data"] is False


def unreachable_mnist(name_or_path, **options):
    sample = load_sample()
    return sample if name_or_path == "sample" else replace(sample, notice="MNIST is not to be had; using the sample")


def test_mnist_that_cannot_be_had_is_not_replaced_by_the_sample(trained, tmp_path, monkeypatch, capsys):
    network, state = load_state(trained)
    notes = {**state.notes, "data": "mnist"}
    save_state(tmp_path / "mnist.state", network, state.progress, notes=notes)
    monkeypatch.setattr("checkpoint.runs.states.trained_data.data.load", unreachable_mnist)
    for more in ((), ("--data", "mnist")):
        assert run("evaluate", tmp_path / "mnist.state", *more) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err == (
            "mlp-checkpointing: error: MNIST is not to be had; give --data, with the path of a copy or sample\n"
        )


def test_training_that_took_the_sample_in_the_place_of_mnist_notes_the_sample(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("checkpoint.commands.train.data.load", unreachable_mnist)
        assert run("train", "--sizes", "784,10", "--epochs", "1", "--save", "run.state") == 0
    assert read_state("run.state").notes["data"] == "sample"
    assert run("evaluate", "run.state") == 0


def test_state_that_names_no_data_asks_for_it(tmp_path, capsys):
    save_state(tmp_path / "own.state", Network([784, 10]))
    assert run("evaluate", tmp_path / "own.state") == 2
    assert "does not say which data it was trained on; give --data" in capsys.readouterr().err
    assert run("evaluate", tmp_path / "own.state", "--data", "sample", "--json", tmp_path / "found.json") == 0
    assert json.loads((tmp_path / "found.json").read_text())["same_data"] is None


def test_network_of_another_size_is_refused_in_a_line(tmp_path, capsys):
    save_state(tmp_path / "small.state", Network([5, 3]))
    assert run("evaluate", tmp_path / "small.state", "--data", "sample") == 2
    assert capsys.readouterr().err == (
        "mlp-checkpointing: error: the images have 784 pixels, the network 5 inputs; change sizes\n"
    )


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_no_saved_state_is_one_line(command, tmp_path, capsys):
    (tmp_path / "x").write_bytes(b"\x93NUMPY")
    more = ["x.png"] if command == "predict" else ["--data", "sample"]
    for path in (tmp_path / "x", tmp_path, tmp_path / "none"):
        assert run(command, path, *more) == 2
        assert capsys.readouterr().err.count("\n") == 1


# predict


def test_picture_array_and_rows_are_told_alike(trained, images, capsys):
    network, _ = load_state(trained)
    outputs = network.feedforward((images[:3] / np.float64(255)).astype("float32"))
    lines = [f"{row.argmax()}  {row.max():.4f}" for row in outputs]
    picture = images[0].reshape(28, 28)
    Image.fromarray(picture).save("grey.png")
    Image.fromarray(picture).convert("RGB").save("colour.png")
    Image.fromarray(255 - picture).save("dark.png")
    np.save("one.npy", picture)
    np.save("flat.npy", images[0])
    np.save("three.npy", images[:3])
    np.save("cube.npy", images[:3].reshape(3, 28, 28))
    np.save("floats.npy", np.asfortranarray(images[:3] / 255))
    np.save("big-endian.npy", (images[:3] / 255).astype(">f4"))
    for name in ("grey.png", "colour.png", "one.npy", "flat.npy"):
        assert run("predict", trained, name) == 0
        assert capsys.readouterr().out.splitlines() == lines[:1], name
    for name in ("three.npy", "cube.npy", "floats.npy", "big-endian.npy"):
        assert run("predict", trained, name) == 0
        assert capsys.readouterr().out.splitlines() == lines, name
    assert run("predict", trained, "dark.png", "--invert", "--json", "found.json") == 0
    assert json.loads(Path("found.json").read_text())["classes"] == [int(outputs[0].argmax())]


def refused(path: str) -> str:
    with pytest.raises(DataError) as caught:
        read_images(path, features=784, dtype="float32")
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.usefixtures("images")
def test_pictures_that_do_not_fit_are_refused():
    Image.new("I;16", (28, 28)).save("deep.png")
    Image.new("L", (5000, 5000)).save("large.png")
    Image.new("L", (28, 28)).save("other.gif")
    assert "is 5000 x 5000 pixels, more than 16777216" in refused("large.png")
    assert "found I;16" in refused("deep.png")
    assert "not a .npy array" in refused("other.gif")


@pytest.mark.usefixtures("images")
def test_picture_that_cannot_be_made_the_network_s_size_is_refused():
    Image.new("L", (20, 20)).save("small.png")
    with pytest.raises(DataError, match="is 20 x 20, 400 pixels; the network takes 783, which is no square"):
        read_images("small.png", features=783, dtype="float32")


def drawn(size: int = 280, ink: int = 255, ground: int = 0) -> Image.Image:
    """A thick upright stroke."""
    picture = Image.new("L", (size, size), ground)
    picture.paste(ink, (size * 4 // 10, size * 2 // 10, size * 6 // 10, size * 8 // 10))
    return picture


@pytest.mark.usefixtures("images")
def test_pictures_of_any_kind_are_read_alike():
    small = drawn(28)
    rgba = Image.merge("RGBA", [*[Image.new("L", (28, 28), 255)] * 3, small])  # white ink, transparent around it
    kinds = {
        "grey.png": small,
        "bits.png": small.convert("1"),
        "colour.png": small.convert("RGB"),
        "palette.png": small.convert("RGB").quantize(4),
        "opaque.png": small.convert("RGBA"),
        "transparent.png": rgba,
        "large.png": small.resize((280, 280), Image.Resampling.NEAREST),
    }
    for name, picture in kinds.items():
        picture.save(name)
    small.save("photo.jpg", quality=95)
    wanted = np.asarray(small).reshape(1, 784) / 255
    for name in (*kinds, "photo.jpg"):
        found = read_images(name, features=784, dtype="float64")
        np.testing.assert_allclose(found, wanted, atol=0.1 if name == "photo.jpg" else 0, err_msg=name)


@pytest.mark.usefixtures("images")
def test_dark_ink_on_nothing_is_dark_on_light():
    ink = drawn(28)
    Image.merge("RGBA", [*[Image.new("L", (28, 28), 0)] * 3, ink]).save("ink.png")
    X = read_images("ink.png", features=784, dtype="float64", invert=True)
    np.testing.assert_array_equal(X, np.asarray(ink).reshape(1, 784) / 255)


@pytest.mark.usefixtures("images")
def test_what_is_done_to_a_picture_is_said():
    said: list[str] = []
    drawn(28).save("fits.png")
    drawn(100).crop((0, 0, 100, 80)).save("other.png")
    read_images("fits.png", features=784, dtype="float32", say=said.append)
    assert said == []
    read_images("other.png", features=784, dtype="float32", say=said.append)
    assert said == ["other.png: resized from 100 x 80 to 28 x 28 pixels"]


@pytest.mark.usefixtures("images")
def test_dark_on_light_is_noticed_unless_it_is_inverted():
    said: list[str] = []
    drawn(28, ink=0, ground=255).save("dark.png")
    read_images("dark.png", features=784, dtype="float32", invert=True, say=said.append)
    assert said == []
    read_images("dark.png", features=784, dtype="float32", say=said.append)
    (line,) = said
    assert line.startswith("dark.png: is mostly light")


# The range of an array's values


def read(values: np.ndarray, scaling: Scaling | None, said: list[str] | None = None) -> np.ndarray:
    np.save("values.npy", values)
    say = ([] if said is None else said).append
    return read_images("values.npy", features=4, dtype="float64", scaling=scaling, say=say)


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("high", [255.0, 16.0])
def test_values_are_scaled_as_those_of_the_training_were_and_that_is_said_of_floats(high):
    raw = np.array([[0, 1, high / 4, high]])
    said: list[str] = []
    assert read(raw.astype(np.uint8), Scaling(high), said).tolist() == (raw.astype(np.uint8) / high).tolist()
    assert said == []
    assert read(raw, Scaling(high), said).tolist() == (raw / high).tolist()
    assert said == [
        f"values.npy: its values run to {high:g}; they are divided by {high:g}, as those of the training were"
    ]
    assert read(raw / high, Scaling(high), said).tolist() == (raw / high).tolist()
    assert len(said) == 1


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[0, 1, 16, 200]], np.uint8), "holds 200, and the network was trained on values of 0 to 16"),
        (np.array([[0.0, 1, 16, 200]]), "its values run from 0 to 200; wanted 0 to 1, or 0 to 16 as the network was"),
        (np.array([[-0.5, 0, 0.5, 1]]), "its values run from -0.5 to 1; wanted 0 to 1"),
    ],
)
def test_range_that_does_not_fit_is_named(values, message):
    with pytest.raises(DataError, match=message):
        read(values, Scaling(16.0))


@pytest.mark.usefixtures("images")
def test_floats_for_a_network_that_was_trained_on_values_as_they_were_are_taken_as_they_are():
    values = np.array([[-3.0, 0, 0.5, 700]])
    assert read(values, None).tolist() == values.tolist()


def png(width: int, height: int, packed: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("size", [(10**4, 10**4), (2**31 - 1, 2**31 - 1), (65500, 65500)])
def test_picture_that_promises_gigabytes_is_not_decoded(size):
    Path("bomb.png").write_bytes(png(*size, zlib.compress(bytes(10**7))))
    refused("bomb.png")


@pytest.mark.usefixtures("images")
def test_picture_with_more_behind_its_pixels_than_it_says_is_cut_off():
    Path("long.png").write_bytes(png(28, 28, zlib.compress(bytes(10**8))))
    assert read_images("long.png", features=784, dtype="float32").shape == (1, 784)


@pytest.mark.usefixtures("images")
def test_arrays_that_do_not_fit_are_refused():
    np.save("shape.npy", np.zeros((3, 5), "uint8"))
    np.save("none.npy", np.zeros((0, 784), "uint8"))
    np.save("int.npy", np.zeros(784, "int64"))
    np.save("nan.npy", np.full(784, np.nan))
    np.save("huge.npy", np.full(784, 1e300))
    np.save("object.npy", np.array([{}] * 784, dtype=object), allow_pickle=True)
    np.save("swapped.npy", np.zeros((784, 3), "uint8"))
    assert "wanted one image of 784 values, or n of them, found shape (3, 5)" in refused("shape.npy")
    assert "found shape (0, 784)" in refused("none.npy")
    assert "found int64" in refused("int.npy")
    assert "not finite" in refused("nan.npy")
    assert "not finite" in refused("huge.npy")
    assert "found dtype '|O'" in refused("object.npy")
    assert "found shape (784, 3)" in refused("swapped.npy")


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("kind", ["npy", "png"])
@settings(max_examples=100)
@given(
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=8)), min_size=1, max_size=4),
    cut=st.integers(0, 3),
)
def test_damaged_file_is_refused_or_an_image(kind, changes, cut):
    name = f"good.{kind}"
    grey = np.arange(784, dtype="uint8").reshape(28, 28)
    if kind == "png":
        Image.fromarray(grey).save(name)
    else:
        np.save(name, grey)
    content = Path(name).read_bytes()
    for fraction, new in changes:
        at = int(fraction * len(content)) if cut else int(fraction * 90)
        content = content[:at] + new + content[at + len(new) + (cut == 3) :]
    Path(name).write_bytes(content)
    try:
        assert read_images(name, features=784, dtype="float32").shape == (1, 784)
    except DataError as error:
        assert str(error).isprintable()  # noqa: PT017
