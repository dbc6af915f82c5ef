"""The figure of what skipping does to features (wang2019, Fig. 14)."""

from os import PathLike

import keras
import numpy as np

from keras_tnn.analysis.canvas import blank_figure, saved
from keras_tnn.gates import AlwaysOn
from keras_tnn.quantities import check_count
from keras_tnn.training import ThrottledModel


def feature_figure(
    model: ThrottledModel,
    image: np.ndarray,
    layer: str,
    *,
    most: int = 8,
    utilization: float | None = None,
    path: str | PathLike | None = None,
):
    """Draws the feature maps of a layer without and with skipping (wang2019, Fig. 14).

    Above all gates are open, below they decide; a channel has one scale in both. The channels that
    change most come first, and above each stands how much, relative to its norm without skipping.

    Args:
        model: `keras_tnn.ThrottledModel`.
        image: one sample as the model takes it, `(height, width, channels)`.
        layer: name of a layer with an output of shape `(batch, height, width, channels)`.
        most: Integer, how many channels are drawn at most.
        utilization: float in (0, 1] below; 1 by default. Above it is 1.
        path: where to save the figure; the ending says the format. Not saved if None.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: if there is no such layer, or its output is no feature map.
        ImportError: if matplotlib is not installed.

    Example:

    >>> model = keras_tnn.models.ResNet((8, 8, 3), 10, depth=8, width=4, axis="depth")
    >>> image = np.random.default_rng(0).random((8, 8, 3))
    >>> figure = feature_figure(model, image, "stage2_block1_relu", utilization=0.5)
    >>> len(figure.axes)  # 8 channels, twice
    16
    """
    check_count(most, "most")
    part = up_to(model, layer)
    gating = AlwaysOn() if part.learned_gates else None
    without = part.predict(image[None], gating=gating, verbose=0)[0]
    with_skipping = part.predict(image[None], utilization=utilization, verbose=0)[0]
    change = np.sqrt(((with_skipping - without) ** 2).sum(axis=(0, 1)))
    change /= np.maximum(np.sqrt((without**2).sum(axis=(0, 1))), 1e-12)
    chosen = np.argsort(-change, kind="stable")[:most]
    figure = blank_figure(max(3.0, 1.0 * len(chosen)), 2.2)
    rows = figure.subplots(2, len(chosen), squeeze=False)
    for column, channel in zip(rows.T, chosen, strict=True):
        maps = without[..., channel], with_skipping[..., channel]
        low, high = min(map(np.min, maps)), max(map(np.max, maps))
        for axes, one in zip(column, maps, strict=True):
            axes.imshow(one, cmap="gray", vmin=low, vmax=max(high, low + 1e-12))
            axes.set(xticks=[], yticks=[])
        column[0].set_title(f"{channel}: {change[channel]:.2f}", fontsize=7, pad=2)
    rows[0, 0].set_ylabel("skipping off", fontsize=8)
    rows[1, 0].set_ylabel("skipping on", fontsize=8)
    return saved(figure, path)


def up_to(model: ThrottledModel, layer: str) -> ThrottledModel:
    """The model up to a layer whose output is a feature map."""
    found = next((one for one in model.layers if one.name == layer), None)
    features = None if found is None else found.output
    if not isinstance(features, keras.KerasTensor) or len(features.shape) != 4:
        raise ValueError(
            "Invalid value for `layer`. Expected the name of a layer of the model with an output "
            f"(batch, height, width, channels). Received: layer={layer!r}"
        )
    return ThrottledModel(model.input, features)
