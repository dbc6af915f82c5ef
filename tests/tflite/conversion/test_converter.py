"""From a throttled Keras model to a bundle on the interpreter."""

import keras
import numpy as np
import pytest

import keras_tnn
import tnn_tflite
from tnn_tflite import BundleError, Dispatcher, read_bundle

LEVELS = (0.25, 0.5, 1.0)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return keras_tnn.models.VGG(
        (8, 8, 3), 10, num_groups=4, filters=((8,), (8,)), dense_units=16, name="net"
    )


@pytest.fixture(scope="module")
def samples():
    return np.random.default_rng(0).normal(3.0, 2.0, size=(64, 8, 8, 3)).astype("float32")


@pytest.fixture(scope="module")
def bundle(model, samples, tmp_path_factory):
    directory = tmp_path_factory.mktemp("converted") / "bundle"
    tnn_tflite.convert(model, directory, LEVELS, calibration_data=samples, verbose=False)
    return directory


def test_each_level_equals_the_materialized_network(model, samples, bundle):
    dispatcher = Dispatcher(bundle)
    for u in LEVELS:
        small = keras_tnn.materialize(model, utilization=u, calibration_data=samples)
        expected = small.predict(samples, verbose=0)
        # float32 sums in another order than Keras; outputs are probabilities.
        np.testing.assert_allclose(dispatcher(samples, u), expected, atol=1e-5)
        level = dispatcher.level_for(u)
        assert level.parameters == small.count_params()
        assert level.macs == keras_tnn.cost.count_macs(small)


def resnet(axis):
    return keras_tnn.models.ResNet((8, 8, 3), 10, depth=8, num_groups=4, axis=axis, width=4)


@pytest.mark.filterwarnings("ignore:The model has batch normalization")
@pytest.mark.parametrize(
    "make",
    [
        lambda: keras_tnn.models.VGG((8, 8, 3), 10, num_groups=4, filters=((8,),), dense_units=8),
        lambda: resnet("width"),
        lambda: resnet("depth"),
    ],
    ids=["VGG", "ResNet", "ResNet-D"],
)
def test_each_level_equals_the_throttled_model(make, samples, tmp_path):
    """Without calibration a level is the model itself, masked at this utilization."""
    model = make()
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            for weight in layer.weights:  # those of a new network would hide mistakes
                weight.assign(random.uniform(0.5, 1.5, weight.shape))
    tnn_tflite.convert(model, tmp_path / "bundle", LEVELS, verbose=False)
    dispatcher = Dispatcher(tmp_path / "bundle")
    for u in LEVELS:
        expected = model.predict([samples, np.full(len(samples), u, "float32")], verbose=0)
        np.testing.assert_allclose(dispatcher(samples, u), expected, atol=1e-5)  # as above


def test_calibration_reaches_the_files(model, samples, bundle):
    """The data are far from the statistics of a fresh network, so the outputs must differ."""
    raw = keras_tnn.materialize(model, utilization=0.5).predict(samples, verbose=0)
    assert np.abs(Dispatcher(bundle)(samples, 0.5) - raw).max() > 0.01


def test_lower_levels_are_smaller(bundle):
    levels = read_bundle(bundle).levels
    for low, high in zip(levels, levels[1:], strict=False):
        assert low.macs < high.macs
        assert low.parameters < high.parameters
        assert low.bytes < high.bytes


def test_names_shapes_and_file_names(bundle):
    found = read_bundle(bundle)
    assert [(spec.name, spec.shape) for spec in found.inputs] == [("image", (8, 8, 3))]
    assert [spec.shape for spec in found.outputs] == [(10,)]
    assert [level.file for level in found.levels] == [f"u{u}.tflite" for u in LEVELS]


def test_returns_the_bundle_and_prints_a_line_a_level(model, samples, tmp_path, capsys):
    bundle = tnn_tflite.convert(model, tmp_path / "b", [0.5, 1], calibration_data=samples)
    assert bundle == read_bundle(tmp_path / "b")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"1/2  u=0.5: {bundle.levels[0].macs:,} MACs")


def test_quiet(model, samples, tmp_path, capsys):
    tnn_tflite.convert(model, tmp_path / "b", [1.0], calibration_data=samples, verbose=False)
    assert capsys.readouterr().out == ""


def test_the_model_is_left_as_it_is(model, samples, tmp_path):
    before = [np.array(weight) for weight in model.weights]
    tnn_tflite.convert(model, tmp_path / "b", [0.5], calibration_data=samples, verbose=False)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_warns_without_calibration_data(model, tmp_path):
    with pytest.warns(UserWarning, match="`calibration_data` is None.*drew its own") as record:
        tnn_tflite.convert(model, tmp_path / "b", [1.0], verbose=False)
    assert record[0].filename == __file__  # the warning points at the caller


def test_no_warning_where_there_are_no_statistics(tmp_path):
    model = keras_tnn.models.VGG(
        (8, 8, 3), 10, num_groups=2, filters=((4,),), dense_units=None, batch_normalization=False
    )
    tnn_tflite.convert(model, tmp_path / "b", [1.0], verbose=False)  # warnings are errors here


@pytest.mark.parametrize(
    "levels",
    [(), (0.5, 0.25), (0.5, 0.5), (0.0, 1.0), (0.5, 1.5), (float("nan"),), ("0.5",), "0.5", 0.5]
    + [None, (True,)],
)
def test_levels(model, tmp_path, levels):
    with pytest.raises(ValueError, match="Invalid value for `levels`. Expected .* Received:"):
        tnn_tflite.convert(model, tmp_path / "bundle", levels)
    assert not (tmp_path / "bundle").exists()


def test_model_without_a_throttled_layer(tmp_path):
    x = keras.Input((3,))
    plain = keras.Model(x, keras.layers.Dense(2)(x), name="plain")
    with pytest.raises(ValueError, match="Model 'plain' has no throttled layer.*throttle"):
        tnn_tflite.convert(plain, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_gates_without_u_have_one_level(tmp_path):
    image = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    plain = keras.Model(image, keras.layers.Dense(2)(x))
    model = keras_tnn.throttle(plain, num_groups=2, gate=keras_tnn.gates.DataIndependent)
    bundle = tnn_tflite.convert(model, tmp_path / "bundle", verbose=False)
    assert [level.utilization for level in bundle.levels] == [1.0]


def test_a_cost_that_falls_is_told(tmp_path):
    def network(width):
        x = keras.Input((3,), name="x")
        return keras.Model(x, keras.layers.Dense(2, name="y")(keras.layers.Dense(width)(x)))

    levels = {0.5: network(4), 0.75: network(2), 1.0: network(8)}
    with pytest.warns(UserWarning, match="u=0.75 takes 10 after 20 at u=0.5 multiply"):
        tnn_tflite.convert(levels, tmp_path / "bundle", verbose=False)


def test_a_process_that_imported_tnn_tflite_alone_loads_a_model(model, tmp_path, run_alone):
    model.save(tmp_path / "net.keras")
    program = """
import sys, tnn_tflite
print(type(tnn_tflite.load_model(sys.argv[1])).__name__)
"""
    assert run_alone(program, tmp_path / "net.keras").stdout == "ThrottledModel\n"


def test_path_in_place_of_a_model(tmp_path):
    with pytest.raises(ValueError, match=r"Expected a keras.Model; load .* Received: str"):
        tnn_tflite.convert("net.keras", tmp_path / "bundle")


def test_calibration_data_that_can_be_read_once(model, samples, tmp_path):
    with pytest.raises(ValueError, match="read once for each level.*Received: generator"):
        tnn_tflite.convert(model, tmp_path / "b", calibration_data=(x for x in [samples]))


def test_destination_is_refused_before_the_work(model, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("precious")
    with pytest.raises(BundleError, match="a folder with other files"):
        tnn_tflite.convert(model, tmp_path)
    assert capsys.readouterr().out == ""


def test_failing_conversion_leaves_the_older_bundle(model, samples, bundle):
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    with pytest.raises(ValueError, match="calibration_data"):
        tnn_tflite.convert(model, bundle, LEVELS, calibration_data=samples[:0])
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before
    assert list(bundle.parent.iterdir()) == [bundle]


def test_pruned_networks_are_one_level_each(samples, tmp_path):
    plain = keras_tnn.models.VGG(
        (8, 8, 3), 3, num_groups=4, filters=((8,),), dense_units=None, throttled=False
    )
    model = keras_tnn.throttle(plain, num_groups=4, gate=keras_tnn.gates.DataIndependent)
    (gate,) = model.learned_gates
    gate.pairs.assign(np.log([[0.1, 0.9], [0.3, 0.7], [0.8, 0.2]]))  # p = 0.9, 0.7, 0.2
    with pytest.raises(ValueError, match="so all levels would be alike. Expected one level"):
        tnn_tflite.convert(model, tmp_path / "bundle", (0.5, 1.0), calibration_data=samples)
    bundle = tnn_tflite.convert(
        model, tmp_path / "one", (1.0,), calibration_data=samples, threshold=0.8, verbose=False
    )
    thresholds = {0.25: 0.95, 0.5: 0.8, 1.0: 0.1}
    models = {u: keras_tnn.materialize(model, threshold=tau) for u, tau in thresholds.items()}
    levels = tnn_tflite.convert(models, tmp_path / "several", verbose=False).levels
    assert bundle.levels[0].macs == levels[1].macs
    assert [level.macs for level in levels] == [
        keras_tnn.count_macs(one) for one in models.values()
    ]
    assert levels[0].macs < levels[1].macs < levels[2].macs == keras_tnn.count_macs(plain)
