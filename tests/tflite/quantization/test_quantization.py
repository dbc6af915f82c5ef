"""Every mode of `convert(quantization=)`, from Keras to the interpreter."""

import keras
import numpy as np
import pytest

import keras_tnn
import tnn_tflite
from tnn_tflite import Dispatcher
from tnn_tflite.bundle.programs import Quantization
from tnn_tflite.conversion.converter import level_content
from tnn_tflite.quantization import MODES, AwareTraining
from tnn_tflite.quantization.plan import plan_for
from tnn_tflite.quantized_values import dequantize, quantize

LEVELS = (0.5, 1.0)
DATA_MODES = [name for name, mode in MODES.items() if mode.needs_data]

# Largest error of an output over the largest output, at random weights. A weight is rounded by at
# most 1/254 of its channel's largest in int8, 1/2048 in float16; some layers add up.
ERRORS = {None: 1e-5, "float16": 2e-3, "dynamic": 0.05, "int8": 0.1, "int16x8": 0.03}


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return keras_tnn.models.VGG(
        (8, 8, 3), 10, num_groups=2, filters=((32,), (32,)), dense_units=None, name="net"
    )


@pytest.fixture(scope="module")
def samples():
    return np.random.default_rng(0).normal(size=(64, 8, 8, 3)).astype("float32")


@pytest.fixture(scope="module")
def files(model, samples, tmp_path_factory):
    """A bundle of each mode, made when first asked for."""
    made = {}

    def get(mode, inference_type="float32"):
        if (mode, inference_type) not in made:
            directory = tmp_path_factory.mktemp("quantized") / "bundle"
            data = samples if MODES[mode].needs_data else None
            tnn_tflite.convert(
                model,
                directory,
                LEVELS,
                calibration_data=samples,
                quantization=mode,
                representative_data=data,
                inference_type=inference_type,
                verbose=False,
            )
            made[mode, inference_type] = Dispatcher(directory, trial=False)
        return made[mode, inference_type]

    return get


@pytest.mark.parametrize("mode", ERRORS)
def test_outputs_are_near_those_of_keras(model, samples, files, mode):
    dispatcher = files(mode)
    for u in LEVELS:
        small = keras_tnn.materialize(model, u, calibration_data=samples)
        expected = small.predict(samples, verbose=0)
        error = np.abs(dispatcher(samples, u) - expected).max() / np.abs(expected).max()
        assert error < ERRORS[mode]
        assert error > 0 or mode is None, "nothing was rounded"


def test_bytes_of_the_modes(files):
    """About 4, 2 and 1 bytes a weight; the rest of a file is much smaller than its 10,000."""
    sizes = {mode: files(mode).levels[-1].bytes for mode in ERRORS}
    weights = files(None).levels[-1].parameters
    assert sizes[None] > 4 * weights
    assert 2 * weights < sizes["float16"] < 3.2 * weights
    for mode in ("dynamic", "int8", "int16x8"):
        assert weights < sizes[mode] < 2.2 * weights


@pytest.mark.parametrize(
    ("mode", "kind"), [("int8", "int8"), ("int8", "uint8"), ("int16x8", "int16")]
)
def test_integers_in_and_out_stand_for_the_same_reals(files, samples, mode, kind):
    whole, real = files(mode, kind), files(mode)
    assert [spec.dtype for spec in whole.bundle.inputs + whole.bundle.outputs] == [kind, kind]
    for level in whole.levels:
        (into,), (out,) = level.input_quantization, level.output_quantization
        integers = whole(quantize(samples, into, kind), level.utilization)
        assert integers.dtype == kind
        # The file with float inputs rounds them and gives reals by the same numbers; what lies
        # half-way between two integers may fall to either, and moves an output by a step or two.
        # So does the dense kernel, which has one scale where 8-bit integers go in, else one a unit.
        outputs = real(samples, level.utilization)
        np.testing.assert_allclose(dequantize(integers, out), outputs, atol=2.01 * out.scale)
        assert np.mean(dequantize(integers, out) == outputs) > (0.9 if kind == "int16" else 0.8)


def test_float_files_have_no_quantization_of_inputs(files):
    for mode in (None, "int8"):
        levels = files(mode).levels
        assert [one.input_quantization for one in levels] == [(), ()]
        assert [one.output_quantization for one in levels] == [(), ()]


def test_ranges_are_those_of_each_level():
    """A sum over open channels: its range doubles from u = 1/2 to 1, and the scale follows."""
    x, u = keras.Input((8,), name="x"), keras.Input((), name="utilization", optional=True)
    gated = keras_tnn.layers.ChannelGate(num_groups=2)([x, u])
    total = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", name="sum")(gated)
    model = keras_tnn.ThrottledModel([x, u], total)
    data = np.concatenate([np.zeros((1, 8)), np.ones((1, 8))]).astype("float32")
    for level, largest in ((0.5, 4.0), (1.0, 8.0)):
        plan = plan_for("int8", data, "int8", model)
        content = level_content(keras_tnn.materialize(model, level), level, plan)
        # 256 integers for the reals from 0 to the largest sum; a scale is a float32.
        expected = Quantization(pytest.approx(largest / 255, rel=1e-5), -128)
        assert content.output_quantization == (expected,)


def test_int8_levels_are_the_same_in_one_file_and_in_files_of_their_own(
    model, samples, files, tmp_path
):
    single = tnn_tflite.convert(
        model,
        tmp_path / "single",
        LEVELS,
        calibration_data=samples,
        quantization="int8",
        representative_data=samples,
        layout="single",
        verbose=False,
    )
    own = files("int8").levels
    assert [level.sha256 for level in single.levels] == [level.sha256 for level in own]


def test_what_is_kept_to_put_levels_together(model, samples):
    small = keras_tnn.materialize(model, 0.5, calibration_data=samples)
    plan = plan_for("int8", samples, "int8", model, keep_float=True)
    content = level_content(small, 0.5, plan)
    plain = level_content(small, 0.5)
    assert content.float_content == plain.content != content.content
    assert plain.float_content is None and plain.input_quantization == ()
    expected = [weight for weight in small.get_weights() if weight.ndim >= 2]
    assert len(expected) == 3
    for found, weight in zip(content.kernels, expected, strict=True):
        np.testing.assert_array_equal(found.values, weight)


def test_a_mapping_with_unusual_names(tmp_path):
    x, age = keras.Input((4,), name="a.b-c"), keras.Input((1,), name="age")
    both = keras.layers.Concatenate()([x, age])
    plain = keras.Model([x, age], keras.layers.Dense(3, name="2nd")(both))
    data = np.random.default_rng(0).normal(size=(32, 5)).astype("float32")
    tnn_tflite.convert(
        {1.0: plain},
        tmp_path / "bundle",
        quantization="int8",
        representative_data={"age": data[:, 4:], "a.b-c": data[:, :4]},
        verbose=False,
    )
    inputs = [data[:, :4], data[:, 4:]]
    outputs = Dispatcher(tmp_path / "bundle", trial=False)(inputs)
    expected = plain.predict(inputs, verbose=0)
    # Five products of int8 numbers a sum, each within about 1/127 of the largest.
    assert np.abs(outputs - expected).max() < 0.04 * np.abs(expected).max()


def gated_network(bias):
    """One residual block; its gate opens where the mean of the image is above -bias."""
    image = keras.Input((8, 8, 4), name="image")
    y = keras.layers.Conv2D(4, 3, padding="same", name="block")(image)
    x = keras.layers.Add()([image, y])
    x = keras.layers.GlobalAveragePooling2D()(x)
    plain = keras.Model(image, keras.layers.Dense(3, name="logits")(x), name="deciding")
    model = keras_tnn.throttle(
        plain, num_groups=1, axes=("depth",), gate=keras_tnn.gates.DataDependent
    )
    for gate in model.gates:
        gate.pairs.kernel.assign(np.zeros(gate.pairs.kernel.shape))
        gate.pairs.bias.assign(np.broadcast_to([0.0, bias], gate.pairs.bias.shape))
    return model


@pytest.mark.parametrize(("bias", "opens"), [(9.0, True), (-9.0, False)])
def test_networks_that_decide_are_quantized_where_the_samples_show_all(tmp_path, bias, opens):
    model = gated_network(bias)
    x = np.random.default_rng(0).normal(size=(16, 8, 8, 4)).astype("float32")
    arguments = {"levels": (1.0,), "quantization": "int8", "verbose": False}
    if not opens:
        with pytest.raises(ValueError, match="at least one opens each gate.*Received: none for"):
            tnn_tflite.convert(model, tmp_path / "b", representative_data=x, **arguments)
        return
    tnn_tflite.convert(model, tmp_path / "b", representative_data=x, **arguments)
    expected = model.predict(x, gating=0.5, verbose=0)
    error = np.abs(Dispatcher(tmp_path / "b", trial=False)(x) - expected).max()
    assert error < 0.05 * np.abs(expected).max()  # of int8, over three layers


BAD = [
    ({"quantization": "int4"}, "`quantization`. Expected one of None, 'float16'.*Received: 'int4'"),
    ({"quantization": ["int8"]}, "`quantization`. Expected one of"),
    *[({"quantization": mode}, "`representative_data`. Expected samples") for mode in DATA_MODES],
    ({"representative_data": [1]}, "`representative_data`. Expected None for quantization=None"),
    ({"quantization": "dynamic", "representative_data": [1]}, "which measures no ranges"),
    ({"inference_type": "int8"}, r"`inference_type`. Expected one of \('float32',\)"),
    (
        {"quantization": "int8", "representative_data": [1], "inference_type": "int16"},
        "Expected one of .*'uint8'.* Received: inference_type='int16'",
    ),
    ({"layout": "zip"}, "`layout`. Expected one of .*'files', 'single', 'signatures'"),
    (
        {"quantization": "qat", "representative_data": [1], "layout": "single"},
        "`layout`. Expected 'files' for quantization='qat'",
    ),
    (
        {"quantization": AwareTraining(), "inference_type": "int16", "representative_data": [1]},
        "for quantization='qat'. Received: inference_type='int16'",
    ),
    (
        {"quantization": "int8", "representative_data": np.zeros((2, 5, 5, 3), "float32")},
        r"`representative_data`. Expected shape \(samples, 8, 8, 3\)",
    ),
]


@pytest.mark.filterwarnings("ignore:The model has batch normalization")
@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_arguments(model, tmp_path, arguments, message):
    with pytest.raises(
        ValueError, match=f"Invalid value for {message}" if "`" in message else message
    ):
        tnn_tflite.convert(model, tmp_path / "bundle", **arguments)
    assert not (tmp_path / "bundle").exists()


def test_a_layer_that_has_no_integers_is_named():
    x = keras.Input((4, 4), name="matrix")
    model = keras.Model(x, keras.ops.inv(x), name="inverse")
    plan = plan_for("int8", np.eye(4, dtype="float32")[None], "float32", model)
    with pytest.raises(ValueError, match="Received: 'inverse' with quantization='int8', which"):
        level_content(model, 1.0, plan)
