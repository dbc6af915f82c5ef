"""Levels of networks whose layers are built from layers are the files that an interpreter runs."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_tnn as tnn
import tnn_tflite
from composites import Block, Residual, Scaled, Twice, network
from random_weights import randomized

LEVELS = (0.5, 1.0)
# Int8 rounds each of a few layers to a 255th of its range; float32 sums in another order.
MOST = {None: 1e-5, "int8": 0.1}


@keras.saving.register_keras_serializable("test_converted_composites")
class Sized(Block):
    """Builds itself and says its shape, as `TimeDistributed` asks of a layer."""

    def build(self, shape):
        self.conv.build(shape)
        self.norm.build(self.compute_output_shape(shape))

    def compute_output_shape(self, shape):
        return (*shape[:-1], self.filters)


def clips() -> keras.Model:
    """A composite at each step of a clip."""
    clip = keras.Input((3, 8, 8, 3))
    x = layers.TimeDistributed(layers.Conv2D(8, 3, padding="same"), name="stem")(clip)
    x = layers.TimeDistributed(Sized(8, name="block"), name="steps")(x)
    x = layers.TimeDistributed(layers.Conv2D(8, 1), name="head")(x)
    by_frame = layers.TimeDistributed(layers.GlobalMaxPooling2D(), name="rows")(x)
    x = layers.Concatenate()([layers.GlobalAveragePooling3D()(x), layers.Flatten()(by_frame)])
    return keras.Model(clip, layers.Dense(3)(x))


NETWORKS = {
    "opened": lambda: network(Residual(8, name="a"), Scaled(8, name="b"), Twice(8, name="c")),
    "at_every_step": clips,
}


@pytest.mark.filterwarnings(
    "ignore:The model has batch normalization and `calibration_data` is None:UserWarning",
    "ignore:No rule is known for the layers 'steps':UserWarning",
)
@pytest.mark.parametrize("quantization", MOST)
@pytest.mark.parametrize("name", NETWORKS)
def test_files_answer_as_the_levels_do(name, quantization, tmp_path):
    keras.utils.set_random_seed(0)
    plain = randomized(NETWORKS[name]())
    dialled = tnn.throttle(plain, num_groups=4, axes=("width",))
    x = np.random.default_rng(0).random((8, *plain.input.shape[1:]), "float32")
    data = None if quantization is None else x
    tnn_tflite.convert(
        dialled,
        tmp_path / "bundle",
        levels=LEVELS,
        quantization=quantization,
        representative_data=data,
    )
    dispatcher = tnn_tflite.Dispatcher(tmp_path / "bundle")
    for level in LEVELS:
        expected = tnn.materialize(dialled, level).predict(x, verbose=0)
        found = np.stack([np.asarray(dispatcher(one, utilization=level)) for one in x])
        error = np.abs(found.reshape(expected.shape) - expected).max()
        assert error <= MOST[quantization] * np.ptp(expected)
