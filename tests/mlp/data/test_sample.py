"""The embedded sample: its counts, its order, and the very data that sample/README.md tells how to make."""

from importlib.resources import files

import numpy as np

from mlp.data import load


def test_sample_has_400_and_100_of_each_digit() -> None:
    sample = load("sample")
    assert sample.train_images.shape == (4000, 784)
    assert sample.test_images.shape == (1000, 784)
    assert np.bincount(sample.train_labels).tolist() == [400] * 10
    assert np.bincount(sample.test_labels).tolist() == [100] * 10
    assert sample.name == "sample"
    assert sample.notice is None


def test_sample_is_the_one_that_was_made() -> None:
    assert load("sample").digest == "b25bc287a8c3222e5669304defcc31a94ba0cfffccbfcaf1571af72542305860"


def test_digits_are_interleaved_so_that_any_mini_batch_has_many() -> None:
    labels = load("sample").train_labels
    assert min(len(set(batch.tolist())) for batch in labels.reshape(-1, 50)) >= 8


def test_no_image_is_both_in_train_and_test() -> None:
    sample = load("sample")
    images = np.concatenate([sample.train_images, sample.test_images])
    assert len({image.tobytes() for image in images}) == 5000


def test_sample_is_small_and_states_its_licence() -> None:
    folder = files("mlp.data").joinpath("sample")
    assert len(folder.joinpath("mnist_sample.npz").read_bytes()) < 1_200_000
    readme = folder.joinpath("README.md").read_text(encoding="utf-8")
    assert "LeCun" in readme
    assert "Cortes" in readme
    assert "CC BY-SA 3.0" in readme
