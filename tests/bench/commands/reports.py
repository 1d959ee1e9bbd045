"""What a command's JSON holds, read back."""

import json
from pathlib import Path
from typing import Any


def rows_of(report: Path, name: str) -> list[dict[str, Any]]:
    found = json.loads(report.read_text())
    assert found["format"] == f"mlp-checkpointing bench {name} 1"
    assert found["environment"]["quiet"]["others_share"] == 0.0
    rows: list[dict[str, Any]] = found["rows"]
    return rows
