"""What each mode of quantization asks of TensorFlow's converter.

| mode | weights | activations | needs data |
| --- | --- | --- | --- |
| None | float32 | float32 | no |
| "float16" | float16, read as float32 | float32 | no |
| "dynamic" | int8 where large | float32, rounded to int8 inside a layer | no |
| "int8" | int8, a scale a channel | int8 | yes |
| "int16x8" | int8, a scale a channel | int16 | yes |
| "qat" | int8, trained to bear it | int8 | yes |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class Mode:
    """One way to write a level.

    Attributes:
        summary: What it does, in a few words.
        needs_data: Whether ranges are measured on representative data.
        inference_types: Element types that inputs and outputs may have, the default first.
        operators: Name of the `tf.lite.OpsSet` whose operators it is limited to.
        types: Names of the types that weights are stored in, if the converter must be told.
        optimize: Whether weights are stored in another type than float32.
    """

    summary: str
    needs_data: bool = False
    inference_types: tuple[str, ...] = ("float32",)
    operators: str = "TFLITE_BUILTINS"
    types: tuple[str, ...] = ()
    optimize: bool = True


INTEGERS = "TFLITE_BUILTINS_INT8"
INTEGERS_16 = "EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8"

MODES: dict[str | None, Mode] = {
    None: Mode("float32", optimize=False),
    "float16": Mode("weights in float16", types=("float16",)),
    "dynamic": Mode("weights in int8"),
    "int8": Mode("all in int8", True, ("float32", "int8", "uint8"), INTEGERS),
    "int16x8": Mode(
        "activations in int16, weights in int8", True, ("float32", "int16"), INTEGERS_16
    ),
    # TensorFlow insists on samples for a network limited to integers, though it holds its ranges.
    "qat": Mode("all in int8, weights trained", True, ("float32", "int8", "uint8")),
}


def configure(
    converter: tf.lite.TFLiteConverter,
    name: str | None,
    dataset: Callable | None,
    inference_type: str,
) -> None:
    """Sets a converter up for a mode.

    Args:
        converter: A new `tf.lite.TFLiteConverter`.
        name: A key of `MODES`.
        dataset: What the converter calls for representative samples, or None where ranges stand
            in the network already ("qat") or are not needed.
        inference_type: One of the mode's `inference_types`.
    """
    import tensorflow as tf

    mode = MODES[name]
    converter.target_spec.supported_ops = [tf.lite.OpsSet[mode.operators]]
    converter.target_spec.supported_types = [tf.dtypes.as_dtype(kind) for kind in mode.types]
    if mode.optimize:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if dataset is not None:
        converter.representative_dataset = dataset
    if inference_type != "float32":
        converter.inference_input_type = tf.dtypes.as_dtype(inference_type)
        converter.inference_output_type = tf.dtypes.as_dtype(inference_type)
    if inference_type in ("int8", "uint8"):
        # For devices that take integers: Coral's compiler is of 2021, when dense layers had one
        # scale for the whole kernel. The only switch that TensorFlow has for it.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
