"""Judging answers that were chosen among those of the exits, sample by sample."""

from typing import Any

import keras
import numpy as np


def judged(model, answers, y, sample_weight=None, batch_size=None, verbose="auto") -> dict:
    """The loss and metrics of answers, as those of the model's last exit.

    Args:
        model: compiled model with exits.
        answers: array `(n, ...)`, one of some exit for each sample.
        y, sample_weight: as for the model's `evaluate`, arrays.
        batch_size, verbose: as for `keras.Model.evaluate`.
    """
    last = len(model.exit_names) - 1
    y, sample_weight = model.at_exit(y, last), model.at_exit(sample_weight, last)
    return judge(model, last).evaluate(
        answers, y, batch_size, verbose, sample_weight, return_dict=True
    )


def judge(model, last: int) -> keras.Model:
    """A model that hands answers on, compiled as the last exit."""
    output = model.outputs[last]
    answer = keras.Input(batch_shape=output.shape, dtype=output.dtype)
    same = keras.layers.Identity(name=model.exit_names[last], dtype=output.dtype)(answer)
    made = keras.Model(answer, same)
    made.compile(**model.measures_at(last))
    return made


def collected(data) -> tuple[Any, Any, Any]:
    """Inputs, labels and sample weights of a dataset as arrays; it is read once."""
    indexed = isinstance(data, keras.utils.PyDataset)
    batches = (data[i] for i in range(len(data))) if indexed else data
    parts = [keras.utils.unpack_x_y_sample_weight(batch) for batch in batches]

    def joined(*one):
        return np.concatenate([keras.ops.convert_to_numpy(part) for part in one])

    columns = zip(*parts, strict=True)
    return tuple(
        None if column[0] is None else keras.tree.map_structure(joined, *column)
        for column in columns
    )
