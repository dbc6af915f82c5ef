"""The code in docs/policies.md runs and does what the text says."""

import re
import shutil
from pathlib import Path

import numpy as np

GUIDE = Path(__file__).parents[3] / "docs/policies.md"


def test_the_guide_to_policies_runs(shared_bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(shared_bundle, tmp_path / "bundle")
    names = {}
    for code in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        exec(code, names)
    assert names["night"].utilization == 0.25
    assert names["night"].reason == "it is 3 h, night"
    assert (names["low"].utilization, names["low"].reason) == (0.25, "bright: False")
    # The tiny network takes microseconds: every level fits into 4 ms, unless the machine hangs.
    assert names["result"].reason.endswith("as slow as its table")
    image, dispatcher = names["image"], names["dispatcher"]
    for row, utilization in enumerate((1.0, 0.25, 1.0)):
        np.testing.assert_array_equal(names["outputs"][row], dispatcher(image, utilization))
    (table,) = tmp_path.glob("*.latency.json")
    assert re.fullmatch(r"bundle\.\w+-1\.latency\.json", table.name)
