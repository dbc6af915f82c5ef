"""Pixels of a picture as the numbers that a network reads."""

import numpy as np

from tnn_tflite.bundle.description import Preprocessing


def from_pixels(pixels: np.ndarray, steps: Preprocessing) -> np.ndarray:
    """Returns `scale * pixel + offset` with the channels in the network's order.

    Args:
        pixels: Integers from 0 to 255, of shape `(..., height, width, channels)`; colours are in
            the order red, green, blue.
        steps: What a bundle says of the input.

    Returns:
        float32 numbers of the same shape.

    Example:

    >>> steps = tnn_tflite.Preprocessing((0.5, 0.5, 1.0), (0.0, 0.0, -1.0), "BGR")
    >>> from_pixels(np.array([[[10, 20, 30]]], "uint8"), steps).tolist()
    [[[15.0, 10.0, 9.0]]]
    """
    ordered = pixels[..., ::-1] if steps.colours == "BGR" else pixels
    return ordered * np.float32(steps.scale) + np.float32(steps.offset)
