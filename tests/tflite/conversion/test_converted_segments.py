"""From a network with exits to segments: nothing is lost, and what cannot be is said."""

import json
import shutil
from functools import partial

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from networks_with_exits import EXITS, SHAPE, head, images, make_network_with_exits
from tnn_tflite import BundleError, Dispatcher, compare, convert, read_bundle, replace_controller
from tnn_tflite.conversion.keras_to_tflite import keras_to_tflite

layers = keras.layers


@pytest.fixture(scope="module")
def network():
    return make_network_with_exits()


@pytest.fixture(scope="module")
def directory(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exits") / "bundle"
    return convert(network, folder, exits=True, verbose=False).directory


def test_costs_add_up(network, directory):
    bundle = read_bundle(directory)
    assert [one.name for one in bundle.segments] == list(EXITS)
    assert sum(one.macs for one in bundle.segments) == tnn.count_macs(network)
    assert sum(one.parameters for one in bundle.segments) == network.count_params()


def test_weights_are_stored_once(tmp_path):
    """A ResNet-20 with two exits: at most 1.02 of its plain file and the weights of the heads."""
    plain = tnn.models.ResNet((32, 32, 3), 10, depth=20, throttled=False)
    x = [layer.output for layer in plain.layers if isinstance(layer, layers.Add)]
    heads = [layers.Dense(10, name=f"exit_{i}") for i in (1, 2)]
    answers = [
        one(layers.GlobalAveragePooling2D()(layers.ReLU()(x[at])))
        for one, at in zip(heads, (2, 5), strict=True)
    ]
    model = keras.Model(plain.inputs, [*answers, plain.output])
    bundle = convert(model, tmp_path / "bundle", exits=True, verbose=False)
    content, _, _ = keras_to_tflite(plain)
    of_heads = 4 * sum(one.count_params() for one in heads)  # bytes
    size = sum(path.stat().st_size for path in bundle.directory.glob("*.tflite"))
    assert size <= 1.02 * (len(content) + of_heads)


def test_a_model_that_names_its_exits(tmp_path, capsys):
    model = make_network_with_exits()
    model.exit_names = ("a", "b", "c")
    bundle = convert(model, tmp_path / "bundle")
    assert [one.name for one in bundle.segments] == ["a", "b", "c"]
    assert "1/3  up to exit 'a': " in capsys.readouterr().out


def throttled():
    image, u = keras.Input(SHAPE, name="image"), keras.Input((1,), name="utilization")
    gates = tnn.gates.Nested(4)(u)
    x = layers.ReLU()(tnn.layers.ThrottleableConv2D(8, 3, num_groups=4)([image, gates]))
    y = layers.ReLU()(tnn.layers.ThrottleableConv2D(8, 3, num_groups=4)([x, gates]))
    return keras.Model([image, u], [head(x, "first"), head(y, "scores")])


def test_a_throttled_network_at_one_level(tmp_path):
    model = throttled()
    bundle = convert(model, tmp_path / "bundle", (0.5,), exits=True, verbose=False)
    assert sum(one.macs for one in bundle.segments) == tnn.count_macs(tnn.materialize(model, 0.5))
    expected = model([images(), np.full((5, 1), 0.5, "float32")], training=False)
    found = Dispatcher(bundle.directory).anytime(images())
    for result, answer in zip(found, expected, strict=True):
        np.testing.assert_allclose(result.outputs, answer, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="Invalid value for `levels`"):
        convert(model, tmp_path / "other", (), exits=True, verbose=False)


def test_gates_at_exits_stay_behind(tmp_path):
    """A device stops by time or by certainty; the exits themselves are the model's."""
    network = tnn.models.VGG(
        SHAPE, 4, num_groups=4, filters=((8, 8),), dense_units=None, batch_normalization=False
    )
    gate = partial(tnn.exits.exit_gate, filters=4)
    model = tnn.add_exits(network, at=["conv1_1_gate"], gate=gate)
    data = {"calibration_data": images()}
    bundle = convert(model, tmp_path / "bundle", (0.5, 1.0), **data, verbose=False)
    assert {one.name for one in bundle.points} == {"exit1", "predictions"}
    for u in (0.5, 1.0):
        level = tnn.materialize(model, u, images())
        found = Dispatcher(bundle.directory).anytime(images(), utilization=u)
        for result, answer in zip(found, level.predict(images(), verbose=0)[:2], strict=True):
            np.testing.assert_allclose(result.outputs, answer, rtol=1e-4, atol=1e-5)


def test_what_segments_cannot_have_beside_them(network, tmp_path):
    for model, message, arguments in (
        ({1.0: network}, "`model`. Expected one network for exits=True", {}),
        (network, "`controller`. Expected None", {"controller": network}),
        (network, "`layout`. Expected 'files'", {"layout": "single"}),
        (network, "`levels`. Expected none for a plain network", {"levels": (0.5, 1.0)}),
        ("network", "`model`. Expected a keras.Model", {}),
    ):
        with pytest.raises(ValueError, match=message):
            convert(model, tmp_path / "bundle", exits=True, **arguments)
    assert not (tmp_path / "bundle").exists()


def test_exits_that_are_none(tmp_path):
    image = keras.Input(SHAPE, name="image")
    x = layers.Conv2D(4, 3)(image)
    one = keras.Model(image, head(x, "scores"))
    with pytest.raises(ValueError, match="Expected a network with exits, so at least two outputs"):
        convert(one, tmp_path / "bundle", exits=True)
    unlike = keras.Model(image, [head(x, "first"), layers.Dense(5, name="scores")(x)])
    with pytest.raises(ValueError, match="exits that answer alike, with one shape and type"):
        convert(unlike, tmp_path / "bundle", exits=True)
    free = layers.GlobalAveragePooling2D(name="first")(layers.Conv2D(4, 3)(image))
    free = keras.Model(image, [free, layers.ReLU(name="scores")(free)])
    with pytest.raises(ValueError, match="none before 'scores' that an earlier one does not need"):
        convert(free, tmp_path / "bundle", exits=True)


def test_a_segment_of_another_network(directory, tmp_path):
    """Its hash is not the one that the manifest has."""
    other = make_network_with_exits()
    for weight in other.weights:
        weight.assign(weight + 1.0)
    convert(other, tmp_path / "other", exits=True, verbose=False)
    bundle = shutil.copytree(directory, tmp_path / "bundle")
    shutil.copy(tmp_path / "other" / "segment_2.tflite", bundle / "segment_2.tflite")
    with pytest.raises(BundleError, match="SHA-256|bytes in 'segment_2.tflite'"):
        Dispatcher(bundle)


def test_a_segment_in_the_place_of_another(directory, tmp_path):
    """Who makes the manifest's sizes and hashes fit, too, is found out by the tensors."""
    bundle = shutil.copytree(directory, tmp_path / "bundle")
    manifest = json.loads((bundle / "manifest.json").read_text())
    del manifest["manifest_sha256"]
    _, second, third = manifest["programs"]
    shutil.copy(bundle / third["file"], bundle / second["file"])
    second.update({key: third[key] for key in ("bytes", "sha256")})
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(
        BundleError, match="the tensors {'handed_1'.*in 'segment_2.tflite'.*'image'"
    ):
        Dispatcher(bundle)


def test_a_segment_that_is_missing(directory, tmp_path):
    bundle = shutil.copytree(directory, tmp_path / "bundle")
    (bundle / "segment_2.tflite").unlink()
    with pytest.raises(BundleError, match="a file 'segment_2.tflite'. Received: no such file"):
        Dispatcher(bundle)


def test_what_needs_levels_says_so(network, directory):
    with pytest.raises(ValueError, match="a bundle of levels. Received: a network with exits"):
        compare(network, directory, images())
    with pytest.raises(BundleError, match=r"a role that is known here \(level, controller\)"):
        replace_controller(directory, None)
