"""What `convert` and `replace_controller` make of a controller, and which ones they refuse."""

import json
import shutil

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from hand_made_controllers import SHAPE, brightest, make_answering_controller, make_controller
from tnn_tflite import BundleError, Dispatcher, convert, read_bundle, replace_controller
from tnn_tflite.policies import Escalate


def files_of(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.fixture
def controlled(controlled_bundle, tmp_path):
    """A bundle with a controller to change."""
    return shutil.copytree(controlled_bundle, tmp_path / "bundle")


def constant(place):
    """A controller that always chooses the level at one place."""
    controller = make_controller()
    weights = [np.zeros((3, 3), "float32"), np.eye(3, dtype="float32")[place]]
    controller.get_layer("choose").set_weights(weights)
    return controller


def test_another_controller_and_the_same_levels(controlled, images):
    before, old = files_of(controlled), read_bundle(controlled)
    new = replace_controller(controlled, constant(1))
    after = files_of(controlled)
    assert new.levels == old.levels
    assert {name for name in before if before[name] != after[name]} == {
        "controller.tflite",
        "manifest.json",
    }
    assert Dispatcher(controlled).run(images).utilizations == (0.5,) * 5


def test_open_dispatchers_keep_the_old_one(controlled, images):
    """Also one that has not run yet, and one whose memory limit evicts the controller."""
    limit = 2 * max(program.bytes for program in read_bundle(controlled).programs)
    opened = [Dispatcher(controlled), Dispatcher(controlled, memory_limit=limit)]
    replace_controller(controlled, constant(2))
    for dispatcher in opened:
        for _ in range(2):
            assert list(dispatcher.run(images).utilizations) == brightest(images)
    assert Dispatcher(controlled).run(images).utilizations == (1.0,) * 5


def test_a_first_controller_and_none(bundle, images):
    before = files_of(bundle)
    replace_controller(bundle, make_controller())
    assert list(Dispatcher(bundle).run(images).utilizations) == brightest(images)
    assert read_bundle(bundle).controller is not None
    replace_controller(bundle, None)
    assert Dispatcher(bundle).controller is None
    assert Dispatcher(bundle).run(images).utilizations == (1.0,) * 5
    assert files_of(bundle) == before


def test_a_shared_file_and_labels_stay(networks, images, tmp_path):
    names = ["cat", "dog", "emu", "fox"]
    directory = tmp_path / "bundle"
    options = {"quantization": "int8", "representative_data": images}
    convert(networks, directory, layout="single", labels=names, verbose=False, **options)
    before = files_of(directory)
    bundle = replace_controller(directory, make_controller(), **options)
    assert files_of(directory)["levels.tflite"] == before["levels.tflite"]
    assert (bundle.layout, bundle.labels) == ("single", {"logits": tuple(names)})
    assert list(Dispatcher(directory).run(images).utilizations) == brightest(images)


def test_a_damaged_level_is_not_vouched_for(controlled):
    path = controlled / "u0.5.tflite"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    before = files_of(controlled)
    with pytest.raises(BundleError, match="SHA-256 .* of 'u0.5.tflite'"):
        replace_controller(controlled, None)
    assert files_of(controlled) == before
    assert [path.name for path in controlled.parent.iterdir()] == ["bundle"]


def dense(units):
    return keras.layers.Dense(units)


def model(shape=SHAPE, outputs=lambda x: dense(3)(x)):
    image = keras.Input(shape)
    return keras.Model(image, outputs(keras.layers.Flatten()(image)))


WRONG = {
    "more levels than there are": (
        lambda: make_controller(4),
        r"shape \(batch, 3\), a number for each of the 3 levels. Received: shape \('batch', 4\)",
    ),
    "another input": (
        lambda: model((4, 4, 3)),
        r"reads, \[\('image', \(8, 8, 3\)\)\]. Received: .*\(4, 4, 3\)",
    ),
    "a utilization, too": (
        lambda: keras.Model(
            [x := keras.Input(SHAPE), u := keras.Input((1,), name="utilization")],
            dense(3)(keras.layers.Concatenate()([keras.layers.Flatten()(x), u])),
        ),
        r"what the network reads, .* Received: .*\('utilization', \(1,\)\)",
    ),
    "two outputs": (
        lambda: model(outputs=lambda x: [dense(3)(x), dense(4)(x)]),
        "a number for each of the 3 levels. Received: 2 outputs",
    ),
    "other names": (
        lambda: model(outputs=lambda x: {"level": dense(3)(x)}),
        r"a dictionary of 'choice' and 'answer'. Received: \['level'\]",
    ),
    "another answer": (
        lambda: model(
            outputs=lambda x: {
                "choice": dense(3)(x),
                "answer": dense(5)(x),
            }
        ),
        r"outputs \[\('logits', \(4,\)\)\]. Received: shape \(5,\)",
    ),
    "no model": (lambda: keras.layers.Dense(3), "a keras.Model. Received: Dense"),
}


@pytest.mark.parametrize(("make", "message"), WRONG.values(), ids=list(WRONG))
def test_what_is_refused(networks, bundle, tmp_path, make, message):
    before, wrong = files_of(bundle), make()
    with pytest.raises(ValueError, match=message):
        convert(networks, tmp_path / "new", controller=wrong, verbose=False)
    assert not (tmp_path / "new").exists()
    with pytest.raises(ValueError, match=message):
        replace_controller(bundle, wrong)
    assert files_of(bundle) == before


def test_levels_in_integers_have_no_controller(networks, images, tmp_path):
    """Their inputs are scaled for a level, which the caller would have to know before."""
    integers = {
        "quantization": "int8",
        "representative_data": images,
        "inference_type": "int8",
        "verbose": False,
    }
    message = "inference_type='float32'.* Received: inference_type='int8'"
    with pytest.raises(ValueError, match=message):
        convert(networks, tmp_path / "bundle", controller=make_controller(), **integers)
    convert(networks, tmp_path / "bundle", **integers)
    with pytest.raises(ValueError, match=message):
        replace_controller(tmp_path / "bundle", make_controller())


def test_an_answer_is_for_networks_with_one_output(tmp_path):
    image = keras.Input(SHAPE, name="image")
    x = keras.layers.Flatten()(image)
    outputs = {"a": dense(4)(x), "b": dense(2)(x)}
    network = keras.Model(image, outputs)
    controller = model(outputs=lambda x: {"choice": dense(1)(x), "answer": dense(4)(x)})
    with pytest.raises(ValueError, match="an 'answer' as a level gives it, .*'b'.* Received: sha"):
        convert({1.0: network}, tmp_path / "bundle", controller=controller, verbose=False)


def test_a_subclass_of_model(bundle, images):
    @keras.saving.register_keras_serializable("test_controllers")
    class Brightest(keras.Model):
        def call(self, image):
            return keras.ops.mean(image, axis=(1, 2))

    replace_controller(bundle, Brightest())
    assert list(Dispatcher(bundle).run(images).utilizations) == brightest(images)


def test_half_precision_and_a_network_inside(networks, bundle, images):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        inner = make_controller()
    finally:
        keras.config.set_dtype_policy("float32")
    replace_controller(bundle, keras.Sequential([keras.Input(SHAPE), inner]))
    assert list(Dispatcher(bundle).run(images).utilizations) == brightest(images)


def test_a_trained_controller_learns_from_a_log(networks, bundle, images):
    """Retraining as docs/policies.md shows it: inputs, and the level that would have been right."""
    draw = np.random.default_rng(1)
    x = draw.normal(size=(300, *SHAPE)).astype("float32")
    right = x.mean(axis=(1, 2, 3)) > 0  # bright images need the full level
    y = np.where(right, 2, 0)
    controller = make_controller()
    controller.compile(keras.optimizers.Adam(0.1), keras.losses.SparseCategoricalCrossentropy(True))
    controller.fit(x, y, epochs=30, batch_size=50, verbose=0)
    replace_controller(bundle, controller)
    chosen = np.array(Dispatcher(bundle).run(x).utilizations)
    assert np.mean(chosen == np.where(right, 1.0, 0.25)) > 0.95


def test_the_old_versions_of_the_format_get_one(tmp_path):
    golden = "tests/reliability/golden/version_1"
    directory = shutil.copytree(golden, tmp_path / "bundle")
    image = keras.Input((4, 4, 1))
    controller = keras.Model(image, dense(2)(keras.layers.Flatten()(image)))
    bundle = replace_controller(directory, controller)
    assert json.loads((directory / "manifest.json").read_text())["format_version"] == 3
    assert [program.role for program in bundle.programs] == ["controller", "level", "level"]
    x = np.ones((4, 4, 1), "float32")
    for u in (0.5, 1.0):
        np.testing.assert_array_equal(Dispatcher(directory)(x, u), Dispatcher(golden)(x, u))


def test_the_answer_of_the_lowest_level(networks, bundle, images):
    replace_controller(bundle, make_answering_controller(networks[0.25]))
    assert {spec.name for spec in read_bundle(bundle).controller.outputs} == {"choice", "answer"}
    dark = -np.abs(images)
    dispatcher = Dispatcher(bundle)
    # The same layers on the same numbers, in another file: float32 rounds nearly the same.
    np.testing.assert_allclose(dispatcher(dark), dispatcher(dark, 0.25), rtol=1e-5, atol=1e-5)


def test_an_answer_that_is_not_the_levels(networks, bundle, tmp_path):
    """One of another level, or of a network that has learned on since, is not the lowest's."""
    before, foreign = files_of(bundle), make_answering_controller(networks[0.5])
    message = r"'answer' that is the answer of the lowest level.* Received: one that is .* away"
    with pytest.raises(ValueError, match=message):
        replace_controller(bundle, foreign)
    assert files_of(bundle) == before
    images = np.random.default_rng(0).normal(size=(20, *SHAPE)).astype("float32")
    for arguments in ({}, {"quantization": "int8", "representative_data": images}):
        with pytest.raises(ValueError, match=message):
            convert(networks, tmp_path / "new", controller=foreign, verbose=False, **arguments)
        own = make_answering_controller(networks[0.25])
        convert(networks, tmp_path / "new", controller=own, verbose=False, **arguments)
        shutil.rmtree(tmp_path / "new")


@pytest.fixture(scope="module")
def dialled():
    """A throttled classifier that has seen a little."""
    keras.utils.set_random_seed(0)
    model = tnn.models.VGG(
        SHAPE, 4, num_groups=4, filters=((8,), (8,)), dense_units=None, batch_normalization=False
    )
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    x = np.random.default_rng(2).normal(size=(400, *SHAPE)).astype("float32")
    y = np.abs(x[:, ::4, ::4].mean(axis=(1, 2))).argmax(axis=-1)
    model.fit(x, y, epochs=4, verbose=0)
    return model, x, y


def test_the_networks_of_keras_tnn_ship(dialled, tmp_path):
    model, x, y = dialled
    levels, some = (0.25, 0.5, 1.0), x[:40]
    for make in (
        lambda: tnn.controllers.DepthwiseCNN(SHAPE, 3, filters=(4, 8)),
        lambda: tnn.controllers.BehindLevel(model, 0.25, 3),
    ):
        controller = make()
        bandit = tnn.controllers.ContextualBandit(model, controller, levels)
        bandit.compile(keras.optimizers.Adam(0.01))
        bandit.fit(x, y, epochs=5, verbose=0)
        convert(model, tmp_path / "bundle", levels, controller=controller, verbose=False)
        dispatcher = Dispatcher(tmp_path / "bundle")
        result = dispatcher.run(some)
        favourites = bandit.predict(some, verbose=0).argmax(axis=-1)
        assert list(result.utilizations) == [levels[index] for index in favourites]
        expected = dispatcher(some, list(result.utilizations))
        # An answer of the controller is the level's, in another file: float32 rounds alike.
        np.testing.assert_allclose(result.outputs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("measure", ["probability", "margin"])
def test_the_device_escalates_as_it_was_planned(dialled, tmp_path, measure):
    model, x, y = dialled
    levels = (0.25, 0.5, 0.75, 1.0)
    outcomes = tnn.analysis.level_outcomes(model, x, y, levels, verbose=False)
    made = tnn.analysis.escalation(outcomes, 0.6, measure=measure)
    planned = made.on(outcomes)
    assert len(set(planned.level)) > 1
    convert(model, tmp_path / "bundle", levels, verbose=False)
    policy = Escalate(made.thresholds, levels=made.levels, measure=made.measure)
    result = Dispatcher(tmp_path / "bundle", policy=policy).run(x)
    agree = np.array(result.utilizations) == np.array(levels)[planned.level]
    # A sample whose certainty is a threshold, as one in each plan's, may round to either side.
    assert agree.mean() > 0.99
    full = outcomes.macs[-1]
    assert result.macs / (len(x) * full) == pytest.approx(planned.mean_cost, abs=0.01)
