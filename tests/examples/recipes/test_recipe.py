"""What recipes share."""

import json
from pathlib import Path

from harness import make_store

from examples.recipes.recipe import constant_baseline


def test_the_constant_row_has_no_correlation_and_is_json(tmp_path: Path) -> None:
    found = constant_baseline(make_store(tmp_path / "DATA", {"text": 3}))
    assert found["corr"] is None
    assert json.loads(json.dumps(found, allow_nan=False))["n"] == found["n"] > 0
