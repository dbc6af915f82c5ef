"""How sure a classifier is of each answer."""

import math

import numpy as np

MEASURES = ("probability", "margin")
ROUNDING = 1 / 512  # of each probability, where they are int8
FEW = 64  # so many numbers take Python less time than calls of numpy do


def certainty_of(
    scores: np.ndarray, measure: str = "probability", temperature: float = 1.0
) -> np.ndarray:
    """Returns how sure a classifier is of each answer, by its probabilities.

    These are `softmax(z / temperature)` of the logits z. Of rows that are probabilities already, in
    [0, 1] with the sum 1, z is the logarithm: at temperature 1 they stay as they are.

    Args:
        scores: Logits or probabilities, shape `(batch, classes)`.
        measure: `"probability"`, the largest, or `"margin"`, by how much it is above the next one.
        temperature: Above 1 for a network that is too sure, below 1 for one that is not enough.

    Returns:
        Numbers in [0, 1], shape `(batch,)`.

    Example:

    >>> certainty_of(np.array([[0.0, np.log(3.0)], [0.25, 0.75]])).round(4).tolist()
    [0.75, 0.75]
    """
    if scores.size <= FEW:
        return np.array([certainty_of_one(row, measure, temperature) for row in scores.tolist()])
    z = scores.astype("float64")
    is_share = (z.min(axis=-1) >= 0.0) & (abs(z.sum(axis=-1) - 1.0) <= _slack(z.shape[-1]))
    if is_share.any():
        with np.errstate(divide="ignore"):  # log(0) is -inf, and its softmax is 0
            z[is_share] = np.log(z[is_share])
    z /= temperature
    shares = np.exp(z - z.max(axis=-1, keepdims=True))  # over the largest, which is 1
    next_one = np.partition(shares, -2, axis=-1)[:, -2] if measure == "margin" else 0.0
    return (1.0 - next_one) / shares.sum(axis=-1)


def certainty_of_one(z: list[float], measure: str, temperature: float) -> float:
    """As `certainty_of`, of one answer, without numpy: for `FEW` classes at most."""
    if min(z) >= 0.0 and abs(sum(z) - 1.0) <= _slack(len(z)):
        z = [math.log(share) if share else -math.inf for share in z]
    largest = max(z)
    shares = [math.exp((one - largest) / temperature) for one in z]
    next_one = sorted(shares)[-2] if measure == "margin" else 0.0
    return (1.0 - next_one) / sum(shares)


def _slack(classes: int) -> float:
    """By how much the sum of probabilities may miss 1."""
    return 1e-3 + ROUNDING * classes
