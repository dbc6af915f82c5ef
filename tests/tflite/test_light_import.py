"""A device that dispatches loads neither Keras nor TensorFlow."""

import numpy as np

HEAVY = "('keras', 'tensorflow', 'keras_tnn', 'jax', 'torch', 'PIL', 'matplotlib')"
REPORT = f"""
loaded = [name for name in {HEAVY} if name in sys.modules]
assert not loaded, loaded
print("light")
"""


def test_dispatching(shared_bundle, run_alone):
    program = """
import sys
import numpy as np
import tnn_tflite
assert callable(tnn_tflite.convert)
dispatcher = tnn_tflite.Dispatcher(sys.argv[1])
dispatcher.warm_up()
assert dispatcher(np.zeros((2, 8, 8, 3), "float32"), utilization=0.5).shape == (2, 4)
"""
    result = run_alone(program + REPORT, shared_bundle)
    assert result.stdout == "light\n", result.stderr


def test_run_and_levels_commands(shared_bundle, tmp_path, run_alone):
    np.save(tmp_path / "image.npy", np.zeros((8, 8, 3), "float32"))
    program = """
import sys
from tnn_tflite.command import main
assert main(["levels", sys.argv[1], "--measure", "--repeats=1"]) == 0
assert main(["run", sys.argv[1], sys.argv[2], "--utilization=0.5"]) == 0
assert main(["--help"]) == 0
"""
    result = run_alone(program + REPORT, shared_bundle, tmp_path / "image.npy")
    assert result.stdout.endswith("light\n"), result.stderr
    assert "u0.25.tflite" in result.stdout
    assert "u=0.5 for utilization=0.5" in result.stdout
