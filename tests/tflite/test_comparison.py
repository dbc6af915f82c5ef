"""The table that sets Keras and TFLite side by side, on a network made by hand."""

import keras
import numpy as np
import pytest

import keras_tnn as tnn
import tnn_tflite
from keras_tnn.analysis import LevelRow, LevelTable


def test_accuracy_bytes_and_time_of_each_level(tmp_path):
    image, u = keras.Input((4,), name="x"), keras.Input((), name="utilization", optional=True)
    hidden = tnn.layers.ChannelGate(num_groups=2)([image, u])
    dense = keras.layers.Dense(4, use_bias=False, kernel_initializer="identity")(hidden)
    model = tnn.ThrottledModel([image, u], dense)  # class = the largest open channel
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    x = np.eye(4, dtype="float32") + np.array([0.5, 0, 0, 0], "float32")
    y = np.arange(4)  # at u = 1/2 classes 2 and 3 cannot be seen
    levels = (0.5, 1.0)
    bundle = tnn_tflite.convert(model, tmp_path / "bundle", levels, verbose=False)
    table = tnn.evaluate_levels(model, x, y, levels, verbose=False)
    rows = tnn_tflite.compare(table, tmp_path / "bundle", x, y).rows
    assert [row.keras_accuracy for row in rows] == [0.5, 1.0]
    assert [row.tflite_accuracy for row in rows] == [0.5, 1.0]
    assert [row.bytes for row in rows] == [level.bytes for level in bundle.levels]
    assert [row.macs for row in rows] == [2 * 4, 4 * 4]
    assert all(0 < row.milliseconds < 1000 for row in rows)
    text = str(tnn_tflite.compare(table, tmp_path / "bundle", x, y)).splitlines()
    assert len({len(line) for line in text}) == 1 and "TFLite accuracy" in text[0]

    other = LevelTable((LevelRow(0.25, 1, 2, 4, 4, {"accuracy": 0.5}),))
    with pytest.raises(ValueError, match=r"Expected the levels of the bundle, \[0.5, 1.0\]"):
        tnn_tflite.compare(other, tmp_path / "bundle", x, y)
