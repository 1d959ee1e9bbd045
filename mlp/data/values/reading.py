"""How a user's file is to be read: the options that say so, as a record. Saved with the state, to read alike again."""

from dataclasses import dataclass
from math import isfinite

from backend.nearest import meant
from mlp.data.errors import DataError
from mlp.data.values.column_scaling import FITTED, KINDS

TEST_SHARE = 0.2
TARGETS = ("classes", "values")


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read a data set. Raises `DataError` for what cannot be meant.

    `target`: the column of a table to predict; `drop`: columns that are left out. `targets`: "classes" or
    "values" where the file's types do not say it. `scale`: one of `KINDS`; None is "255" for images of bytes and "none"
    for all else. `test`, `validation`: the shares held out, by `seed`; the first only where the file has no test part.
    `skip_pass`: a memory-mapped file is not read through at the start.
    """

    target: str | None = None
    drop: tuple[str, ...] = ()
    targets: str | None = None
    scale: str | None = None
    test: float = TEST_SHARE
    validation: float = 0.0
    seed: int = 0
    skip_pass: bool = False

    def __post_init__(self) -> None:
        for option, value, choices in (("scale", self.scale, KINDS), ("targets", self.targets, TARGETS)):
            if value is not None and value not in choices:
                raise DataError(f"--{option} takes {', '.join(choices)}; found {value!r}{meant(value, choices)}")
        for option, share, least in (("test", self.test, "above 0"), ("validation", self.validation, "0 or more")):
            known = type(share) in (int, float) and isfinite(share) and 0 <= share < 1
            if not known or (share == 0 and option == "test"):
                raise DataError(f"--{option} is the share of rows held out, {least} and below 1; found {share!r}")
        if type(self.seed) is not int or self.seed < 0:
            raise DataError(f"the seed of a split must be a whole number, 0 or more; found {self.seed!r}")
        texts = [*self.drop, *([] if self.target is None else [self.target])]
        if type(self.drop) is not tuple or not all(isinstance(text, str) and text for text in texts):
            raise DataError("--target and --drop take names of columns, which are not empty")
        if type(self.skip_pass) is not bool:
            raise DataError(f"skip_pass is true or false; found {self.skip_pass!r}")

    def check_fits(self) -> None:
        """Raise `DataError` for a scaling to be fitted on a pass left out, and for a column that is named twice."""
        if self.skip_pass and self.scale in FITTED:
            raise DataError(f"--scale {self.scale} is fitted on the pass that --skip-data-pass leaves out; drop one")
        if self.target in self.drop:
            raise DataError(f"--target and --drop both name {self.target!r}, which is no input anyway; do not drop it")
        twice = next((name for name in self.drop if self.drop.count(name) > 1), None)
        if twice is not None:
            raise DataError(f"--drop names {twice!r} twice; name each column once")
