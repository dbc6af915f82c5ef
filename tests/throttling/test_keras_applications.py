"""Networks of keras.applications: throttled, cut, converted, run.

Small ones in every test run; the others, at their full widths, are marked slow.
"""

import warnings

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from random_networks import randomized
from tnn_tflite import Dispatcher, convert

SMALL = {
    "MobileNet": {"alpha": 0.25},
    "MobileNetV2": {"alpha": 0.35},
    "MobileNetV3Small": {"minimalistic": True},
}
FULL = [
    "ConvNeXtTiny",
    "DenseNet121",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "InceptionResNetV2",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Large",
    "NASNetMobile",
    "ResNet50",
    "ResNet50V2",
    "VGG16",
    "Xception",
]


def check(name, directory, size, **options):
    """Asserts what `throttle` promises; returns the share of the MACs that is left at u = 0.5."""
    build = getattr(keras.applications, name)
    shape = (size, size, 3)
    options = {"weights": None, "classes": 10, "classifier_activation": None, **options}
    model = randomized(build(input_shape=shape, **options))
    x = np.random.default_rng(1).uniform(-1, 1, (2, *shape)).astype("float32")
    dialled = tnn.throttle(model, num_groups=8, axes=("width",))
    whole = model.predict(x, verbose=0)
    # Of the largest output: logits of deep random networks are of any size.
    unit = np.abs(whole).max()
    np.testing.assert_allclose(dialled.predict(x, verbose=0), whole, rtol=0, atol=1e-6 * unit)
    small = tnn.materialize(dialled, 0.5)
    masked = dialled.predict(x, utilization=0.5, verbose=0)
    np.testing.assert_allclose(small.predict(x, verbose=0), masked, rtol=0, atol=1e-4 * unit)
    with warnings.catch_warnings():  # about statistics, which do not matter here
        warnings.simplefilter("ignore", UserWarning)
        convert(dialled, directory, levels=(0.5,), verbose=False)
    answers = Dispatcher(directory)(x)
    np.testing.assert_allclose(answers, masked, rtol=0, atol=1e-3 * unit)
    return tnn.count_macs(small) / tnn.count_macs(model)


@pytest.mark.parametrize("name", SMALL)
def test_small(name, tmp_path):
    assert check(name, tmp_path / "bundle", 32, **SMALL[name]) < 0.4


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL)
def test_full(name, tmp_path):
    assert check(name, tmp_path / "bundle", 96) <= 0.35


@pytest.mark.slow
def test_blocks_close_in_every_residual_application(tmp_path):
    for name, blocks in (("ResNet50", 12), ("MobileNetV2", 10), ("EfficientNetB0", 9)):
        model = getattr(keras.applications, name)(weights=None)
        dialled = tnn.throttle(model, axes=("depth",))
        gates = [x for x in dialled.layers if isinstance(x, tnn.layers.ResidualGate)]
        assert len(gates) == blocks
        assert tnn.count_macs(dialled, 0.01) < tnn.count_macs(dialled, 0.5) < tnn.count_macs(model)
