"""The shape that a layer promises is the shape that it returns."""

import keras
import numpy as np
import pytest

from descriptors import GATES, LAYERS, SAMPLES, UTILIZATION


@pytest.mark.parametrize("descriptor", LAYERS, ids=str)
def test_layer(descriptor):
    layer = descriptor.make()
    real = tuple(layer([descriptor.samples(), UTILIZATION]).shape)
    shapes = [(SAMPLES, *descriptor.features), (SAMPLES,)]
    assert tuple(layer.compute_output_shape(shapes)) == real
    symbolic = layer([keras.Input(descriptor.features), keras.Input(())])
    assert symbolic.shape == (None, *real[1:])


@pytest.mark.parametrize("descriptor", LAYERS, ids=str)
def test_layer_with_one_utilization_for_the_batch(descriptor):
    layer = descriptor.make()
    each = layer([descriptor.samples(), np.full(SAMPLES, 0.5, "float32")])
    one = layer([descriptor.samples(), np.float32(0.5)])
    np.testing.assert_array_equal(one, each)


@pytest.mark.parametrize("descriptor", GATES, ids=str)
def test_gate(descriptor):
    gate = descriptor.make()
    assert tuple(gate(UTILIZATION).shape) == (SAMPLES, gate.num_groups)
    assert gate(keras.Input(())).shape == (None, gate.num_groups)
    assert gate.pattern(0.5).shape == (gate.num_groups,)
