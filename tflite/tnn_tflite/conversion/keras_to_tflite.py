"""A plain Keras model as a `.tflite` file: batch 1, builtin operators.

The model becomes a SavedModel, which a guarded child turns into the file
(`saved_model_to_tflite`).

Keras and TensorFlow are imported when a function runs, so that devices never load them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tnn_tflite.bundle.programs import Quantization, TensorSpec
from tnn_tflite.children.guarded import GuardedChild
from tnn_tflite.children.process import ChildError, StartError
from tnn_tflite.quantization.aware_training import write_trained
from tnn_tflite.quantization.open_gates import check_gates_open
from tnn_tflite.quantization.plan import FLOAT, Plan
from tnn_tflite.saved_model import one_sample_function, traced_outputs, write_saved_model
from tnn_tflite.sharing.requantized_relu import with_requantized_relus

if TYPE_CHECKING:
    import keras

# A graphics card is of no use to it, and its memory is this process's.
CONVERTER = GuardedChild(
    "tnn_tflite.conversion.saved_model_to_tflite", {"CUDA_VISIBLE_DEVICES": "-1"}
)


@dataclass(frozen=True)
class ConvertedFile:
    """A network as TFLite has it.

    Attributes:
        content: The bytes of the file.
        inputs, outputs: In Keras order.
        input_quantization, output_quantization: For each of them how its integers stand for
            reals, None where it holds what it says.
        float_content: The bytes of the float32 file, if it was asked for.
    """

    content: bytes
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    input_quantization: tuple[Quantization | None, ...]
    output_quantization: tuple[Quantization | None, ...]
    float_content: bytes | None = None


def keras_to_tflite(
    model: keras.Model,
) -> tuple[bytes, tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Converts a functional Keras model to float32.

    Args:
        model: A functional or sequential model with fixed input shapes.

    Returns:
        The bytes of the file, the inputs and the outputs, both in Keras order.

    Raises:
        ChildError: If TensorFlow's converter crashed.
        ValueError: If Keras runs on another backend than TensorFlow, an input's shape is not
            fixed, or the model has layers that TFLite cannot run.
    """
    file = tflite_file(model)
    return file.content, file.inputs, file.outputs


def tflite_file(model: keras.Model, plan: Plan = FLOAT, what: str | None = None) -> ConvertedFile:
    """Converts a functional Keras model as a plan says.

    The file has one signature, whose names are those of the Keras inputs and outputs. The
    batch is fixed to one: XNNPACK plans such a network ahead, and Edge TPUs take no other. 3-D
    layers become 2-D ones first (`tnn_tflite.planar`).

    Args:
        model: A functional or sequential model with fixed input shapes.
        plan: How it is quantized; its samples are for the inputs of `model`.
        what: What errors call it. Defaults to its name.

    Returns:
        The file with its inputs and outputs.

    Raises:
        ChildError: If TensorFlow's converter crashed.
        ValueError: If Keras runs on another backend than TensorFlow, an input's shape is not
            fixed, or the model has layers that TFLite cannot run, or not in this mode.
    """
    _check_backend()
    from tnn_tflite.conversion.in_float32 import in_float32
    from tnn_tflite.planar import to_planar

    model = in_float32(_functional(model))
    _check_shapes(model)
    CONVERTER.start()
    model = to_planar(model)
    one = one_sample_function(_flat(model), model.inputs)
    inputs = _specs(_input_names(model), one.structured_input_signature[0])
    outputs = _specs(_output_names(model), traced_outputs(one))
    names = [spec.name for spec in inputs], [spec.name for spec in outputs]
    samples = _samples(plan, model)
    if plan.mode in ("int8", "int16x8"):
        check_gates_open(model, samples)
    what = what or f"'{model.name}'"
    with CONVERTER.folder() as name:
        folder = Path(name)
        variables = [weight.value for weight in model.variables]
        write_saved_model(folder / "saved_model", one, variables, *names)
        if samples is not None:
            np.savez(folder / "samples.npz", **dict(zip(names[0], samples, strict=True)))
        float_content = None
        if plan.keep_float:
            _convert(folder, FLOAT, model.name, what)
            float_content = (folder / "level.tflite").read_bytes()
        saved_model = "saved_model"
        if plan.training:
            saved_model = write_trained(model, samples, plan.training, folder, *names, what)
        found = _convert(folder, plan, model.name, what, saved_model)
        content = (folder / "level.tflite").read_bytes()
    return ConvertedFile(
        with_requantized_relus(content) if plan.mode == "int8" else content,
        tuple(_as_found(spec, found["inputs"]) for spec in inputs),
        tuple(_as_found(spec, found["outputs"]) for spec in outputs),
        tuple(_quantization(spec, found["inputs"]) for spec in inputs),
        tuple(_quantization(spec, found["outputs"]) for spec in outputs),
        float_content,
    )


# How a system ends a process that takes more memory than there is: no fault of a layer.
OUT_OF_MEMORY = "died of SIGKILL"


def _convert(
    folder: Path, plan: Plan, name: str, what: str, saved_model: str = "saved_model"
) -> dict[str, Any]:
    request = {"folder": str(folder), "saved_model": saved_model, "file": "level.tflite"}
    request |= {"mode": plan.mode, "inference_type": plan.inference_type}
    expected = "Expected layers that TFLite has built-in operators for"
    how = "" if plan.mode is None else f" with quantization={plan.mode!r}"
    try:
        return CONVERTER.run(request, what)
    except StartError:
        raise  # nothing of this is the model's fault
    except ChildError as error:
        known = (
            ""
            if plan.mode is None or OUT_OF_MEMORY in str(error)
            else "A known case is an LSTM or GRU in integers: make it with unroll=True, or leave "
            "`quantization` out. "
        )
        raise ChildError(
            f"Invalid value for `model`. {expected}. Received: layers on which TensorFlow's "
            f"converter crashed{how}. {known}Nothing was written. {error}"
        ) from error
    except ValueError as error:
        raise ValueError(
            f"Invalid value for `model`. {expected}. Received: {name!r}{how}, which TensorFlow's "
            f"converter refused: {error}"
        ) from error


def _as_found(spec: TensorSpec, found: dict[str, list]) -> TensorSpec:
    return TensorSpec(spec.name, spec.shape, found[spec.name][0])


def _quantization(spec: TensorSpec, found: dict[str, list]) -> Quantization | None:
    _, scale, zero_point = found[spec.name]
    return Quantization(scale, zero_point) if scale else None


def _flat(model: keras.Model) -> Callable[[list], list]:
    """The model as a function from a list of tensors to a list of tensors."""
    import keras

    def call(arrays: list) -> list:
        packed = keras.tree.pack_sequence_as(model.input, arrays)
        return keras.tree.flatten(model(packed, training=False))

    return call


def _samples(plan: Plan, model: keras.Model) -> list[np.ndarray] | None:
    """The samples in the types of the inputs: another float may have become float32."""
    if plan.samples is None:
        return None
    return [array.astype(x.dtype) for array, x in zip(plan.samples, model.inputs, strict=True)]


def _functional(model: keras.Model) -> keras.Model:
    import keras

    if isinstance(model, keras.Sequential):
        return keras.Model(model.inputs, model.outputs, name=model.name)
    return model


def predictions_of(model: keras.Model, x: Any) -> list[np.ndarray]:
    """What a model's graph gives, in the order in which its file has the outputs.

    A class may make of it in `predict_step` what no file does, such as boxes without overlap.
    """
    import keras

    graph = keras.Model(model.input, model.output)
    return [np.asarray(one) for one in keras.tree.flatten(graph.predict(x, verbose=0))]


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


def _specs(names: Sequence[str], tensors: Sequence[Any]) -> tuple[TensorSpec, ...]:
    return tuple(_spec(name, x) for name, x in zip(tensor_names(names), tensors, strict=True))


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
