"""A plain Keras model as the bytes of a `.tflite` file: float32, batch 1, builtin operators.

Keras and TensorFlow are imported when a function runs, so that devices never load them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tnn_tflite.bundle import TensorSpec

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


def keras_to_tflite(
    model: keras.Model,
) -> tuple[bytes, tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Converts a functional Keras model.

    The file has one signature, whose names are those of the Keras inputs and outputs. The
    batch is fixed to one: XNNPACK plans such a network ahead, and Edge TPUs take no other. 3-D
    layers become 2-D ones first (`tnn_tflite.planar`).

    Args:
        model: A functional or sequential model with fixed input shapes.

    Returns:
        The bytes of the file, the inputs and the outputs, both in Keras order.

    Raises:
        ValueError: If Keras runs on another backend than TensorFlow, an input's shape is not
            fixed, or the model has layers that TFLite cannot run.
    """
    _check_backend()
    import tensorflow as tf

    from tnn_tflite.planar import to_planar

    model = _functional(model)
    _check_shapes(model)
    model = to_planar(model)
    serve, inputs = _one_sample_function(model)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([serve], _weights(model))
    try:
        content = converter.convert()
    except Exception as error:  # the converter raises types of its own, without a public name
        raise ValueError(
            f"Invalid value for `model`. Expected layers that TFLite has built-in operators for. "
            f"Received: {model.name!r}, which TensorFlow's converter refused: {error}"
        ) from error
    outputs = tuple(_spec(name, out) for name, out in serve.structured_outputs.items())
    return content, inputs, outputs


def _one_sample_function(
    model: keras.Model,
) -> tuple[tf.types.experimental.ConcreteFunction, tuple[TensorSpec, ...]]:
    import keras
    import tensorflow as tf

    names = tensor_names(_input_names(model))
    signature = [
        tf.TensorSpec((1, *x.shape[1:]), x.dtype, name=name)
        for x, name in zip(model.inputs, names, strict=True)
    ]
    output_names = tensor_names(_output_names(model))

    @tf.function(input_signature=signature)
    def serve(*arrays: tf.Tensor) -> dict[str, tf.Tensor]:
        packed = keras.tree.pack_sequence_as(model.input, arrays)
        outputs = keras.tree.flatten(model(packed, training=False))
        return dict(zip(output_names, outputs, strict=True))

    inputs = tuple(_spec(x.name, x) for x in signature)
    return serve.get_concrete_function(), inputs


def _functional(model: keras.Model) -> keras.Model:
    import keras

    if isinstance(model, keras.Sequential):
        return keras.Model(model.inputs, model.outputs, name=model.name)
    return model


def _weights(model: keras.Model) -> tf.Module:
    """The weights as TensorFlow's converter wants them.

    Given the Keras model itself it would leave the weights out of the file.
    """
    import tensorflow as tf

    module = tf.Module()
    module.weights = [weight.value for weight in model.variables]
    return module


def tensor_names(names: Iterable[str]) -> list[str]:
    """Returns names that a TFLite signature can carry, each once.

    >>> tensor_names(["image", "my image", "image", "_x:0"])
    ['image', 'my_image', 'image_1', 'x_0']
    """
    result: list[str] = []
    for name in names:
        base = re.sub(r"[^A-Za-z0-9_.-]", "_", name).lstrip("_-.") or "tensor"
        candidate, count = base, 0
        while candidate in result:
            count += 1
            candidate = f"{base}_{count}"
        result.append(candidate)
    return result


def _input_names(model: keras.Model) -> list[str]:
    """The names of the input layers; a tensor's own name differs from run to run."""
    import keras

    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.InputLayer)]
    return [
        next((layer.name for layer in layers if layer.output is x), x.name) for x in model.inputs
    ]


def _output_names(model: keras.Model) -> list[str]:
    """The names a Keras user knows: dictionary keys if the model has them, else layer names."""
    import keras

    if isinstance(model.output, dict) and len(model.output) == len(model.outputs):
        return keras.tree.flatten({name: name for name in model.output})  # in order of `outputs`
    return list(model.output_names)


def _spec(name: str, tensor: Any) -> TensorSpec:
    shape = tuple(tensor.shape[1:])
    if tensor.shape.rank == 0 or tensor.shape[0] != 1 or None in shape:
        raise ValueError(
            f"Invalid value for `model`. Expected a fixed shape with the batch axis first for "
            f"'{name}'. Received: shape={tuple(tensor.shape)} for a batch of one"
        )
    return TensorSpec(name, shape, tensor.dtype.name)


def _check_backend() -> None:
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Invalid backend for conversion. Expected TensorFlow. Received: "
            f"{keras.backend.backend()}. Save the model, set KERAS_BACKEND=tensorflow, load the "
            "model in a new process and convert it there"
        )


def _check_shapes(model: keras.Model) -> None:
    for x in model.inputs:
        if None in x.shape[1:]:
            raise ValueError(
                "Invalid value for `model`. Expected fixed input shapes, as TFLite plans its "
                f"memory ahead. Received: shape={x.shape} for '{x.name}'. Build the model with "
                "a fixed shape and load the weights into it"
            )
