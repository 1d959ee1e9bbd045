"""Values of another range than those that a network was trained on: refused for images of bytes, said of any other."""

from typing import Any

import numpy as np
import pytest

from mlp.data import DataError, Preparation, load
from mlp.data.unlabelled import read_unlabelled

CLASSES = np.arange(40) % 2


@pytest.fixture
def save(tmp_path, monkeypatch):
    """Write values, up to `high`, of `dtype`; returns the name of the file."""
    monkeypatch.chdir(tmp_path)

    def written(name: str, high: float, dtype: Any) -> str:
        X = (np.linspace(0, high, 40 * 6).reshape(40, 6)).astype(dtype)
        np.savez(f"{name}.npz", X=X, y=CLASSES)
        np.save(f"{name}.npy", X)
        return name

    return written


def known_of(name: str) -> Preparation:
    """How the data was prepared, as it comes out of a saved state."""
    return Preparation.from_json(load(f"{name}.npz").preparation.to_json())


@pytest.mark.parametrize(
    ("trained", "high"), [(16, 1), (16, 7.9), (16, 17), (16, -16), (255, 1), (255, 16), (255, 2000), (255, -16)]
)
def test_floats_of_another_range_than_the_bytes_trained_on_are_refused(save, trained, high):
    save("trained", trained, np.uint8)
    save("other", high, np.float32)
    with pytest.raises(DataError, match=f"and the network was trained on 0 to {trained}; scale them alike"):
        load("other.npz", known=known_of("trained"), trained_digest="another")


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize(("trained", "high"), [(16, 16), (16, 15), (16, 9), (255, 255), (255, 33)])
def test_values_of_the_same_range_are_taken_whatever_the_largest_of_them(save, trained, high, dtype):
    save("trained", trained, np.uint8)
    save("other", high, dtype)
    found = load("other.npz", known=known_of("trained"), trained_digest="another")
    assert (found.scaling.high, found.notice) == (trained, None)


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
@pytest.mark.parametrize(
    ("trained", "high", "said"), [(1, 255, 1), (16, 255, 1), (255, 16, 1), (255, 200, 0), (1, 3, 0)]
)
def test_values_far_from_the_training_s_are_said_where_nothing_scales_them(save, trained, high, said, dtype):
    save("trained", trained, dtype)
    save("other", high, dtype)
    known = known_of("trained")
    line = (
        f"values of other.{{}} run from 0 to {high}, and those that the network was trained on from 0 to {trained}: "
        f"scale them alike"
    )
    found = load("other.npz", known=known, trained_digest="another")
    assert (found.notice or "") == (line.format("npz") if said else "")
    heard: list[str] = []
    read_unlabelled("other.npy", features=6, dtype="float32", preparation=known, scaling=known.pixels, say=heard.append)
    assert heard == [line.format("npy")] * said


def test_a_few_small_values_are_not_said_to_be_of_another_range(save):
    save("trained", 255, np.float32)
    np.save("one.npy", np.ones((1, 6), np.float32))
    heard: list[str] = []
    read_unlabelled(
        "one.npy", features=6, dtype="float32", preparation=known_of("trained"), scaling=None, say=heard.append
    )
    assert heard == []


def test_older_states_that_do_not_say_the_range_are_read(save):
    save("trained", 1, np.float32)
    save("other", 255, np.float32)
    text = known_of("trained").to_json()
    older = text.replace(',"span":[0.0,1.0]', "")
    assert older != text
    assert load("other.npz", known=Preparation.from_json(older), trained_digest="another").notice is None


@pytest.mark.parametrize("span", ["[0.0]", "[0.0,1.0,2.0]", '["a","b"]', "[NaN,1.0]", "3", "[1,2]"])
def test_range_that_is_none_is_refused(save, span):
    save("trained", 1, np.float32)
    with pytest.raises(DataError):
        Preparation.from_json(known_of("trained").to_json().replace('"span":[0.0,1.0]', f'"span":{span}'))
