"""Build, train, cut, convert, dial: the whole path on random images, in a minute.

python examples/quickstart.py
"""

import keras
import numpy as np

import keras_tnn as tnn
import tnn_tflite


def main(samples: int = 256):
    x = np.random.default_rng(0).random((samples, 32, 32, 3), dtype="float32")  # your images
    y = np.arange(samples) % 10  # your labels

    model = tnn.models.VGG((32, 32, 3), 10, num_groups=8, filters=((32, 32), (64,)), dense_units=64)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=2, callbacks=[tnn.callbacks.SandwichRule((0.25, 0.5, 1.0))])
    model.evaluate(x, y, utilization=0.5, calibration_data=x)
    model.save("net.keras")

    model = keras.saving.load_model("net.keras")
    small = tnn.materialize(model, utilization=0.5, calibration_data=x)  # a plain, smaller network
    print(tnn.count_macs(model), tnn.count_macs(small))

    tnn_tflite.convert(model, "bundle", levels=(0.25, 0.5, 1.0), calibration_data=x)
    dispatcher = tnn_tflite.Dispatcher("bundle")  # needs numpy and a TFLite interpreter only
    for u in (0.25, 0.5, 1.0):
        print(u, dispatcher(x[0], utilization=u).argmax())


if __name__ == "__main__":
    main()
