"""Mode "qat": how a level trains with rounding, and the child that trains it (`aware.py`)."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tnn_tflite.children.guarded import GuardedChild
from tnn_tflite.quantization.description import describe

if TYPE_CHECKING:
    import keras

# tfmot needs Keras 2, which TensorFlow only takes if it is told before it loads.
TRAINER = GuardedChild(
    "tnn_tflite.quantization.aware", {"CUDA_VISIBLE_DEVICES": "-1", "TF_USE_LEGACY_KERAS": "1"}
)


@dataclass(frozen=True)
class AwareTraining:
    """Quantization-aware training of each level, distilled from the level's own float outputs.

    Give it to `tnn_tflite.convert` as `quantization=` in the place of `"qat"`, which stands for
    the defaults. No labels are needed: the float level is the teacher.

    Args:
        epochs: Passes over the representative data, at least 0. With 0 only ranges are measured.
        learning_rate: Of Adam, above 0; it falls to zero along a cosine.
        batch_size: Samples a step, at least 1.
        samples: Most samples that are taken from the representative data, at least 1.

    Raises:
        ValueError: If a number is out of its range.

    Example:

    ```python
    tnn_tflite.convert(
        model,
        "bundle",
        quantization=tnn_tflite.quantization.AwareTraining(epochs=10),
        calibration_data=x_train[:2000],
        representative_data=x_train[:2000],
    )
    ```
    """

    epochs: int = 10
    learning_rate: float = 3e-5
    batch_size: int = 32
    samples: int = 2048

    def __post_init__(self) -> None:
        for name, least in (("epochs", 0), ("batch_size", 1), ("samples", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(
                    f"Invalid value for `{name}`. Expected an integer, at least {least}. "
                    f"Received: {name}={value!r}"
                )
        rate = self.learning_rate
        if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 < rate < 1:
            raise ValueError(
                "Invalid value for `learning_rate`. Expected a number in (0, 1). "
                f"Received: learning_rate={rate!r}"
            )


def write_trained(
    model: keras.Model,
    samples: Sequence[np.ndarray],
    training: AwareTraining,
    folder: Path,
    input_names: Sequence[str],
    output_names: Sequence[str],
    what: str,
) -> str:
    """Trains a level and writes it as a SavedModel with its ranges inside.

    Args:
        model: The level, a functional Keras 3 model.
        samples: An array for each input.
        training: How.
        folder: Of the request; the SavedModel and working files go there.
        input_names, output_names: Of the SavedModel's signature.
        what: What errors call the level.

    Returns:
        The name of the SavedModel in the folder.

    Raises:
        ChildError: If the training crashed.
        ValueError: If Keras 2 or tfmot cannot make the network.
    """
    description, arrays = describe(model, samples)
    arrays |= {f"sample/{number}": array for number, array in enumerate(samples)}
    np.savez(folder / "level.npz", **arrays)
    (folder / "level.json").write_text(json.dumps(description), encoding="utf-8")
    request = {
        "folder": str(folder),
        "trained": "trained",
        "input_names": list(input_names),
        "output_names": list(output_names),
        "epochs": training.epochs,
        "learning_rate": training.learning_rate,
        "batch_size": training.batch_size,
    }
    try:
        TRAINER.run(request, what)
    except ValueError as error:
        raise ValueError(
            "Invalid value for `model`. Expected layers that Keras 2 and "
            "tensorflow-model-optimization have, for quantization='qat'. Received: "
            f"'{model.name}': {error}. Use quantization='int8'"
        ) from error
    return request["trained"]


def check_installed() -> None:
    """Raises `ImportError` unless the packages of the mode are there."""
    for name in ("tensorflow_model_optimization", "tf_keras"):
        if importlib.util.find_spec(name) is None:
            raise ImportError(
                f"quantization='qat' needs {name}. Install: pip install keras-tnn[qat]"
            )
