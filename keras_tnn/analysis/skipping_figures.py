"""Figures of what gates skip: block by block, and image by image (wang2019, Fig. 13 and 15)."""

import itertools
from os import PathLike
from typing import Any

import numpy as np

from keras_tnn.analysis.canvas import BLUE, GREY, RUST, blank_figure, saved, tidy
from keras_tnn.analysis.skipping import skipping_of
from keras_tnn.quantities import check_count, check_share
from keras_tnn.training import ThrottledModel


def skipping_figure(
    model: ThrottledModel,
    x: Any,
    *,
    utilization: float | None = None,
    batch_size: int = 256,
    path: str | PathLike | None = None,
):
    """Draws how often each block is skipped, and which share of its channels (Fig. 15).

    A bar a block, from input to output: at its foot the share of samples for which the block is
    skipped as a whole, on top the share of its gated channels that is skipped where it runs. A
    gated layer that stands in no gated block has a bar of its own. Each stage, a run of blocks
    with feature maps of one resolution, starts at an arrow.

    Args:
        model: `keras_tnn.ThrottledModel`, with gates of any kind.
        x: images, or what else the model takes, without utilization: arrays or a dataset.
        utilization: float in (0, 1], or array `(samples,)`; 1 by default.
        batch_size: samples a batch, where `x` is arrays.
        path: where to save the figure; the ending says the format. Not saved if None.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: if the model is no `keras_tnn.ThrottledModel`, or its gates' cost is unknown.
        ImportError: if matplotlib is not installed.

    Example:

    >>> model = keras_tnn.models.ResNet((8, 8, 3), 10, depth=8, width=4, axis="depth")
    >>> figure = skipping_figure(model, np.zeros((4, 8, 8, 3)), utilization=0.5)
    >>> [float(bar.get_height()) for bar in figure.axes[0].containers[0]]
    [1.0, 0.0, 0.0]
    """
    skipping = skipping_of(model, x, utilization, batch_size)
    count = len(skipping.blocks)
    places = np.arange(1, count + 1)
    blocks, channels = skipping.of_blocks(), skipping.of_channels()
    figure = blank_figure(min(12.0, 2.5 + 0.3 * max(count, 8)), 3.4)
    axes = figure.subplots()
    skips = any(block.group is not None for block in skipping.blocks)
    if skips:
        axes.bar(places, blocks, 0.8, color=BLUE, label="block skipped")
    if any(block.channels.size for block in skipping.blocks):
        label = "channels skipped" + " where it runs" * skips
        axes.bar(places, channels, 0.8, bottom=blocks, color=RUST, label=label)
    mark_stages(axes, [block.resolution for block in skipping.blocks])
    axes.set(xlabel="block", ylabel="share skipped", xlim=(0.4, count + 0.6), ylim=(0, 1))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_title(f"{len(skipping.closed):,} samples", loc="left", fontsize=9, pad=24)
    axes.legend(frameon=False, fontsize=8, ncols=2, loc="lower right", bbox_to_anchor=(1, 1.07))
    tidy(axes, grid="y")
    return saved(figure, path)


def mark_stages(axes, resolutions: list[tuple[int, ...]]):
    """An arrow above the first block of each stage, with its resolution."""
    first = 1
    for resolution, stage in itertools.groupby(resolutions):
        if resolution:
            axes.annotate(
                "x".join(map(str, resolution)),
                (first, 1),
                (0, 12),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                color=GREY,
                arrowprops={"arrowstyle": "-|>", "color": GREY},
            )
        first += len([*stage])


def easy_hard_figure(
    model: ThrottledModel,
    images: np.ndarray,
    easy: float = 0.6,
    hard: float = 0.4,
    *,
    most: int = 16,
    utilization: float | None = None,
    batch_size: int = 256,
    path: str | PathLike | None = None,
):
    """Draws images that need little of a network beside those that need much (Fig. 13).

    The skipping ratio of an image is the share of the gated network's MACs that its gates skip.
    Above each image stands its own. The easiest come first, and the hardest.

    Args:
        model: `keras_tnn.ThrottledModel` with gates that read the image.
        images: array `(n, height, width, 1 or 3)`. Whatever their range, the least value is drawn
            dark and the greatest bright.
        easy: float in [0, 1]: images with a higher skipping ratio are easy.
        hard: float in [0, `easy`]: images with a lower one are hard.
        most: Integer, how many images of each kind are drawn at most.
        utilization: float in (0, 1]; 1 by default.
        batch_size: samples a batch.
        path: where to save the figure; the ending says the format. Not saved if None.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: if an argument is out of range, or no image is easy or hard; as
            `skipping_figure` for the model.
        ImportError: if matplotlib is not installed.

    Example:

    ```python
    keras_tnn.analysis.easy_hard_figure(model, x_test, easy=0.6, hard=0.4, path="easy_hard.png")
    ```
    """
    images = check_images(images)
    check_share(easy, "easy")
    if check_share(hard, "hard") > easy:
        raise ValueError(
            f"Invalid value for `hard`. Expected at most `easy`, {easy}. Received: hard={hard}"
        )
    check_count(most, "most")
    ratios = skipping_of(model, images, utilization, batch_size).ratios
    order = np.argsort(-ratios, kind="stable")
    kinds = {
        f"easy: more than {easy:.0%} skipped": order[ratios[order] > easy],
        f"hard: less than {hard:.0%} skipped": order[::-1][ratios[order[::-1]] < hard],
    }
    if not any(found.size for found in kinds.values()):
        raise ValueError(
            "Invalid value for `easy` and `hard`. Expected limits that some image is beyond: "
            f"skipping ratios are {ratios.min():.4g} to {ratios.max():.4g}. "
            f"Received: easy={easy}, hard={hard}"
        )
    side = int(np.ceil(np.sqrt(min(most, max(found.size for found in kinds.values())))))
    shown = drawable(images)
    figure = blank_figure(2 * max(3.0, 0.9 * side), 0.6 + 1.05 * side)
    for part, (title, found) in zip(figure.subfigures(1, 2), kinds.items(), strict=True):
        part.suptitle(f"{title} ({found.size:,} of {len(images):,})".replace("%", " %"), fontsize=9)
        panels = part.subplots(side, side, squeeze=False).ravel()
        for axes in panels:
            axes.set_axis_off()
        for axes, number in zip(panels, found[:most], strict=False):
            axes.imshow(shown[number], cmap="gray", vmin=0, vmax=1)
            axes.set_title(f"{ratios[number]:.2f}", fontsize=7, pad=2)
    return saved(figure, path)


def check_images(images) -> np.ndarray:
    """Returns images as an array after checking their shape."""
    shape = getattr(images, "shape", None)
    if shape is None or len(shape) != 4 or not shape[0] or shape[-1] not in (1, 3):
        raise ValueError(
            "Invalid value for `images`. Expected an array (n, height, width, 1 or 3). "
            f"Received: {type(images).__name__} of shape {shape}"
        )
    return np.asarray(images)


def drawable(images: np.ndarray) -> np.ndarray:
    """Images with values from 0 to 1."""
    low, high = images.min(), images.max()
    return (images.astype("float32") - low) / max(float(high - low), 1e-12)
