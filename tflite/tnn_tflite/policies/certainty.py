"""How sure a classifier is of each answer."""

import numpy as np

MEASURES = ("probability", "margin")
ROUNDING = 1 / 512  # of each probability, where they are int8


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
    scores = scores.astype("float64")
    is_share = (scores.min(axis=-1) >= 0.0) & (
        abs(scores.sum(axis=-1) - 1.0) <= 1e-3 + ROUNDING * scores.shape[-1]
    )
    with np.errstate(divide="ignore"):  # log(0) is -inf, and its softmax is 0
        z = np.where(is_share[:, np.newaxis], np.log(np.abs(scores)), scores) / temperature
    shares = np.exp(z - z.max(axis=-1, keepdims=True))
    ranked = np.partition(shares, -2, axis=-1)
    largest = ranked[:, -1]
    if measure == "margin":
        largest = largest - ranked[:, -2]
    return largest / shares.sum(axis=-1)
