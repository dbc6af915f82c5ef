"""How sure a classifier is of each answer."""

import numpy as np

ROUNDING = 1 / 512  # of each probability, where they are int8


def confidences(scores: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Returns the largest probability of each row, `max softmax(z / temperature)`.

    The z are the logits. Of rows that are probabilities already, in [0, 1] with the sum 1, it is
    their logarithm: at temperature 1 they stay as they are.

    Args:
        scores: Logits or probabilities, shape `(batch, classes)`.
        temperature: Above 1 for a network that is too sure, below 1 for one that is not enough.

    Returns:
        Numbers in (0, 1], shape `(batch,)`.

    Example:

    >>> confidences(np.array([[0.0, np.log(3.0)], [0.25, 0.75]])).round(4).tolist()
    [0.75, 0.75]
    """
    scores = scores.astype("float64")
    low, total = scores.min(axis=-1), scores.sum(axis=-1)
    is_share = (low >= 0.0) & (abs(total - 1.0) <= 1e-3 + ROUNDING * scores.shape[-1])
    with np.errstate(divide="ignore"):  # log(0) is -inf, and its softmax is 0
        z = np.where(is_share[:, np.newaxis], np.log(np.abs(scores)), scores) / temperature
    return 1.0 / np.exp(z - z.max(axis=-1, keepdims=True)).sum(axis=-1)
