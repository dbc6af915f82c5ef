"""The pass: every call of the model, made again on frames."""

from __future__ import annotations

from typing import Any

import keras

from keras_tnn.surgery.calls import Call, substitute, tensors_in
from keras_tnn.surgery.graph import read_graph
from keras_tnn.surgery.leaf_layers import leaf_layers
from keras_tnn.surgery.registry import rule_of
from tnn_tflite.planar import convolution, per_position, separable
from tnn_tflite.planar.clip import Clip
from tnn_tflite.planar.registry import RULES

MODULES_OF_RULES = (convolution, per_position, separable)

# A model without any of these has nothing that TFLite lacks.
VOLUMETRIC = (
    keras.layers.Conv3D,
    *separable.POOLING,
    *separable.GLOBAL_POOLING,
    *separable.BORDERS,
    keras.layers.UpSampling3D,
)


def to_planar(model: keras.Model) -> keras.Model:
    """Replaces 3-D layers by 2-D ones that compute the same.

    Args:
        model: A functional model whose clips have the shape
            `(batch, frames, height, width, channels)`, fixed but for the batch.

    Returns:
        A model with the same inputs, outputs and names whose kernels are 2-D. Layers on other
        tensors are shared with `model`, those on clips are new. `model` itself if it has no 3-D
        layer.

    Raises:
        ValueError: If a layer on a rank-5 tensor is not of a known kind, or is not
            `channels_last`.

    Example:

    >>> from tnn_tflite.planar import to_planar
    >>> clip = keras.Input((4, 8, 8, 16))
    >>> model = keras.Model(clip, keras.layers.Conv3D(2, 3)(clip))
    >>> kernel, bias = to_planar(model).weights
    >>> tuple(kernel.shape)  # 3x3, and the 16 channels of 3 frames
    (3, 3, 48, 2)
    """
    if not any(type(layer) in VOLUMETRIC for layer in leaf_layers(model)):
        return model
    graph = read_graph(model)
    held: dict[int, Any] = {id(x): x for x in graph.inputs}
    for call in graph.calls:
        outputs = repeat(call, [held[id(x)] for x in call.inputs])
        held |= {id(old): new for old, new in zip(call.outputs, outputs, strict=True)}
    ends = {id(x): whole(held[id(x)]) for x in tensors_in(graph.outputs)}
    outputs = substitute(graph.outputs, ends)
    return named_as(model, keras.Model(graph.input_structure, outputs, name=model.name))


def repeat(call: Call, inputs: list) -> list:
    """Makes a call again; rank-5 tensors are held as `Clip`s where its rule makes them."""
    layer = call.operation
    on_clips = [len(x.shape) == 5 for x in call.inputs]
    if any(on_clips) and isinstance(layer, keras.layers.Layer):
        if rule_of(call).at_training_only:
            return inputs
        rule = RULES.get(type(layer))
        if rule is None:
            raise ValueError(_unknown(layer))
        output = rule(layer, *map(Clip.of, inputs)) if all(on_clips) else None
        if output is not None:
            return [output]
    tensor_of = {id(old): whole(new) for old, new in zip(call.inputs, inputs, strict=True)}
    args, kwargs = substitute((call.args, call.kwargs), tensor_of)
    return list(tensors_in(layer(*args, **kwargs)))


def whole(x: Any) -> Any:
    return x.whole() if isinstance(x, Clip) else x


def named_as(model: keras.Model, planar: keras.Model) -> keras.Model:
    """`planar` with the output names of `model`, which are those of its last layers."""
    if planar.output_names == model.output_names:
        return planar
    layers = {name: keras.layers.Identity(name=name) for name in model.output_names}
    outputs = [
        output if name == old else layers[old](output)
        for output, name, old in zip(
            planar.outputs, planar.output_names, model.output_names, strict=True
        )
    ]
    structure = keras.tree.pack_sequence_as(planar.output, outputs)
    return keras.Model(planar.input, structure, name=model.name)


def _unknown(layer: keras.layers.Layer) -> str:
    kinds = ", ".join(sorted(kind.__name__ for kind in RULES))
    return (
        "Invalid value for `model`. Expected layers on clips (rank-5 tensors) that can be written "
        f"with 2-D layers: {kinds}; and keras.ops. Received: layer '{layer.name}' of class "
        f"{type(layer).__name__}. Write it with those layers, or say how it works on frames: "
        "tnn_tflite.planar.rewrites"
    )
