"""A utilization that follows a reading in a line."""


def ramp(value: float, lowest_at: float, full_at: float, lowest: float) -> float:
    """Returns u between `lowest` and 1: in a line from one end to the other, level beyond them.

    Args:
        value: The reading.
        lowest_at: The reading at which u is `lowest`.
        full_at: The reading at which u is 1; above `lowest_at` or below it.
        lowest: The utilization of the lowest level, in (0, 1].

    Example:

    >>> from tnn_tflite.policies.ramp import ramp
    >>> [ramp(degrees, 80, 60, 0.5) for degrees in (50, 70, 90)]
    [1.0, 0.75, 0.5]
    """
    share = (value - lowest_at) / (full_at - lowest_at)
    return lowest + min(max(share, 0.0), 1.0) * (1.0 - lowest)
