"""A warning points to the line of whoever called, however deep in these packages it is raised."""

import warnings

import numpy as np
import pytest

from backend.callers import callers_level


def ours(code: str, name: str, **known: object) -> dict[str, object]:
    """What `code` defines in a module called `name`."""
    module: dict[str, object] = {"__name__": name, "warnings": warnings, "callers_level": callers_level, **known}
    exec(compile(code, f"{name}.py", "exec"), module)  # noqa: S102
    return module


@pytest.mark.parametrize("name", ["backend", "mlp.deep", "checkpoint.deeper.still"])
def test_a_warning_points_outside(name: str) -> None:
    inner = ours("def warn():\n    warnings.warn('here', stacklevel=callers_level())", name)["warn"]
    outer = ours("def call():\n    decorated()", "mlp.call", decorated=np.errstate(over="ignore")(inner))["call"]
    with pytest.warns(UserWarning, match="here") as caught:
        outer()  # type: ignore[operator]
    assert caught[0].filename == __file__


def test_a_module_of_another_name_is_outside() -> None:
    inner = ours("def warn():\n    warnings.warn('here', stacklevel=callers_level())", "mlp.inner")["warn"]
    outer = ours("def call():\n    inner()", "mlpx", inner=inner)["call"]
    with pytest.warns(UserWarning, match="here") as caught:
        outer()  # type: ignore[operator]
    assert caught[0].filename == "mlpx.py"
