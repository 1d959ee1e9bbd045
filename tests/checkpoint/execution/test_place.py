"""A place to offload to and its rates are told apart, and a wrong type of either is named."""

from pathlib import Path
from typing import Any

import pytest

from checkpoint import CheckpointError, NetworkWithCheckpointing, Offloading
from checkpoint.strategies import store_all
from tests.checkpoint.offloading import all_offloaded

RATES = Offloading(1e9, 1e9)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"offload": RATES}, "offload is a place: 'host', a path or Transfers; got Offloading"),
        ({"offload": 3}, "offload is a place: 'host', a path or Transfers; got int '3'"),
        ({"offload": b"place"}, "offload is a place: 'host', a path or Transfers; got bytes"),
        ({"offload": "place", "offloading": 1e9}, "offloading is the rates of a place, an Offloading; got float"),
        (
            {"offload": "place", "offloading": "host"},
            "offloading is the rates of a place, an Offloading; got str 'host'",
        ),
        ({"offloading": RATES}, "offloading is given, the rates of a place, and no place is; give offload too"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_place_and_rates_of_another_type_are_named(
    arguments: dict[str, Any], problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError) as caught:
        NetworkWithCheckpointing([4, 3, 3, 2], checkpoint_every_nth_layer=1, **arguments)
    assert str(caught.value).startswith(problem)
    assert list(tmp_path.iterdir()) == []


def test_path_is_text_or_a_path(tmp_path: Path) -> None:
    for place in (tmp_path, str(tmp_path)):
        net = NetworkWithCheckpointing([4, 3, 3, 2], schedule=all_offloaded(3), offload=place)
        assert net.transfers is not None
    assert NetworkWithCheckpointing([4, 3, 2], schedule=store_all(n_layers=2)).transfers is None
