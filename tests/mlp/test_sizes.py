"""Sizes: checked, and read from text and written again."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlp import NetworkError, format_sizes, parse_sizes
from mlp.sizes import MAX_LAYERS, MAX_WIDTH, check_sizes

widths = st.lists(st.integers(1, 12), min_size=2, max_size=30).map(tuple)


@given(widths)
def test_sizes_written_are_read_back(sizes):
    assert parse_sizes(format_sizes(sizes)) == sizes


@given(widths)
def test_text_has_no_two_runs_of_one_width_beside_each_other(sizes):
    parts = format_sizes(sizes).split(",")
    assert all(a.split("x")[0] != b.split("x")[0] for a, b in pairwise(parts))


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("784,100,30,10", (784, 100, 30, 10)),
        ("784,256x64,10", (784, *[256] * 64, 10)),
        (" 5 , 4x2 ,3 ", (5, 4, 4, 3)),
        ("7x2", (7, 7)),
        ("1x1,2", (1, 2)),
    ],
)
def test_text_is_read(text, sizes):
    assert parse_sizes(text) == sizes


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            ",",
            "784",
            "784,",
            "784,,10",
            "784,ten",
            "784,-3,10",
            "784,0,10",
            "784,2.5",
            "784,1e3",
            "784,10x",
            "x10",
        ),
        *("784,4x0", "784,4x-1", "784,4x4x4", "٣,٤", "784;10", "9" * 5000 + ",10", f"784,4x{'9' * 5000}"),
        *(f"{MAX_WIDTH + 1},10", f"4x{MAX_LAYERS + 2}", "4x99999,4x99999", "784,\n10x\0"),
    ],
    ids=lambda text: repr(text[:20]),
)
def test_other_text_is_refused_in_one_short_line(text):
    with pytest.raises(NetworkError, match=r"size|width|repeat|layer") as caught:
        parse_sizes(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            f"784,1x{MAX_LAYERS},10",
            f"at most {MAX_LAYERS} layers can be built; the sizes up to '10' make {MAX_LAYERS + 1}",
        ),
        ("4x99999,4x99999", "at most 100000 layers can be built; the sizes up to '4x99999' make 199997"),
        (f"4x{MAX_LAYERS + 1}", f"a repeat in sizes must be from 1 to {MAX_LAYERS}, as in 256x64; got '4x100001'"),
        ("784,4x0", f"a repeat in sizes must be from 1 to {MAX_LAYERS}, as in 256x64; got '4x0'"),
    ],
)
def test_what_is_wrong_is_what_is_blamed(text, problem):
    with pytest.raises(NetworkError) as caught:
        parse_sizes(text)
    assert str(caught.value) == problem


def test_most_layers_that_can_be_built_are_read():
    assert len(parse_sizes(f"784,1x{MAX_LAYERS - 1},10")) == MAX_LAYERS + 1


@given(st.text(max_size=30))
def test_any_text_is_sizes_or_refused(text):
    with suppress(NetworkError):
        assert all(width >= 1 for width in parse_sizes(text))


@given(st.text(alphabet="0123456789x, ", max_size=12))
def test_text_of_the_right_letters_is_sizes_or_refused(text):
    with suppress(NetworkError):
        assert all(width >= 1 for width in parse_sizes(text))


def test_numbers_of_numpy_are_whole_numbers_too():
    import numpy  # here: sizes need no array library

    assert check_sizes(numpy.array([5, 4])) == (5, 4)
