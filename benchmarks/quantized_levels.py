"""What quantization changes at each level of a trained network.

    python benchmarks/quantized_levels.py --model=net.keras --data=cifar10.npz

The data are an .npz file with x_train, x_test and y_test, pixels from 0 to 255. For each mode it
converts the levels and prints `tnn_tflite.compare`: agreement of the top class with the Keras
level, accuracy, bytes, time and the layer that changes most. Goals: int8 agrees in at least 98 % at
every level, and "qat" in no fewer than int8.
"""

import os
import tempfile

import numpy as np
from absl import app, flags, logging

import tnn_tflite

MODEL = flags.DEFINE_string("model", None, "Saved throttled classifier.", required=True)
DATA = flags.DEFINE_string("data", None, "File with x_train, x_test, y_test.", required=True)
LEVELS = flags.DEFINE_list("levels", "0.25,0.5,0.75,1", "Utilizations, rising.")
MODES = flags.DEFINE_list("modes", "int8,qat", "Modes of quantization.")
SAMPLES = flags.DEFINE_integer("samples", 10000, "Test images, at least 1.", lower_bound=1)
REPRESENTATIVE = flags.DEFINE_integer("representative_samples", 10000, "Training images given.")


def main(argv):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.set_verbosity(logging.ERROR)  # TensorFlow tells of every SavedModel
    import keras

    import keras_tnn  # noqa: F401  its layers are registered with Keras by the import

    model = keras.saving.load_model(MODEL.value)
    with np.load(DATA.value) as data:
        train = (data["x_train"][: REPRESENTATIVE.value] / 255).astype("float32")
        x = (data["x_test"][: SAMPLES.value] / 255).astype("float32")
        y = data["y_test"][: SAMPLES.value].ravel()
    for mode in MODES.value:
        with tempfile.TemporaryDirectory() as folder:
            bundle = os.path.join(folder, "bundle")
            tnn_tflite.convert(
                model,
                bundle,
                [float(u) for u in LEVELS.value],
                calibration_data=train[:2000],
                quantization=mode,
                representative_data=train if mode in ("int8", "int16x8", "qat") else None,
            )
            comparison = tnn_tflite.compare(model, bundle, x, y, calibration_data=train[:2000])
        print(f"\n{mode}, {len(x)} test images\n{comparison}\n", flush=True)


if __name__ == "__main__":
    app.run(main)
