"""Every kind of bundle runs, trial and all, on every interpreter that is installed."""

import importlib.util
import subprocess

import numpy as np
import pytest

from tnn_tflite import Dispatcher
from tnn_tflite.dispatch.interpreter import RUNTIMES

INSTALLED = [name for name in RUNTIMES if importlib.util.find_spec(name) is not None]
KINDS = ("float_bundle", "single_bundle", "signatures_bundle", "int8_bundle", "int8_single_bundle")

PROGRAM = """
import sys
import numpy as np
from tnn_tflite import Dispatcher

image = np.load(sys.argv[2])
for directory in sys.argv[4:]:
    # A trial starts the runtime anew: with TensorFlow that takes many seconds a bundle.
    trial = sys.argv[1] != "tensorflow"
    dispatcher = Dispatcher(directory, runtime=sys.argv[1], trial=trial)
    outputs = [dispatcher(image, level.utilization) for level in dispatcher.levels]
    np.save(sys.argv[3] + "/" + directory.replace("/", "_"), outputs)
print(dispatcher.runtime)
"""


@pytest.mark.parametrize("runtime", INSTALLED)
def test_same_answers(request, start_alone, tmp_path, runtime):
    """In a process of its own: not every pair of runtimes fits into one."""
    image = np.random.default_rng(0).normal(size=(8, 8, 3)).astype("float32")
    np.save(tmp_path / "image.npy", image)
    bundles = [str(request.getfixturevalue(kind)) for kind in KINDS]
    arguments = (runtime, tmp_path / "image.npy", tmp_path, *bundles)
    child = start_alone(PROGRAM, *arguments, stdout=subprocess.PIPE, text=True)
    assert child.communicate(timeout=120)[0] == f"{runtime}\n"
    for kind, directory in zip(KINDS, bundles, strict=True):
        found = np.load(tmp_path / (directory.replace("/", "_") + ".npy"))
        here = Dispatcher(directory)
        expected = [here(image, level.utilization) for level in here.levels]
        # float32 sums in another order; integers of a softmax may round to the neighbour, 1 / 256.
        np.testing.assert_allclose(found, expected, atol=1 / 256 if "int8" in kind else 1e-5)
