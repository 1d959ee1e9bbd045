"""What `mlp.data` promises to others, as a written list."""

import mlp.data
from mlp.data import DamagedDataError, DataError, DownloadError, OversizedDataError, UnreadableDataError


def test_public_names_are_these() -> None:
    assert mlp.data.__all__ == [
        "CLASSES",
        "DamagedDataError",
        "DataError",
        "Dataset",
        "DownloadError",
        "OversizedDataError",
        "Preparation",
        "Reading",
        "Samples",
        "UnreadableDataError",
        "as_inputs",
        "dataset_from_arrays",
        "load",
        "one_hot",
        "read_idx",
        "read_npz",
        "split_rows",
    ]


def test_every_error_is_a_data_error_and_a_value_error() -> None:
    for error in (DamagedDataError, DownloadError, OversizedDataError, UnreadableDataError):
        assert issubclass(error, DataError)
    assert issubclass(DataError, ValueError)


def test_messages_are_one_line_whatever_is_in_them() -> None:
    assert str(DataError("a\nb\x1b[2Jc\u2028d")) == "a?b?[2Jc?d"
