"""The classes with the highest scores."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ScoredClass:
    """A class and its score.

    Args:
        index: Of the class.
        score: As the network gives it: a probability or a logit.
        label: The name of the class, or None.
    """

    index: int
    score: float
    label: str | None = None


def top_classes(
    outputs: np.ndarray, k: int = 5, labels: Sequence[str] | None = None
) -> list[ScoredClass] | list[list[ScoredClass]]:
    """Returns the `k` classes with the highest scores, the highest first.

    Of equal scores the class with the lower index comes first.

    Args:
        outputs: Scores of one sample, shape `(classes,)`, or of a batch, `(batch, classes)`.
        k: How many; all if there are fewer.
        labels: A name for each class.

    Returns:
        A list, or a list of them for a batch.

    Example:

    >>> [found.index for found in top_classes(np.array([0.1, 0.7, 0.2]), k=2)]
    [1, 2]
    """
    if not isinstance(outputs, np.ndarray) or outputs.ndim not in (1, 2):
        raise ValueError(
            "Invalid value for `outputs`. Expected an array of shape (classes,) or "
            f"(batch, classes). Received: {_described(outputs)}"
        )
    if k < 1:
        raise ValueError(f"Invalid value for `k`. Expected at least 1. Received: k={k}")
    if labels is not None and len(labels) != outputs.shape[-1]:
        raise ValueError(
            f"Invalid value for `labels`. Expected {outputs.shape[-1]} names, one for each class. "
            f"Received: {len(labels)}"
        )
    if outputs.ndim == 2:
        return [_top(scores, k, labels) for scores in outputs]
    return _top(outputs, k, labels)


def _top(scores: np.ndarray, k: int, labels: Sequence[str] | None) -> list[ScoredClass]:
    # float64: the negative of the int8 -128 is -128 again.
    order = np.argsort(-scores.astype("float64"), kind="stable")[:k]
    return [
        ScoredClass(int(i), float(scores[i]), None if labels is None else labels[i]) for i in order
    ]


def _described(outputs: object) -> str:
    is_array = isinstance(outputs, np.ndarray)
    return f"shape={outputs.shape}" if is_array else type(outputs).__name__
