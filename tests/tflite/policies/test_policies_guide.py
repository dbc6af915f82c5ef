"""The code in docs/policies.md runs and does what the text says."""

import re
import shutil
from pathlib import Path

import keras
import numpy as np

import keras_tnn
from hand_made_controllers import make_controller
from tnn_tflite import Dispatcher

GUIDE = Path(__file__).parents[3] / "docs/policies.md"


def test_the_guide_to_policies_runs(shared_bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(shared_bundle, tmp_path / "bundle")
    names = {
        "keras": keras,
        "model": keras_tnn.models.VGG(
            (8, 8, 3), 4, num_groups=4, filters=((8,),), dense_units=None, batch_normalization=False
        ),
        "controller": make_controller(),
        "outcomes": [1, 2, 3],
    }
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
    assert set(names["climbed"].utilizations) <= {0.25, 1.0}
    assert names["chosen"].choice_macs == names["controlled"].bundle.controller.macs
    swapped = Dispatcher(tmp_path / "bundle").bundle
    assert swapped.levels == names["controlled"].bundle.levels
    assert swapped.controller.sha256 != names["controlled"].bundle.controller.sha256
    (table,) = tmp_path.glob("*.latency.json")
    assert re.fullmatch(r"bundle\.\w+-1\.latency\.json", table.name)
