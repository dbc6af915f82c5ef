"""What `convert` was asked to do about quantization, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tnn_tflite.quantization.aware_training import AwareTraining, check_installed
from tnn_tflite.quantization.modes import MODES
from tnn_tflite.quantization.representative import SAMPLES, read_samples

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Plan:
    """How every level is written.

    Attributes:
        mode: A key of `MODES`.
        inference_type: Element type of the inputs and outputs that hold real numbers.
        samples: Representative samples for each input in Keras order, or None.
        training: Of mode "qat", else None.
        keep_float: Whether the float32 file of the level is made as well.
    """

    mode: str | None = None
    inference_type: str = "float32"
    samples: tuple[np.ndarray, ...] | None = None
    training: AwareTraining | None = None
    keep_float: bool = False


FLOAT = Plan()


def check_mode(quantization: Any, has_data: bool, inference_type: Any) -> None:
    """Checks the arguments of `convert` against each other, before any work.

    Raises:
        ImportError: If "qat" lacks its packages.
        ValueError: If they do not fit.
    """
    name = "qat" if isinstance(quantization, AwareTraining) else quantization
    if not isinstance(name, str | None) or name not in MODES:
        raise ValueError(
            f"Invalid value for `quantization`. Expected one of {', '.join(map(repr, MODES))}, or "
            f"an AwareTraining for its own settings of 'qat'. Received: {quantization!r}"
        )
    mode = MODES[name]
    if mode.needs_data and not has_data:
        raise ValueError(
            f"Invalid value for `representative_data`. Expected samples for quantization={name!r}: "
            "a few hundred training inputs, by which the range of each layer's numbers is "
            "measured. Received: None"
        )
    if has_data and not mode.needs_data:
        raise ValueError(
            f"Invalid value for `representative_data`. Expected None for quantization={name!r}, "
            "which measures no ranges. Received data. Leave it out, or ask for "
            "quantization='int8'. Batch-norm statistics take `calibration_data`"
        )
    if inference_type not in mode.inference_types:
        raise ValueError(
            f"Invalid value for `inference_type`. Expected one of {mode.inference_types} for "
            f"quantization={name!r}. Received: inference_type={inference_type!r}"
        )
    if name == "qat":
        check_installed()


def plan_for(
    quantization: str | AwareTraining | None,
    representative_data: Any,
    inference_type: str,
    model: keras.Model,
    keep_float: bool = False,
) -> Plan:
    """Reads the data and settles what to do.

    Args:
        quantization, representative_data, inference_type: As for `convert`, by `check_mode` good.
        model: The network or one of its levels; all take the same inputs.
        keep_float: Whether float32 files are wanted beside quantized ones.

    Returns:
        The plan.

    Raises:
        ValueError: If the data do not fit the model.
    """
    training = quantization if isinstance(quantization, AwareTraining) else None
    if quantization == "qat":
        training = AwareTraining()
    samples = None
    if representative_data is not None:
        count = training.samples if training else SAMPLES
        samples = tuple(read_samples(representative_data, model, count))
    mode = "qat" if training else quantization
    return Plan(mode, inference_type, samples, training, keep_float and mode is not None)
