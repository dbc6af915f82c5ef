"""Networks whose gates read the data, from Keras to the interpreter: four that must agree."""

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import keras_tnn as tnn
import tnn_tflite
from tnn_tflite import Dispatcher

SHAPE = (16, 16, 3)


def images(count=6):
    rng = np.random.default_rng(1)
    scale, shift = rng.uniform(0.5, 2, (2, count, 1, 1, 1))  # so that gates see a difference
    return (scale * rng.normal(size=(count, *SHAPE)) + shift - 1).astype("float32")


def residual(x, filters, label):
    y = keras.layers.Conv2D(filters, 3, padding="same", name=f"{label}_1")(x)
    y = keras.layers.Conv2D(filters, 3, padding="same", name=f"{label}_2")(keras.layers.ReLU()(y))
    return keras.layers.ReLU()(keras.layers.Add()([x, y]))


@pytest.fixture(scope="module")
def model():
    """Gates on blocks, and on groups of channels inside them; opened by about half."""
    keras.utils.set_random_seed(0)
    image = keras.Input(SHAPE, name="image")
    x = keras.layers.Conv2D(16, 3, padding="same", activation="relu")(image)
    x = residual(residual(x, 16, "a"), 16, "b")
    x = keras.layers.GlobalAveragePooling2D()(x)
    plain = keras.Model(image, keras.layers.Dense(5, name="logits")(x), name="net")
    model = tnn.throttle(plain, num_groups=2, gate=tnn.gates.DataDependent)
    rng = np.random.default_rng(2)
    for gate in model.gates:
        gate.pairs.kernel.assign(rng.normal(0, 2, gate.pairs.kernel.shape))
        with tnn.gates.record_decisions() as decisions:
            model(images())
        (p,) = (
            np.asarray(one.probabilities)[:, gate.free] for one in decisions if one.gate is gate
        )
        logits = np.median(np.log(p / (1 - p)), axis=0)
        gate.pairs.bias.assign(np.asarray(gate.pairs.bias) - np.stack([0 * logits, logits], -1))
    return model


@pytest.fixture(scope="module")
def bundle(model, tmp_path_factory):
    directory = tmp_path_factory.mktemp("conditional") / "bundle"
    tnn_tflite.convert(model, directory, verbose=False)  # the default levels are the one there is
    return directory


def test_keras_masked_and_file_agree(model, bundle):
    x = images()
    masked = model.predict(x, gating=0.5, verbose=0)
    small = tnn.surgery.conditional(model)
    with tnn.gates.record_decisions() as decisions:
        outputs = small(x)
    chosen = np.concatenate([np.asarray(one.values) for one in decisions], axis=1)
    assert len(np.unique(chosen, axis=0)) > 2  # samples differ, so the file must branch
    # float32 sums in another order than Keras; logits of about one.
    np.testing.assert_allclose(outputs, masked, rtol=1e-4, atol=1e-4)
    for runtime in ("ai_edge_litert", "tensorflow"):
        dispatcher = Dispatcher(bundle, runtime=runtime)
        np.testing.assert_allclose(dispatcher(x), masked, rtol=1e-4, atol=1e-4)


def operators(content: bytes) -> list[list[int]]:
    """The builtin operators of each subgraph of a file; the first is the main one."""
    file = schema.Model.GetRootAs(content)
    graphs = [file.Subgraphs(i) for i in range(file.SubgraphsLength())]
    return [
        [
            file.OperatorCodes(graph.Operators(i).OpcodeIndex()).BuiltinCode()
            for i in range(graph.OperatorsLength())
        ]
        for graph in graphs
    ]


def test_what_gates_close_stands_behind_an_if(bundle):
    (file,) = bundle.glob("*.tflite")
    main, *branches = operators(file.read_bytes())
    kinds = schema.BuiltinOperator
    # A term for each of the two blocks, and in each of them one for each of two groups.
    assert main.count(kinds.IF) == 2 and sum(one.count(kinds.IF) for one in branches) == 4
    assert main.count(kinds.CONV_2D) == 1, "of the convolutions only the first always runs"
    assert sum(one.count(kinds.CONV_2D) for one in branches) == 8, "two for each group"


def test_tflite_runtime_runs_it_as_well(bundle, model, tmp_path, run_alone):
    np.save(tmp_path / "x.npy", images())
    program = (
        "import sys, numpy as np, tnn_tflite\n"
        "d = tnn_tflite.Dispatcher(sys.argv[1], runtime='tflite_runtime')\n"
        "np.save(sys.argv[3], d(np.load(sys.argv[2])))"
    )
    pytest.importorskip("tflite_runtime")
    result = run_alone(program, bundle, tmp_path / "x.npy", tmp_path / "y.npy")
    assert result.returncode == 0, result.stderr
    masked = model.predict(images(), verbose=0)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), masked, rtol=1e-4, atol=1e-4)


def test_the_level_is_u_1_with_the_macs_of_all_terms(model, bundle):
    (level,) = Dispatcher(bundle).levels
    small = tnn.surgery.conditional(model)
    assert level.utilization == 1.0
    assert level.macs == tnn.count_macs(small)
    assert level.parameters == small.count_params()


def test_thresholds_as_levels_of_one_bundle(model, tmp_path):
    models = {
        0.5: tnn.surgery.conditional(model, 0.9),
        1.0: tnn.surgery.conditional(model, 0.1),
    }
    tnn_tflite.convert(models, tmp_path / "bundle", verbose=False)
    dispatcher = Dispatcher(tmp_path / "bundle")
    for u, one in models.items():
        np.testing.assert_allclose(dispatcher(images(), u), one(images()), rtol=1e-4, atol=1e-4)


def test_threshold_is_handed_on(model, tmp_path):
    arguments = {"levels": (1.0,), "threshold": 0.999, "verbose": False}
    tnn_tflite.convert(model, tmp_path / "bundle", **arguments)
    expected = model.predict(images(), gating=0.999, verbose=0)
    outputs = Dispatcher(tmp_path / "bundle")(images())
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)
    assert np.abs(expected - model.predict(images(), gating=0.5, verbose=0)).max() > 0.01


@pytest.mark.parametrize("levels", [(0.5, 1.0), (0.5,)])
def test_static_levels_are_refused(model, tmp_path, levels):
    with pytest.raises(ValueError, match=r"decides for each sample.*Expected levels=\(1.0,\)"):
        tnn_tflite.convert(model, tmp_path / "bundle", levels)
    assert not (tmp_path / "bundle").exists()


def small_network(units):
    image = keras.Input((4,), name="image")
    hidden = keras.layers.Dense(units, activation="relu")(image)
    return keras.Model(image, keras.layers.Dense(3, name="logits")(hidden))


def test_a_mapping_of_plain_models(tmp_path, capsys):
    models = {0.3: small_network(2), 1: small_network(8)}
    bundle = tnn_tflite.convert(models, tmp_path / "bundle")
    assert [level.utilization for level in bundle.levels] == [0.3, 1.0]
    assert [level.macs for level in bundle.levels] == [2 * 4 + 2 * 3, 8 * 4 + 8 * 3]
    assert capsys.readouterr().out.startswith("1/2  u=0.3: 14 MACs")
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    dispatcher = Dispatcher(tmp_path / "bundle")
    for u, one in models.items():
        np.testing.assert_allclose(dispatcher(x, u), one(x), atol=1e-5)  # float32


@pytest.mark.parametrize(
    ("models", "more", "message"),
    [
        ({}, {}, "Invalid value for `model`. Expected at least one level"),
        ({1.0: 3, 0.5: 3}, {}, "Invalid value for `model`. Expected levels that rise"),
        ({1.5: 3}, {}, "Invalid value for `model`. Expected a float in"),
        ({1.0: "net.keras"}, {}, "Expected a keras.Model.*Received: str"),
        ({1.0: small_network(2)}, {"levels": (1.0,)}, "A mapping has its levels"),
        ({1.0: small_network(2)}, {"calibration_data": [1]}, "A mapping has its levels"),
    ],
)
def test_bad_mappings(tmp_path, models, more, message):
    with pytest.raises(ValueError, match=message):
        tnn_tflite.convert(models, tmp_path / "bundle", **more)
    assert not (tmp_path / "bundle").exists()


def test_a_throttled_model_in_a_mapping(model, tmp_path):
    with pytest.raises(ValueError, match="Received: 'net', which has a utilization input"):
        tnn_tflite.convert({1.0: model}, tmp_path / "bundle")


def test_a_policy_of_image_and_budget_is_a_file_for_each_budget(tmp_path):
    keras.utils.set_random_seed(0)
    plain = tnn.models.ResNet(SHAPE, 5, depth=20, width=8, throttled=False)
    model = tnn.throttle(plain, axes=("depth",), gate=tnn.gates.BudgetPolicy)
    x, rng = images(), np.random.default_rng(3)
    (policy,) = model.gates
    policy.actor.kernel.assign(rng.normal(0, 5, policy.actor.kernel.shape))
    read = policy.read(np.full(len(x), 0.5, "float32"), x)
    logits = np.asarray(policy.logits(None, training=True, read=read))
    policy.actor.bias.assign(-np.median(logits, axis=0))
    levels = (0.4, 0.6)
    tnn_tflite.convert(model, tmp_path / "bundle", levels=levels, verbose=False)
    dispatcher = Dispatcher(tmp_path / "bundle")
    opened = [np.asarray(policy(u, image=x)) for u in levels]
    assert len(np.unique(opened[0], axis=0)) > 2  # samples differ, so the file must branch
    assert opened[0].mean() < opened[1].mean()
    for u in levels:
        masked = model.predict(x, utilization=u, verbose=0)
        np.testing.assert_allclose(dispatcher(x, utilization=u), masked, rtol=1e-4, atol=1e-4)
