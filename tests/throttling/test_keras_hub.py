"""Tasks of keras-hub keep their losses, their answers and their preprocessors."""

import keras
import numpy as np
import pytest

import keras_tnn as tnn
import tnn_tflite

keras_hub = pytest.importorskip("keras_hub", reason="keras-hub is the extra 'detection'")

pytestmark = [
    # keras-hub hands `fit` a dataset.
    pytest.mark.filterwarnings("ignore:`shuffle=True` was passed:UserWarning"),
]
RNG = np.random.default_rng(0)
PHOTOS = RNG.random((4, 32, 32, 3)).astype("float32")
TRUTH = {
    "boxes": np.tile(np.array([[4, 4, 12, 12], [16, 8, 28, 24]], "float32"), (4, 1, 1)),
    "labels": np.tile(np.array([0, 1], "float32"), (4, 1)),
}
LEVELS = (0.5, 1.0)


@pytest.fixture(scope="module")
def detector():
    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 3))
    features, x = {}, image
    for level, filters in ((1, 8), (2, 16), (3, 16)):
        x = keras.layers.Conv2D(filters, 3, 2, padding="same", activation="relu")(x)
        features[f"P{level}"] = keras.layers.Conv2D(256, 1)(x)
    backbone = keras.Model(image, {name: features[name] for name in ("P2", "P3")})
    backbone.image_shape, backbone.min_level, backbone.max_level = (32, 32, 3), 2, 3
    model = keras_hub.models.RetinaNetObjectDetector(
        backbone,
        num_classes=2,
        bounding_box_format="xyxy",
        anchor_generator=keras_hub.layers.AnchorGenerator("xyxy", 2, 3, 1, [1.0], 2.0),
        pre_logits_num_conv_layers=0,
        prediction_decoder=keras_hub.layers.NonMaxSuppression(
            "xyxy", from_logits=True, confidence_threshold=0.1, max_detections=10
        ),
    )
    # keras-hub gives boxes the prior of classes, which puts them outside of the photo.
    model.box_head.prediction_layer.bias.assign(np.zeros(4))
    return model


@pytest.fixture(scope="module")
def dialled(detector):
    model = tnn.throttle(detector, num_groups=4, axes=("width",))
    model.compile("sgd", jit_compile=False)
    return model


def test_a_detector_has_its_loss_and_its_boxes(detector, dialled):
    detector.compile("sgd", jit_compile=False)
    assert dialled.evaluate(PHOTOS, TRUTH, verbose=0) == pytest.approx(
        detector.evaluate(PHOTOS, TRUTH, verbose=0), rel=1e-5
    )
    expected, found = (one.predict(PHOTOS, verbose=0) for one in (detector, dialled))
    for name in ("boxes", "labels", "confidence", "num_detections"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5)


def test_a_level_of_a_detector_finds_the_boxes_of_the_masked_one(dialled):
    small = tnn.materialize(dialled, 0.5)
    expected = dialled.predict(PHOTOS, utilization=0.5, verbose=0)
    np.testing.assert_allclose(
        small.predict(PHOTOS, verbose=0)["boxes"], expected["boxes"], atol=1e-3
    )
    table = tnn.evaluate_levels(dialled, PHOTOS, TRUTH, LEVELS, verbose=False)
    masked = dialled.evaluate(PHOTOS, TRUTH, utilization=0.5, verbose=0, return_dict=True)
    assert table.rows[0].metrics == pytest.approx(masked, rel=1e-4)


def test_a_detector_trains_by_the_sandwich_rule_and_is_saved(detector, tmp_path):
    model = tnn.throttle(detector, num_groups=4, axes=("width",))
    model.compile("sgd", jit_compile=False)
    rule = tnn.callbacks.SandwichRule(LEVELS)
    found = model.fit(PHOTOS, TRUTH, batch_size=4, verbose=0, callbacks=[rule])
    assert np.isfinite(found.history["loss"]).all()
    model.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras", compile=False)
    assert isinstance(loaded, keras_hub.models.RetinaNetObjectDetector)
    np.testing.assert_allclose(
        loaded.predict(PHOTOS, utilization=0.5, verbose=0)["boxes"],
        model.predict(PHOTOS, utilization=0.5, verbose=0)["boxes"],
    )


def test_a_bundle_holds_the_network_and_finds_the_same_objects(dialled, tmp_path):
    tnn_tflite.convert(dialled, tmp_path / "bundle", levels=LEVELS)
    compared = tnn_tflite.compare(dialled, tmp_path / "bundle", PHOTOS)
    assert max(row.output_error for row in compared.rows) < 1e-4
    outputs = tnn_tflite.Dispatcher(tmp_path / "bundle")(PHOTOS[0], utilization=0.5)
    anchors = np.concatenate([np.array(a) for a in dialled.anchor_generator(PHOTOS).values()])
    boxes = tnn_tflite.decoded_boxes(anchors, outputs["bbox_regression"])
    scores = 1 / (1 + np.exp(-outputs["cls_logits"]))
    objects = tnn_tflite.detected_objects(boxes, scores, threshold=0.1)
    found = dialled.predict(PHOTOS, utilization=0.5, verbose=0)
    assert objects[0].score == pytest.approx(found["confidence"][0][0], rel=1e-4)
    np.testing.assert_allclose(objects[0].box, found["boxes"][0][0], atol=1e-2)


def test_a_classifier_keeps_its_preprocessor(tmp_path):
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(8, 3, activation="relu")(keras.layers.Conv2D(8, 3)(image))
    backbone = keras.Model(image, x)
    converter = keras_hub.layers.ImageConverter(scale=1 / 255, image_size=(8, 8))
    classifier = keras_hub.models.ImageClassifier(
        backbone,
        num_classes=2,
        preprocessor=keras_hub.models.ImageClassifierPreprocessor(converter),
    )
    photos = RNG.integers(0, 256, (4, 16, 16, 3)).astype("float32")  # the converter halves them
    model = tnn.throttle(classifier, num_groups=4)
    expected = classifier.predict(photos, verbose=0)
    np.testing.assert_allclose(model.predict(photos, verbose=0), expected, rtol=1e-5)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rule = tnn.callbacks.SandwichRule(LEVELS)
    model.fit(photos, np.array([0, 1, 0, 1]), batch_size=4, verbose=0, callbacks=[rule])
    model.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras", compile=False)
    found = loaded.predict(photos, utilization=0.5, verbose=0)
    np.testing.assert_allclose(found, model.predict(photos, utilization=0.5, verbose=0), rtol=1e-5)


def test_a_segmenter_keeps_its_task():
    keras.utils.set_random_seed(0)
    encoder = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64, 64, 64, 64],
        stackwise_num_blocks=[1, 1, 1, 1],
        stackwise_num_strides=[1, 2, 2, 2],
        block_type="basic_block",
        image_shape=(32, 32, 3),
    )
    backbone = keras_hub.models.DeepLabV3Backbone(
        encoder,
        low_level_feature_key="P2",
        spatial_pyramid_pooling_key="P4",
        upsampling_size=4,
        dilation_rates=[2],
        projection_filters=8,
    )
    segmenter = keras_hub.models.DeepLabV3ImageSegmenter(backbone, num_classes=2)
    model = tnn.throttle(segmenter, num_groups=4, axes=("width",), check=False)
    np.testing.assert_allclose(
        model.predict(PHOTOS, verbose=0), segmenter.predict(PHOTOS, verbose=0), rtol=1e-3, atol=1e-5
    )
    assert isinstance(model, keras_hub.models.DeepLabV3ImageSegmenter)
