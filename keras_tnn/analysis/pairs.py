"""Samples with their labels, a batch at a time."""

from collections.abc import Iterator
from typing import Any

import keras


def pairs_of(x: Any, y: Any, batch_size: int) -> Iterator[tuple]:
    """Yields batches `(x, y)`, in order, of arrays or of batches `(x, y)`.

    Raises:
        ValueError: if there are no samples, or labels are missing.
    """
    leaves = keras.tree.flatten(x)
    if all(hasattr(leaf, "shape") for leaf in leaves):
        check_labels(len(leaves[0]), y)
        for start in range(0, len(y), batch_size):
            part = slice(start, start + batch_size)
            yield keras.tree.map_structure(lambda leaf: leaf[part], x), y[part]  # noqa: B023
    else:
        indexed = isinstance(x, keras.utils.PyDataset)
        for batch in (x[i] for i in range(len(x))) if indexed else x:
            yield labelled(batch)


def labelled(batch) -> tuple:
    """The inputs and labels of a batch.

    Raises:
        ValueError: if it has no labels.
    """
    x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
    if y is None:
        raise ValueError("Invalid value for `x`. Expected batches (x, y). Received one without y.")
    return x, y


def check_labels(samples: int, y: Any):
    """Raises ValueError unless there is a label for each sample."""
    if not samples or y is None or len(y) != samples:
        raise ValueError(
            "Invalid value for `y`. Expected samples and a label for each. Received: "
            f"{samples} samples and {'no' if y is None else len(y)} labels"
        )
