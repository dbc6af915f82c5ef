"""A controller as a program of a bundle: it reads what the levels read and chooses one of them.

It has the names, shapes and types of the levels' inputs, an output "choice" with a number for each
level, and where it holds the lowest level an output "answer", that of the level.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.bundle.manifest import read_bundle
from tnn_tflite.bundle.new_controller import exchange_controller
from tnn_tflite.bundle.program_content import ProgramContent
from tnn_tflite.bundle.programs import ANSWER, CHOICE, LEVEL_ROLES, TensorSpec
from tnn_tflite.conversion.converted_level import program_fields
from tnn_tflite.conversion.keras_to_tflite import tflite_file
from tnn_tflite.conversion.same_answer import check_answer
from tnn_tflite.quantization.aware_training import AwareTraining
from tnn_tflite.quantization.plan import Plan, check_mode, plan_for

if TYPE_CHECKING:
    import keras


def replace_controller(
    directory: str | os.PathLike,
    controller: keras.Model | None,
    *,
    quantization: str | AwareTraining | None = None,
    representative_data: Any = None,
) -> Bundle:
    """Gives a bundle another controller, or its first, or takes it away. Levels stay as they are.

    The bundle is replaced at once, as by `convert`. Dispatchers that have it open keep the old
    controller until they are opened anew.

    Args:
        directory: The bundle.
        controller: As for `convert`; None for none.
        quantization, representative_data: Of the controller, as for `convert`.

    Returns:
        The description of the bundle.

    Raises:
        BundleError: If the bundle is damaged.
        ValueError: If the controller does not fit the bundle, or another argument is not valid.

    Example:

    ```python
    tnn_tflite.replace_controller("bundle", retrained)
    ```
    """
    if controller is None:
        return exchange_controller(directory, None)
    bundle = read_bundle(directory, LEVEL_ROLES)
    check_mode(quantization, representative_data is not None, "float32")
    check_kind(controller, _inference_type(bundle))
    fitted = _fitted(controller, bundle.inputs, bundle.outputs, len(bundle.levels))
    plan = plan_for(quantization, representative_data, "float32", fitted)
    content = _content(fitted, plan)
    check_answer(content, bundle.read_level(bundle.levels[0]), plan.samples)
    return exchange_controller(directory, content)


def check_kind(controller: keras.Model, inference_type: str) -> None:
    """Raises `ValueError` where it can be told without the levels that a controller is of no use.

    Args:
        controller: What the caller gave as one.
        inference_type: Element type of inputs and outputs of the levels.
    """
    import keras

    if not isinstance(controller, keras.Model):
        raise _error("a keras.Model", type(controller).__name__)
    if inference_type != "float32":
        raise _error(
            "levels with inference_type='float32'. Integers are scaled for a level, so the caller "
            "has to know the level first",
            f"inference_type={inference_type!r}",
        )


def controller_content(
    controller: keras.Model, low: ProgramContent, num_levels: int, plan: Plan
) -> ProgramContent:
    """Converts a controller.

    Args:
        controller: A Keras model.
        low: The lowest level.
        num_levels: How many levels it chooses from.
        plan: How the levels are quantized.

    Raises:
        ValueError: If it does not fit the levels.
    """
    content = _content(_fitted(controller, low.inputs, low.outputs, num_levels), plan)
    check_answer(content, low.content, plan.samples)
    return content


def _content(fitted: keras.Model, plan: Plan) -> ProgramContent:
    mode = "int8" if plan.mode == "qat" else plan.mode
    plan = replace(plan, mode=mode, training=None, keep_float=False)
    return ProgramContent(**program_fields(fitted, tflite_file(fitted, plan, "the controller")))


def _fitted(
    controller: keras.Model,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    num_levels: int,
) -> keras.Model:
    """The controller with the inputs of the levels, and outputs by their names in a bundle."""
    import keras

    x = [keras.Input(spec.shape, dtype=spec.dtype, name=spec.name) for spec in inputs]
    found = controller(_as_it_takes(controller, x))
    if not isinstance(found, dict):
        found = {CHOICE: found}
    _check_outputs(found, outputs, num_levels)
    return keras.Model(x, found, name="controller")


def _as_it_takes(controller: keras.Model, x: list[keras.KerasTensor]) -> Any:
    """The inputs of the levels in the form in which the controller takes them."""
    import keras

    taken = getattr(controller, "inputs", None)
    if taken and len(x) > 1:
        by_name = {one.name: one for one in x}
        if {one.name for one in taken} == by_name.keys():
            x = [by_name[one.name] for one in taken]
    shapes = [tuple(one.shape[1:]) for one in x]
    if taken and [tuple(one.shape[1:]) for one in taken] != shapes:
        raise _error(
            f"a model that reads what the network reads, {_described(x)}", _described(taken)
        )
    structure = getattr(controller, "input", None)  # neither a Sequential nor a subclass has one
    if structure is not None:
        return keras.tree.pack_sequence_as(structure, x)
    return x[0] if len(x) == 1 else x


def _check_outputs(
    found: dict[str, keras.KerasTensor], outputs: Sequence[TensorSpec], num_levels: int
) -> None:
    if found.keys() not in ({CHOICE}, {CHOICE, ANSWER}):
        raise _error(f"one output, or a dictionary of '{CHOICE}' and '{ANSWER}'", f"{list(found)}")
    choice = tuple(getattr(found[CHOICE], "shape", ()))  # of a list of outputs none
    if len(choice) != 2 or choice[1] != num_levels:
        raise _error(
            f"an output of shape (batch, {num_levels}), a number for each of the {num_levels} "
            "levels",
            f"shape {('batch', *choice[1:])}" if choice else f"{len(found[CHOICE])} outputs",
        )
    if ANSWER not in found:
        return
    answer = tuple(found[ANSWER].shape[1:])
    if [answer] != [spec.shape for spec in outputs]:
        raise _error(
            f"an '{ANSWER}' as a level gives it, which has the outputs "
            f"{[(spec.name, spec.shape) for spec in outputs]}",
            f"shape {answer}",
        )


def _inference_type(bundle: Bundle) -> str:
    quantized = bundle.levels[0].input_quantization
    scaled = (spec.dtype for spec, one in zip(bundle.inputs, quantized, strict=False) if one)
    return next(scaled, "float32")


def _described(inputs: Sequence[keras.KerasTensor]) -> str:
    return str([(one.name, tuple(one.shape[1:])) for one in inputs])


def _error(expected: str, received: str) -> ValueError:
    return ValueError(f"Invalid value for `controller`. Expected {expected}. Received: {received}")
