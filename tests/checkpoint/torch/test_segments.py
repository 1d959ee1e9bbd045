"""Nested segments by numbers alone: what PyTorch's rules predict, and what is found; no PyTorch here."""

from dataclasses import replace
from itertools import pairwise

import pytest

from checkpoint.schedule.nested import Interval
from checkpoint.torch.candidates import Candidate, chains, equal_splits, planned
from checkpoint.torch.model import LayerTrace, predict

LINEAR = LayerTrace(
    name="linear",
    output_bytes=100,
    inner_bytes=0,
    needs_input=True,
    needs_output=False,
    shares=False,
    in_place=False,
    dropping_bytes=100,
    saving_bytes=100,
    backward_bytes=130,
    gradient_bytes=30,
    error_bytes=100,
    forward_seconds=1.0,
    backward_seconds=2.0,
)
SIGMOID = replace(
    LINEAR,
    name="sigmoid",
    needs_input=False,
    needs_output=True,
    backward_bytes=100,
    gradient_bytes=0,
    forward_seconds=0.0,
    backward_seconds=0.0,
)


def perceptron(*widths: int) -> list[LayerTrace]:
    """Linear layers and sigmoids apart; a row of a unit takes a byte, a multiplication a second."""
    found = []
    for n_in, n_out in pairwise(widths):
        linear = replace(
            LINEAR,
            output_bytes=n_out,
            dropping_bytes=n_out,
            saving_bytes=n_out,
            backward_bytes=n_in,
            gradient_bytes=0,
            error_bytes=n_in,
            forward_seconds=n_in * n_out,
            backward_seconds=2 * n_in * n_out,
        )
        wide = {"output_bytes": n_out, "dropping_bytes": n_out, "saving_bytes": n_out, "error_bytes": n_out}
        found += [linear, replace(SIGMOID, **wide, backward_bytes=n_out)]  # type: ignore[arg-type]
    return found


def test_a_step_without_segments_takes_what_can_be_counted_by_hand() -> None:
    """Two layers: what a sigmoid needs stays, what a linear layer made is gone once the sigmoid ran."""
    found = predict([LINEAR, SIGMOID, LINEAR, SIGMOID], Interval(0, 4))
    # both sigmoids' outputs, the error of the last and the one below it; then a gradient beside, in layer 3
    assert (found.peak_bytes, found.seconds, found.recomputed_seconds) == (100 + 100 + 100 + 130, 6.0, 0.0)


def test_a_segment_runs_again_and_stops_before_what_nobody_needs() -> None:
    layers = [LINEAR, SIGMOID, LINEAR, SIGMOID]
    ends_in_sigmoid = Interval(0, 4, (Interval(0, 2), Interval(2, 3), Interval(3, 4)))
    ends_in_linear = Interval(0, 4, (Interval(0, 3), Interval(3, 4)))
    assert predict(layers, ends_in_sigmoid).recomputed_seconds == 1.0
    assert predict(layers, ends_in_linear).recomputed_seconds == 1.0  # its second linear layer does not run again
    assert predict(layers, ends_in_linear, segment_bytes=7).peak_bytes == predict(layers, ends_in_linear).peak_bytes + 7


def test_equal_splits_are_those_of_checkpoint_sequential() -> None:
    splits = list(equal_splits([LINEAR] * 7, segment_bytes=0))
    assert [split.segments for split in splits] == [1, 2, 3, 4, 5, 6, 7]
    assert splits[0].whole == Interval(0, 7)
    assert splits[2].whole.parts == (Interval(0, 2), Interval(2, 4), Interval(4, 5), Interval(5, 6), Interval(6, 7))
    in_place = replace(SIGMOID, in_place=True, shares=True)
    assert [split.segments for split in equal_splits([LINEAR, in_place] * 2, segment_bytes=0)] == [1, 2]


def fastest(candidates: list[Candidate], budget_bytes: int) -> Candidate:
    return min((one for one in candidates if one.predicted.peak_bytes <= budget_bytes), key=lambda one: one.order)


@pytest.mark.parametrize(("share", "least_gain"), [(0.6, 8.0), (0.45, 3.0)])
def test_an_uneven_perceptron_recomputes_far_less_than_by_equal_splits(share: float, least_gain: float) -> None:
    traces = perceptron(78, *[102, 6, 51, 3] * 5, 1)
    splits = list(equal_splits(traces, segment_bytes=0))
    budget = int(share * splits[0].predicted.peak_bytes)
    ours = fastest(list(planned(traces, budget, segment_bytes=0)), budget)
    theirs = fastest(splits, budget)
    assert least_gain * ours.predicted.recomputed_seconds <= theirs.predicted.recomputed_seconds


def test_segments_begin_at_no_layer_that_changes_its_input() -> None:
    in_place = replace(SIGMOID, in_place=True, shares=True)
    traces = [LINEAR, in_place] * 8
    for places, chain in chains(traces):
        assert chain.n_layers == len(places) - 1
        assert not any(traces[at].in_place for at in places[:-1])

    def starts(interval: Interval) -> set[int]:
        return {interval.start}.union(*(starts(part) for part in interval.parts if part.stop > part.start + 1))

    for candidate in planned(traces, 10**6, segment_bytes=0):
        assert not any(traces[at].in_place for at in starts(candidate.whole))
