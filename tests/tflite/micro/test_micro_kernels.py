"""Every level gives on tflite-micro's kernels what TFLite's other kernels give, to one rounding.

An integer kernel scales a sum of products back to 8 bits. tflite-micro and TFLite's reference
kernels do it in fixed point and round twice; XNNPACK, which ai-edge-litert takes by default, and
ai-edge-litert's reference kernel for dense layers round once. So all are bit-equal but for numbers
next to a tie, halfway between two steps of 256, and there they are one step apart.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from keras import layers
from tflite_micro.python.tflite_micro import runtime

import keras_tnn as tnn
import tnn_tflite
from tnn_tflite.lint import TARGETS, lint_graphs, read_operator_graph

ARENA = 1_000_000  # bytes, more than any network here needs
SAMPLES = 50

ONE_OPERATOR = {
    "convolution": lambda: layers.Conv2D(8, 3, activation="relu"),
    "strided": lambda: layers.Conv2D(8, 3, strides=2, padding="same"),
    "depthwise": lambda: layers.DepthwiseConv2D(3, padding="same"),
    "max pooling": lambda: layers.MaxPooling2D(2),
    "average pooling": lambda: layers.AveragePooling2D(2),
    "mean": lambda: layers.GlobalAveragePooling2D(),
    "sigmoid": lambda: layers.Activation("sigmoid"),
}
# No number is scaled anew, or both are the same kernel.
EXACT = ("max pooling", "average pooling")
NEAR_A_TIE = 2**-7  # of a step; rounding twice moves a number by less


def on_tflite_micro(content, samples):
    interpreter = runtime.Interpreter.from_bytes(content, arena_size=ARENA)
    outputs = []
    for x in samples:
        interpreter.set_input(x, 0)
        interpreter.invoke()
        outputs.append(interpreter.get_output(0).copy())
    return integers_or_floats(outputs)


def on_litert(content, samples, resolver):
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    outputs = []
    for x in samples:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    return integers_or_floats(outputs)


def integers_or_floats(outputs):
    outputs = np.array(outputs)
    return outputs if outputs.dtype.kind == "f" else outputs.astype(int)


def random_samples(shape):
    return np.random.default_rng(1).integers(-128, 128, (SAMPLES, *shape)).astype("int8")


@pytest.mark.parametrize("number", range(3))
def test_every_level_agrees_with_the_reference_kernels(int8_bundle, number):
    content = int8_bundle.read_level(int8_bundle.levels[number])
    samples = random_samples((1, 16, 16, 3))
    outputs = on_tflite_micro(content, samples)
    difference = np.abs(outputs - on_litert(content, samples, OpResolverType.BUILTIN_REF))
    # One dense unit in 400 is next to a tie; seen through softmax that is one step or nothing.
    assert difference.max() <= 1
    assert np.mean(difference) < 0.01
    assert len(np.unique(outputs)) > 20  # the outputs are not all alike


def int8_file(layer):
    image = keras.Input((9, 8, 8))
    model = keras.Model(image, layer(image))
    signature = [tf.TensorSpec((1, 9, 8, 8))]
    serve = tf.function(lambda x: model(x, training=False), input_signature=signature)
    weights = tf.Module()
    weights.all = [weight.value for weight in model.weights]
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [serve.get_concrete_function()], weights
    )
    data = np.random.default_rng(0).normal(size=(16, 1, 9, 8, 8)).astype("float32")
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([x] for x in data)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


@pytest.mark.parametrize("name", ONE_OPERATOR)
def test_an_operator_is_bit_equal_to_the_reference_and_one_step_from_xnnpack(name):
    content = int8_file(ONE_OPERATOR[name]())
    samples = random_samples((1, 9, 8, 8))
    outputs = on_tflite_micro(content, samples)
    np.testing.assert_array_equal(outputs, on_litert(content, samples, OpResolverType.BUILTIN_REF))
    difference = np.abs(outputs - on_litert(content, samples, OpResolverType.AUTO))
    assert difference.max() <= (0 if name in EXACT else 1)


@pytest.fixture(scope="module")
def skipping():
    """A network whose gates read the sample, and random samples."""
    keras.utils.set_random_seed(0)
    size = {"filters": ((8,), (16,)), "dense_units": None}
    plain = tnn.models.VGG((8, 8, 2), 4, throttled=False, **size)
    model = tnn.throttle(plain, num_groups=4, axes=("width",), gate=tnn.gates.DataDependent)
    return model, np.random.default_rng(0).normal(size=(SAMPLES, 8, 8, 2)).astype("float32")


@pytest.mark.parametrize("kind", [None, "int8"])
def test_what_skips_by_the_sample_runs_there_too(skipping, kind, tmp_path):
    model, samples = skipping
    integers = {"quantization": "int8", "representative_data": samples, "inference_type": kind}
    data = {"calibration_data": samples, **(integers if kind else {})}
    bundle = tnn_tflite.convert(model, tmp_path / "b", levels=(1.0,), verbose=False, **data)
    content = bundle.read_level(bundle.levels[0])
    graph = read_operator_graph(content)
    assert "IF" in {operator.name for operator in graph.operators}
    assert not [f for f in lint_graphs({1.0: graph}, TARGETS["micro"]) if f.fails]
    if kind == "int8":
        (into,) = bundle.levels[0].input_quantization
        samples = tnn_tflite.quantize(samples, into, "int8")
    found, expected = (
        run(content, samples[:, np.newaxis], *more)
        for run, more in ((on_tflite_micro, ()), (on_litert, (OpResolverType.BUILTIN_REF,)))
    )
    # Integers next to a tie, see above. Floats are added in another order: 1e-6 below 1.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1 if kind else 1e-6)
    assert (found == expected).mean() > 0.95 or not kind


def test_a_dense_layer_differs_next_to_ties_only():
    content = int8_file(layers.Dense(12))
    samples = random_samples((1, 9, 8, 8))
    (dense,) = read_operator_graph(content).operators
    x, kernel, y = dense.inputs[0], dense.inputs[1], dense.outputs[0]
    sums = (samples.astype(int) - x.zero_points[0]) @ kernel.value.astype(int).T
    real = sums * (x.scales[0] * np.array(kernel.scales) / y.scales[0]) + y.zero_points[0]
    rounded_once = np.clip(np.floor(real + 0.5), -128, 127).astype(int)

    np.testing.assert_array_equal(
        on_litert(content, samples, OpResolverType.BUILTIN_REF), rounded_once
    )
    outputs = on_tflite_micro(content, samples)
    different = outputs != rounded_once
    assert np.abs(outputs - rounded_once).max() == 1
    assert np.abs(real - np.floor(real) - 0.5)[different].max() < NEAR_A_TIE
    assert np.mean(different) < NEAR_A_TIE  # as many as lie that near, if evenly spread, or fewer
