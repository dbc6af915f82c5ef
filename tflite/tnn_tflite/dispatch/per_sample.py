"""Batches in which each sample has its own utilization."""

from collections.abc import Iterator, Sequence

import numpy as np

from tnn_tflite.utilization import ROUNDING

SEVERAL = (np.ndarray, list, tuple)  # a utilization for each sample


def samples_by_level(
    utilizations: Sequence[float],
    utilization: Sequence[float] | np.ndarray,
    batch_size: int | None,
    answered: bool = False,
) -> Iterator[tuple[int, np.ndarray]]:
    """Groups the samples of a batch by the level that each asks for.

    Args:
        utilizations: The utilization of each level, rising.
        utilization: One for each sample, in (0, 1].
        batch_size: Number of samples, or None if there is one sample without a batch axis.
        answered: Whether samples have answers already. Those with 0 keep theirs, in no group.

    Yields:
        The index of a level and the places of its samples in the batch, levels rising.

    Raises:
        ValueError: If there is not one utilization in (0, 1] for each sample.

    Example:

    >>> groups = samples_by_level((0.25, 0.5, 1.0), [1.0, 0.3, 0.6, 1.0], 4)
    >>> [(index, places.tolist()) for index, places in groups]
    [(0, [1]), (1, [2]), (2, [0, 3])]
    """
    asked = _checked(utilization, batch_size, answered)
    # Below the lowest level the lowest serves.
    reached = np.maximum(asked + ROUNDING, utilizations[0])
    indices = np.searchsorted(utilizations, reached, side="right") - 1
    indices[asked == 0.0] = -1  # no level
    for index in sorted({*indices.tolist()} - {-1}):
        yield index, (indices == index).nonzero()[0]


def _checked(
    utilization: Sequence[float] | np.ndarray, batch_size: int | None, answered: bool
) -> np.ndarray:
    try:
        asked = np.asarray(utilization)
    except ValueError as error:  # lists of several lengths
        raise _error(batch_size, f"utilization={utilization!r}") from error
    if batch_size is None or asked.shape != (batch_size,):
        raise _error(batch_size, f"utilization of shape {asked.shape}")
    if asked.dtype.kind not in "fiu":
        raise _error(batch_size, f"utilization of dtype {asked.dtype}")
    asked = asked.astype("float64")
    above = asked >= 0.0 if answered else asked > 0.0
    wrong = np.flatnonzero(~(above & (asked <= 1.0)))  # NaN fails both
    if len(wrong):
        first = wrong[0]
        raise _error(batch_size, f"utilization[{first}]={asked[first]} and {len(wrong) - 1} more")
    return asked


def _error(batch_size: int | None, received: str) -> ValueError:
    several = "" if batch_size is None else f", or an array of {batch_size}, one for each sample"
    return ValueError(
        f"Invalid value for `utilization`. Expected a float in (0, 1]{several}. "
        f"Received: {received}"
    )
