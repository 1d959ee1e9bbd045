"""A data set in memory, checked and made from four arrays. Knows no file: arrays in, `Dataset` out.

Images stay uint8 (47 MB for MNIST, where float32 takes 188 MB); `mlp.data.convert` makes a mini-batch's floats.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp.data.errors import DataError
from mlp.data.scaling import PIXELS, Scaling, scaling_of_bytes

CLASSES = 10


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels for training and testing, read-only; made and checked by `load` and `dataset_from_arrays`.

    `train_images`, `test_images`: (n, features), uint8, 0 to 255. `train_labels`, `test_labels`: (n,), uint8, 0 to 9.
    `name`: "mnist", "sample" or the path. `notice`: one line that the user should see, or None. `scaling`: the range of
    the pixels that becomes 0 to 1.
    """

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]
    name: str
    notice: str | None = None
    scaling: Scaling = PIXELS

    @property
    def features(self) -> int:
        """Pixels per image: the size of the network's input."""
        return int(self.train_images.shape[1])

    @cached_property
    def digest(self) -> str:
        """SHA-256 of shapes and data, in hex, whatever the file format. Computed on first use."""
        sha256 = hashlib.sha256()
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            sha256.update(f"{array.dtype.name} {array.shape} ".encode())
            sha256.update(np.ascontiguousarray(array).data)
        return sha256.hexdigest()


def dataset_from_arrays(
    train_images: NDArray[Any],
    train_labels: NDArray[Any],
    test_images: NDArray[Any],
    test_labels: NDArray[Any],
    *,
    name: str,
    notice: str | None = None,
) -> Dataset:
    """A Dataset of these arrays, once checked, images flattened to rows. Arrays that fit are not copied.

    The scaling follows from the largest pixel; the notice says so where it is not 0 to 255.
    Images: (n, rows, columns) or (n, features), uint8. Labels: (n,), any integer dtype, 0 to 9. Raises DataError,
    which begins with `name`.
    """
    dataset = Dataset(
        train_images=_flat_images(train_images, where=f"{name}: train images"),
        train_labels=_small_labels(train_labels, where=f"{name}: train labels"),
        test_images=_flat_images(test_images, where=f"{name}: test images"),
        test_labels=_small_labels(test_labels, where=f"{name}: test labels"),
        name=name,
        notice=notice,
    )
    for part, images, labels in (
        ("train", dataset.train_images, dataset.train_labels),
        ("test", dataset.test_images, dataset.test_labels),
    ):
        if len(images) != len(labels):
            raise DataError(
                f"{name}: {len(images)} {part} images but {len(labels)} {part} labels; wanted one label an image"
            )
    if train_images.shape[1:] != test_images.shape[1:]:
        raise DataError(
            f"{name}: train images are {train_images.shape[1:]}, test images {test_images.shape[1:]}; "
            "wanted the same size"
        )
    scaling = scaling_of_bytes(max(int(dataset.train_images.max()), int(dataset.test_images.max())))
    if scaling == PIXELS:
        return dataset
    said = f"pixels of {name} run from {scaling}, and are divided by {scaling.high:g} and not by 255"
    return replace(dataset, scaling=scaling, notice=said if notice is None else f"{notice}; {said}")


def _flat_images(images: NDArray[Any], *, where: str) -> NDArray[np.uint8]:
    """`images` as (n, features), read-only."""
    if images.dtype != np.uint8:
        raise DataError(f"{where}: wanted uint8, 0 to 255, found {images.dtype}; convert them first")
    if images.ndim not in (2, 3):
        raise DataError(f"{where}: wanted (n, rows, columns) or (n, features), found shape {images.shape}")
    if images.size == 0:
        raise DataError(f"{where}: there are none, shape {images.shape}; wanted at least one pixel of one image")
    return _read_only(np.ascontiguousarray(images).reshape(len(images), -1))


def _small_labels(labels: NDArray[Any], *, where: str) -> NDArray[np.uint8]:
    """`labels` as uint8, read-only."""
    if labels.dtype.kind not in "iu":
        raise DataError(f"{where}: wanted integers 0 to {CLASSES - 1}, found {labels.dtype}; convert them first")
    if labels.ndim != 1:
        raise DataError(f"{where}: wanted shape (n,), one digit an image, found {labels.shape}")
    if labels.size == 0:
        raise DataError(f"{where}: there are none; wanted at least one")
    wrong = (labels < 0) | (labels >= CLASSES)
    if wrong.any():
        index = int(wrong.argmax())
        raise DataError(f"{where}: wanted 0 to {CLASSES - 1}, label {index} is {labels[index]}")
    return _read_only(np.ascontiguousarray(labels, dtype=np.uint8))


def _read_only(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A read-only view of `array`; the caller's own array stays writable."""
    view = array.view()
    view.flags.writeable = False
    return view
