"""From names to backends, and the small questions that a backend answers."""

import subprocess
import sys

import numpy as np
import pytest

from backend import Backend, BackendError, BackendUnavailable, select_backend


@pytest.mark.parametrize("name", ["cuda", "", "NumPy", "numpy ", None, 3])
def test_unknown_backend_is_refused_with_what_to_choose(name):
    with pytest.raises(
        BackendUnavailable, match=r"^unknown backend .*; choose numpy or cupy(; did you mean 'numpy'\?)?$"
    ) as caught:
        select_backend(name)
    assert str(caught.value) == f"{caught.value.reason}; {caught.value.remedy}"
    assert "\n" not in str(caught.value)


def test_backend_errors_are_runtime_errors():
    assert issubclass(BackendUnavailable, BackendError)
    assert issubclass(BackendError, RuntimeError)


def test_backend_is_given_back_as_it_is(backend):
    assert select_backend(backend) is backend


def test_cupy_is_not_imported_unless_chosen():
    code = "import sys; from backend import select_backend; select_backend('numpy'); assert 'cupy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_arrays_go_to_the_device_and_come_back_unchanged(backend, dtype):
    x = np.arange(12, dtype=dtype).reshape(3, 4)
    a = backend.asarray(x)
    assert backend.owns(a)
    assert backend.dtype_name(a) == dtype
    assert backend.to_numpy(a).dtype == dtype
    assert np.array_equal(backend.to_numpy(a), x)


def test_asarray_converts_to_the_dtype_asked_for(backend, dtype):
    a = backend.asarray([[1, 2], [3, 4]], dtype)
    assert backend.dtype_name(a) == dtype
    assert backend.to_numpy(a).tolist() == [[1, 2], [3, 4]]


def test_new_arrays_have_the_shape_and_dtype_asked_for(backend, dtype):
    empty, zeros = backend.empty((2, 3), dtype), backend.zeros((4,), dtype)
    assert (tuple(empty.shape), backend.dtype_name(empty)) == ((2, 3), dtype)
    assert backend.to_numpy(zeros).tolist() == [0, 0, 0, 0]


def test_backend_does_not_own_a_list(backend):
    assert not backend.owns([1.0])


def test_strict_backend_does_not_own_a_numpy_array(backend):
    if backend.xp is np or backend.name == "numpy":
        pytest.skip("NumPy's arrays are its own")
    assert not backend.owns(np.ones(1))


def test_namespace_and_device_are_named(backend):
    assert backend.name in repr(backend)
    assert str(backend.device) in repr(backend)
    assert hasattr(backend.xp, "matmul")


def test_synchronize_waits_and_returns_nothing(backend):
    assert backend.synchronize() is None


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (np.ones((4, 6)), True),
        (np.ones((4, 6))[1:3], True),
        (np.ones((4, 6))[:, 2:5], True),
        (np.ones((4, 6))[::2], True),
        (np.ones((4, 6)).T, False),
        (np.ones((4, 6))[:, ::2], False),
        (np.ones((4, 6))[::-1], False),
        (np.broadcast_to(np.ones(6), (4, 6)), False),
        (np.ones((1, 6)), True),
        (np.ones((4, 1)), True),
    ],
    ids=[
        *("whole", "rows", "columns", "every 2nd row", "transposed", "every 2nd column", "upside down", "broadcast"),
        *("one row", "one column"),
    ],
)
def test_row_major_means_no_gaps_inside_a_row(x, expected):
    assert select_backend("numpy").is_row_major(x) is expected


def test_reference_backend_refuses_unknown_names():
    reference = Backend("reference", np)
    x = np.ones((2, 2))
    with pytest.raises(ValueError, match="unknown activation 'swish'"):
        reference.add_bias_activate_(x, x[0], "swish")
    with pytest.raises(ValueError, match="'softmax' has no elementwise derivative"):
        reference.hidden_delta_(x, x, "softmax")
    with pytest.raises(ValueError, match="unknown cost 'hinge'"):
        reference.cost_sum(x, x, "hinge")
