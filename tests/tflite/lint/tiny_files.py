"""Small TFLite files, as TensorFlow's converter writes them."""

import keras
import numpy as np
import tensorflow as tf

SHAPE = (1, 8, 8, 4)


def tflite_file(function, shape=SHAPE, quantization="int8", ends=tf.int8, weights=()):
    """Converts a function of one float tensor.

    Args:
        function: What the network computes.
        shape: Of its input; None for an axis that is not fixed.
        quantization: "int8", "dynamic", "float16" or None.
        ends: The type of input and output of an int8 file.
        weights: The variables that the function reads.
    """
    serve = tf.function(function, input_signature=[tf.TensorSpec(shape)])
    holder = tf.Module()
    holder.weights = list(weights)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [serve.get_concrete_function()], holder
    )
    if quantization is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantization == "int8":
        rng = np.random.default_rng(0)
        sample = [axis or 1 for axis in shape]
        data = [rng.normal(size=sample).astype("float32") for _ in range(8)]
        converter.representative_dataset = lambda: ([x] for x in data)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = ends
    return converter.convert()


def layers_file(*layers, shape=SHAPE, **options):
    """Converts Keras layers, one after the other."""
    model = keras.Sequential([keras.Input(shape[1:]), *layers])
    variables = [weight.value for weight in model.weights]
    return tflite_file(lambda x: model(x, training=False), shape, weights=variables, **options)


def convolutions_file(**options):
    """A network that every target takes: two convolutions, pooling and a mean."""
    keras.utils.set_random_seed(0)
    return layers_file(
        keras.layers.Conv2D(8, 3, activation="relu"),
        keras.layers.MaxPooling2D(2),
        keras.layers.Conv2D(12, 1),
        keras.layers.GlobalAveragePooling2D(),
        **options,
    )
