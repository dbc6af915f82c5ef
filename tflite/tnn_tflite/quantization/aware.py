"""Quantization-aware training: what the child of mode "qat" does.

tensorflow-model-optimization (tfmot) knows Keras 2 only. The level is made again there
(`rebuild.py`), tfmot puts fake quantization where TFLite rounds (Jacob et al. 2018,
arXiv:1712.05877, section 3), and the network learns to give the outputs of the float level
(Hinton et al. 2015, arXiv:1503.02531).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tnn_tflite.children.serve import serve
from tnn_tflite.quantization.rebuild import rebuild
from tnn_tflite.saved_model import one_sample_function, write_saved_model

if TYPE_CHECKING:
    import tf_keras

BATCH = 256  # samples at once where nothing is learned


def train(request: dict[str, Any]) -> None:
    """Trains one level and writes it as a SavedModel with fake quantization.

    Args:
        request: `folder`, which holds `level.json` and `level.npz`; `trained`, the name of the
            SavedModel to write in it; `input_names` and `output_names` of its signature;
            `epochs`, `learning_rate` and `batch_size`.
    """
    import tensorflow_model_optimization as tfmot

    folder = Path(request["folder"])
    description = json.loads((folder / "level.json").read_text(encoding="utf-8"))
    with np.load(folder / "level.npz") as file:
        arrays = {name: file[name] for name in file.files}
    samples = [arrays[f"sample/{number}"] for number in range(len(description["inputs"]))]
    teacher = rebuild(description, arrays)
    student = tfmot.quantization.keras.quantize_model(teacher)
    set_ranges(student, teacher, samples, request["batch_size"])
    if request["epochs"]:
        distil(student, teacher, samples, request)
    save(student, folder / request["trained"], request["input_names"], request["output_names"])


def set_ranges(
    student: tf_keras.Model, teacher: tf_keras.Model, samples: list[np.ndarray], batch_size: int
) -> None:
    """Starts the ranges of activations where training would move them.

    tfmot starts them at -6 and 6 and moves them by a thousandth a step towards the lowest and
    highest value of the batch, so it takes thousands of steps to come to the mean of those over
    batches. The float level shows that mean at once.
    """
    import tf_keras

    inner = [layer for layer in teacher.layers if not isinstance(layer, tf_keras.layers.InputLayer)]
    tensors = {"input": teacher.inputs}
    tensors |= {f"{layer.name}/in": layer.input for layer in inner}
    tensors |= {f"{layer.name}/out": layer.output for layer in inner}
    ranges = _ranges(tf_keras.Model(teacher.inputs, tensors), samples, batch_size)
    student([array[:1] for array in samples], training=True)  # sets the ranges of weights
    for weight in student.weights:
        if place := _place(weight.name):
            low, high = ranges[place]
            weight.assign(low if weight.name.endswith("_min:0") else high)


def _place(name: str) -> str | None:
    """What a variable of tfmot measures: the input, or a layer's input or output.

    >>> _place("quant_conv/post_activation_max:0"), _place("quant_top/pre_activation_min:0")
    ('conv/out', 'top/in')
    >>> _place("quantize_layer/quantize_layer_min:0"), _place("quant_conv/kernel_min:0")
    ('input', None)
    """
    layer, _, kind = name.removesuffix(":0").rpartition("/")
    if not kind.endswith(("_min", "_max")):
        return None
    ends = {"output": "out", "post_activation": "out", "pre_activation": "in"}
    measured = kind[: -len("_min")]
    if measured.startswith("quantize_layer"):
        return "input"
    return f"{layer.removeprefix('quant_')}/{ends[measured]}" if measured in ends else None


def _ranges(
    model: tf_keras.Model, samples: list[np.ndarray], batch_size: int
) -> dict[str, tuple[float, float]]:
    """Lowest and highest value of each tensor, mean over batches; TFLite has 0 in every range."""
    import tensorflow as tf

    order = np.random.default_rng(0).permutation(len(samples[0]))  # they may come class by class
    found: dict[str, list[tuple[float, float]]] = {}
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        values = model([array[batch] for array in samples], training=False)
        for name, value in values.items():
            arrays = [np.asarray(x) for x in tf.nest.flatten(value)]
            ends = min(0, *map(np.min, arrays)), max(0, *map(np.max, arrays))
            found.setdefault(name, []).append(ends)
    return {name: tuple(np.mean(ends, axis=0).tolist()) for name, ends in found.items()}


def distil(
    student: tf_keras.Model,
    teacher: tf_keras.Model,
    samples: list[np.ndarray],
    request: dict[str, Any],
) -> None:
    """Trains the student on the teacher's outputs: cross-entropy for a softmax, else squares."""
    import tf_keras

    targets = teacher.predict(samples, batch_size=BATCH, verbose=0)
    targets = targets if isinstance(targets, list) else [targets]
    losses = ["kl_divergence" if _is_softmax(x) else "mse" for x in teacher.outputs]
    steps = request["epochs"] * -(-len(samples[0]) // request["batch_size"])
    rate = tf_keras.optimizers.schedules.CosineDecay(request["learning_rate"], steps)
    student.compile(tf_keras.optimizers.Adam(rate), losses)
    student.fit(
        samples,
        targets,
        batch_size=request["batch_size"],
        epochs=request["epochs"],
        verbose=2,
    )


def _is_softmax(output: Any) -> bool:
    layer = output.node.layer
    name = getattr(getattr(layer, "activation", None), "__name__", type(layer).__name__)
    return name.lower() == "softmax"


def save(
    model: tf_keras.Model, path: Path, input_names: list[str], output_names: list[str]
) -> None:
    """Writes a SavedModel for a batch of one, with the names of the level."""
    import tensorflow as tf

    one = one_sample_function(
        lambda arrays: tf.nest.flatten(model(arrays, training=False)), model.inputs
    )
    write_saved_model(path, one, model.weights, input_names, output_names)


def main() -> None:
    import tensorflow_model_optimization  # noqa: F401  first of all, or it meets Keras 3

    serve(train)
