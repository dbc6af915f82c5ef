"""Networks of keras.applications with a dial."""

import keras
import numpy as np
import pytest

from keras_tnn import count_macs, materialize, models
from keras_tnn.models.applications import plain
from keras_tnn.surgery import copy_weights
from small_networks import samples, with_random_statistics

SHAPE = ((32, 32, 3), 10)


@pytest.fixture(scope="module")
def mobilenet():
    return models.MobileNetV2(*SHAPE, alpha=0.35)


def test_mobilenet_v2_is_that_of_keras(mobilenet):
    vanilla = models.MobileNetV2(*SHAPE, alpha=0.35, throttled=False)
    keras_own = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, weights=None, classes=10)
    assert vanilla.count_params() == keras_own.count_params() == mobilenet.count_params()
    copy_weights(mobilenet, vanilla)
    x = samples(mobilenet)
    # The same operations on the same weights, and products with one.
    np.testing.assert_allclose(mobilenet(x), vanilla(x), rtol=1e-6, atol=1e-6)


def test_mobilenet_v2_level(mobilenet, tmp_path):
    with_random_statistics(mobilenet)
    mobilenet.save(tmp_path / "net.keras")
    small = materialize(keras.saving.load_model(tmp_path / "net.keras"), 0.5)
    x = samples(mobilenet)
    masked = mobilenet([x, np.full(len(x), 0.5, "float32")])
    # float32 sums in another order
    np.testing.assert_allclose(small(x), masked, rtol=1e-4, atol=1e-4)
    vanilla = models.MobileNetV2(*SHAPE, alpha=0.35, throttled=False)
    assert count_macs(small) < 0.35 * count_macs(vanilla)


@pytest.mark.slow  # its 121 layers are built, gated and cut
def test_densenet_121_takes_a_dial():
    model = models.DenseNet121(*SHAPE)
    assert [x.name for x in model.inputs] == ["image", "utilization"]
    assert count_macs(materialize(model, 0.5)) < 0.35 * count_macs(materialize(model, 1.0))


@pytest.mark.parametrize(
    "build, parameters",
    # Keras' own table of applications: 8.1, 14.3 and 20.2 M.
    [
        (models.DenseNet121, 8.1e6),
        pytest.param(models.DenseNet169, 14.3e6, marks=pytest.mark.slow),
        pytest.param(models.DenseNet201, 20.2e6, marks=pytest.mark.slow),
    ],
)
def test_densenets_are_those_of_keras(build, parameters):
    model = build((32, 32, 3), 1000, throttled=False)
    assert model.count_params() == pytest.approx(parameters, rel=0.005)


def test_weights_of_a_file_are_loaded(tmp_path):
    path = str(tmp_path / "net.weights.h5")
    saved = models.MobileNetV2(*SHAPE, alpha=0.35, throttled=False)
    saved.save_weights(path)
    loaded = models.MobileNetV2(*SHAPE, alpha=0.35, weights=path, throttled=False)
    for expected, received in zip(saved.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(received, expected)


def test_trained_network_gets_a_classifier_for_other_classes():
    asked = {}

    def application(weights, **options):
        asked.update(options)
        return keras.applications.MobileNetV2(weights=None, **options)  # nothing is downloaded

    model = plain(application, (32, 32, 3), 7, "imagenet", "net", alpha=0.35)
    assert model.output_shape == (None, 7)
    assert not asked["include_top"]
    assert (
        plain(application, (32, 32, 3), 1000, "imagenet", "net", alpha=0.35).output_shape[1] == 1000
    )
    assert asked["classes"] == 1000
