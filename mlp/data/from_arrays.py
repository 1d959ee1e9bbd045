"""A data set of images from four arrays, as Keras has them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp.data.dataset import Dataset
from mlp.data.errors import DataError
from mlp.data.prepare import Raw, prepared


def dataset_from_arrays(
    train_images: NDArray[Any],
    train_labels: NDArray[Any],
    test_images: NDArray[Any],
    test_labels: NDArray[Any],
    *,
    name: str,
    notice: str | None = None,
) -> Dataset:
    """A Dataset of these arrays, once checked, images flattened to rows. Images that fit are not copied.

    The scaling follows from the largest pixel; the notice says so where it is not 0 to 255.
    Images: (n, rows, columns), (n, rows, columns, 3) or (n, features), uint8. Labels: (n,) or (n, 1), whole numbers or
    text, of any number of classes, or one-hot rows. Raises DataError, which begins with `name`.
    """
    for part, images in (("train", train_images), ("test", test_images)):
        if images.dtype != np.uint8:
            raise DataError(f"{name}: {part} images: wanted uint8, 0 to 255, found {images.dtype}; convert them first")
    return prepared(Raw((train_images, train_labels), (test_images, test_labels)), name=name, notice=notice)
