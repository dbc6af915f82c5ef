"""A network that decides for itself, quantized only on data that show all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

BATCH = 64


def check_gates_open(model: keras.Model, samples: Sequence[np.ndarray]) -> None:
    """Raises `ValueError` unless every gate of a level opens in at least one sample.

    What stands behind an `IF` that no sample takes has no measured ranges, and the converter
    invents some: outputs would be wrong without a sign of it.

    Args:
        model: The plain network of a level.
        samples: Representative samples for each input.
    """
    import keras

    import keras_tnn

    if not any(isinstance(layer, keras_tnn.layers.ConditionalSum) for layer in model.layers):
        return  # nothing stands behind an IF
    opened: dict[str, np.ndarray] = {}
    for start in range(0, len(samples[0]), BATCH):
        batch = [array[start : start + BATCH] for array in samples]
        with keras_tnn.gates.record_decisions() as decisions:
            model(keras.tree.pack_sequence_as(model.input, batch), training=False)
        if not decisions:
            return  # its gates are an input, which the samples have
        for one in decisions:
            seen = np.asarray(one.values).max(axis=0) > 0
            opened[one.key] = opened.get(one.key, False) | seen
    if never := [name for name, groups in opened.items() if not np.all(groups)]:
        raise ValueError(
            "Invalid value for `representative_data`. Expected samples of which at least one opens "
            f"each gate, as what is closed has no ranges. Received: none for {never}. Give more "
            "samples, cut what never opens with a higher `threshold`, or leave `quantization` out"
        )
