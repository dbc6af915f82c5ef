"""3-D networks on the edge: the files run on every runtime, and quantise to integers throughout."""

import importlib.util

import keras
import numpy as np
import pytest
from keras import layers

import keras_tnn
import tnn_tflite
from tnn_tflite.conversion.keras_to_tflite import keras_to_tflite
from tnn_tflite.dispatch.interpreter import RUNTIMES, find_runtime
from tnn_tflite.sharing.plan import read_entry

LITE = [
    name for name in RUNTIMES if name != "tensorflow" and importlib.util.find_spec(name) is not None
]
SHAPE = (6, 9, 8, 4)


def cases():
    """Layers whose 2-D forms use different operators."""
    return {
        "same": layers.Conv3D(5, 3, padding="same", activation="relu"),
        "strided": layers.Conv3D(5, (2, 3, 3), strides=(2, 1, 2)),
        "dilated": layers.Conv3D(5, 2, dilation_rate=(2, 3, 2), padding="same"),
        "one tap": layers.Conv3D(5, (1, 3, 3), strides=(2, 2, 2), padding="same"),
        "time alone": layers.Conv3D(5, (3, 1, 1)),
        "grouped": layers.Conv3D(6, 3, groups=2, padding="same"),
        "depthwise": layers.Conv3D(4, 3, groups=4, padding="same", activation="relu6"),
        "depthwise strided": layers.Conv3D(4, (3, 3, 2), strides=(1, 2, 2), groups=4),
        "depthwise dilated": layers.Conv3D(4, 2, dilation_rate=(1, 2, 2), groups=4),
        "max": layers.MaxPooling3D((2, 3, 2), padding="same"),
        "mean": layers.AveragePooling3D(3, strides=2, padding="same"),
        "global": layers.GlobalAveragePooling3D(),
        "up": layers.UpSampling3D((2, 1, 2)),
        "zeros": layers.ZeroPadding3D((1, 0, 2)),
        "crop": layers.Cropping3D((1, 2, 0)),
        "shuffle": keras.Sequential([layers.Conv3D(4, 1), keras_tnn.layers.ChannelShuffle(2)]),
    }


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """A folder with a file for each case, its input and what Keras answers."""
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("cases")
    clip = np.random.default_rng(0).normal(size=(1, *SHAPE)).astype("float32")
    np.save(folder / "clip.npy", clip)
    for name, layer in cases().items():
        image = keras.Input(SHAPE, name="clip")
        model = keras.Model(image, layer(image))
        (folder / f"{name}.tflite").write_bytes(keras_to_tflite(model)[0])
        np.save(folder / f"{name}.npy", model(clip))
    return folder


RUN = """
import sys
from pathlib import Path
import numpy as np
from tnn_tflite.dispatch.interpreter import find_runtime

folder, runtime = Path(sys.argv[1]), find_runtime(sys.argv[2])
for file in sorted(folder.glob("*.tflite")):
    interpreter = runtime.interpreter(file.read_bytes())
    run = interpreter.get_signature_runner()
    (output,) = run(clip=np.load(folder / "clip.npy")).values()
    # At most 108 products a sum, of values below 4.
    np.testing.assert_allclose(output, np.load(file.with_suffix(".npy")), 1e-4, 1e-5, err_msg=file)
    print(file.stem)
"""


@pytest.mark.parametrize("runtime", LITE)
def test_each_runtime_gives_what_keras_gives(converted, runtime, run_alone):
    result = run_alone(RUN, converted, runtime)
    assert result.returncode == 0, result.stderr
    assert sorted(result.stdout.splitlines()) == sorted(cases())


def small_c3d():
    return keras_tnn.models.C3D(
        (4, 16, 16, 3), 5, 4, filters=((8,), (8,), (16, 16)), dense_units=(16,), name="c3d"
    )


def small_shufflenet():
    return keras_tnn.models.ShuffleNet3D((4, 32, 32, 3), 5, 2, width=48, units=(2,))


@pytest.mark.filterwarnings("ignore:The model has batch normalization")
@pytest.mark.parametrize("make", [small_c3d, small_shufflenet])
def test_every_level_of_a_throttled_network(make, tmp_path):
    model = make()
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            for weight in layer.weights:
                weight.assign(random.uniform(0.5, 1.5, weight.shape))
    clips = random.normal(size=(3, *model.inputs[0].shape[1:])).astype("float32")
    bundle = tnn_tflite.convert(model, tmp_path / "b", (0.5, 1.0), verbose=False)
    assert bundle.inputs[0].shape == clips.shape[1:]
    assert bundle.levels[0].bytes < bundle.levels[1].bytes
    dispatcher = tnn_tflite.Dispatcher(tmp_path / "b")
    for u in (0.5, 1.0):
        expected = model.predict(clips, utilization=u, verbose=0)
        # Probabilities after some layers of float32 sums in another order.
        np.testing.assert_allclose(dispatcher(clips, u), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [small_c3d, small_shufflenet])
def test_quantises_to_integers_throughout(make, tmp_path):
    """Left to itself the stock converter keeps a Conv3D in float32 between two conversions."""
    small = keras_tnn.materialize(make(), utilization=1.0)
    logits = small.layers[-1].input  # before the softmax, whose errors say little
    small = keras.Model(small.inputs, logits)
    clips = np.random.default_rng(0).normal(size=(8, *small.input_shape[1:])).astype("float32")
    bundle = tnn_tflite.convert(
        {1.0: small},
        tmp_path / "b",
        quantization="int8",
        representative_data=clips,
        inference_type="int8",
        verbose=False,
    )
    (level,) = bundle.levels
    interpreter = find_runtime().interpreter(bundle.read_level(level))
    kinds = {np.dtype(tensor["dtype"]).name for tensor in interpreter.get_tensor_details()}
    assert kinds == {"int8", "int32"}  # int32: biases and shapes
    (given,), (answer,) = level.input_quantization, level.output_quantization
    integers = tnn_tflite.Dispatcher(tmp_path / "b")(tnn_tflite.quantize(clips, given, "int8"))
    expected = small.predict(clips, verbose=0)
    # 8 bits through a dozen layers; a tap in the wrong place is off by half and more.
    error = np.abs(tnn_tflite.dequantize(integers, answer) - expected).max()
    assert error < 0.1 * np.abs(expected).max()


@pytest.mark.parametrize("quantization", [None, "int8"])
def test_levels_of_clips_share_their_stacked_kernels(quantization, tmp_path):
    model = small_c3d()
    clips = np.random.default_rng(0).normal(size=(8, *model.input_shape[0][1:])).astype("float32")
    bundle = tnn_tflite.convert(
        model,
        tmp_path / "b",
        (0.5, 1.0),
        calibration_data=clips,
        quantization=quantization,
        representative_data=clips if quantization else None,
        layout="single",
        verbose=False,
    )
    low = bundle.levels[0]
    with open(bundle.directory / bundle.shared.file, "rb") as file:
        entry = read_entry(file, 0, low.bytes)
    taken = sum(hole.bytes for hole in entry.holes if hole.source == "base")
    # 4,400 of the 4,441 parameters are kernels; in int8 the one of 40 numbers is too small a piece.
    assert taken >= 4360 * (1 if quantization else 4) and low.parameters == 4441
