"""3-D convolutions on the edge: as `convert` writes them, and as TensorFlow's converter does alone.

    python benchmarks/conv3d.py

Each layer is converted four ways: stock, which gives CONV_3D, in float32 and "int8" (the stock
converter keeps its CONV_3D in float32); and rewritten with 2-D layers (`tnn_tflite.planar`), in
float32 and int8. Quantised files take and give int8, as a layer within a network does.

All four run in turn on one thread, so that a busy machine slows each. Times are medians, and the
speed is the median of the ratios of all turns. Two blocks of layers are timed: convolution, bias,
ReLU as in C3D; and convolution, batch normalization, ReLU. Biases and statistics are random, like
those of a trained network: a bias of zeros, which the converter drops, leaves the stock file with
an operator that runs slower still. Goal: at least 5 times the speed of stock int8, in a smaller
file.
"""

import statistics
import time

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags, logging
from keras import layers

from tnn_tflite.dispatch.interpreter import find_runtime
from tnn_tflite.planar import to_planar

CASES = (  # frames, height, width, channels -> filters
    ((16, 56, 56, 3), 64),
    ((8, 28, 28, 64), 64),
    ((8, 28, 28, 64), 128),
    ((4, 14, 14, 128), 128),
    ((2, 7, 7, 256), 256),
)
ROUNDS = flags.DEFINE_integer("rounds", 40, "Timed runs of each file.")
RANDOM = np.random.default_rng(0)


def biased(shape: tuple, filters: int) -> keras.Model:
    clip = keras.Input(shape)
    convolution = layers.Conv3D(filters, 3, padding="same", activation="relu")
    model = keras.Model(clip, convolution(clip))
    convolution.bias.assign(RANDOM.normal(scale=0.1, size=filters))
    return model


def normalized(shape: tuple, filters: int) -> keras.Model:
    clip = keras.Input(shape)
    norm = layers.BatchNormalization()
    x = norm(layers.Conv3D(filters, 3, padding="same", use_bias=False)(clip))
    model = keras.Model(clip, layers.ReLU()(x))
    for weight in norm.weights:
        weight.assign(RANDOM.uniform(0.5, 1.5, filters))
    return model


def converted(model: keras.Model, quantized: bool) -> bytes:
    """TensorFlow's converter, with a batch of one."""
    shape = (1, *model.input_shape[1:])

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32)])
    def serve(clip):
        return model(clip, training=False)

    weights = tf.Module()
    weights.all = [weight.value for weight in model.variables]
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [serve.get_concrete_function()], weights
    )
    if quantized:
        samples = RANDOM.normal(size=(4, *shape)).astype("float32")
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([sample] for sample in samples)
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def opened(content: bytes):
    interpreter = find_runtime().interpreter(content)
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    clip = np.random.default_rng(1).normal(scale=30, size=given["shape"])
    interpreter.set_tensor(given["index"], clip.clip(-128, 127).astype(given["dtype"]))
    interpreter.invoke()
    return interpreter


def measured(interpreters: dict) -> dict[str, list[float]]:
    """Milliseconds of each, taken in turn."""
    times = {name: [] for name in interpreters}
    for _ in range(ROUNDS.value):
        for name, interpreter in interpreters.items():
            interpreter.invoke()  # brings the weights back into the cache
            start = time.perf_counter()
            interpreter.invoke()
            times[name].append(1e3 * (time.perf_counter() - start))
    return times


def main(argv):
    logging.set_verbosity(logging.ERROR)  # TensorFlow reports every conversion
    ways = ("stock float32", "stock int8", "ours float32", "ours int8")
    print(f"{'layer':<30}" + "".join(f"{way:>15}" for way in ways) + "  of stock int8")
    for make in (biased, normalized):
        for shape, filters in CASES:
            stock = make(shape, filters)
            models = (stock, stock, to_planar(stock), to_planar(stock))
            files = {
                way: converted(model, way.endswith("int8"))
                for way, model in zip(ways, models, strict=True)
            }
            times = measured({way: opened(content) for way, content in files.items()})
            sizes = {way: len(content) for way, content in files.items()}
            label = f"{'x'.join(map(str, shape))}->{filters} {make.__name__}"
            rounds = zip(times["stock int8"], times["ours int8"], strict=True)
            speed = statistics.median(stock / ours for stock, ours in rounds)
            share = sizes["ours int8"] / sizes["stock int8"]
            milliseconds = "".join(f"{statistics.median(times[way]):>12.2f} ms" for way in ways)
            print(f"{label:<30}{milliseconds}  {speed:.1f} times as fast")
            print(f"{'':<30}" + "".join(f"{sizes[way]:>13,} B" for way in ways) + f"  {share:.2f}")


if __name__ == "__main__":
    app.run(main)
