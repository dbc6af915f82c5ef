"""From a trained throttled network to a bundle: one plain, small `.tflite` file a level.

Keras and TensorFlow are imported when a function runs, so that devices never load them.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tnn_tflite.bundle import Bundle
from tnn_tflite.bundle_writer import LevelContent, check_destination, write_bundle
from tnn_tflite.keras_to_tflite import keras_to_tflite

if TYPE_CHECKING:
    import keras

LEVELS = (0.25, 0.5, 0.75, 1.0)


def convert(
    model: keras.Model,
    directory: str | os.PathLike,
    levels: Sequence[float] = LEVELS,
    *,
    calibration_data: Any = None,
    verbose: bool = True,
) -> Bundle:
    """Writes a throttled model as a bundle that `tnn_tflite.Dispatcher` runs.

    Each level is cut out of the model with `keras_tnn.materialize`: a plain network that holds
    only what is active. It becomes one float32 `.tflite` file. The bundle appears when it is
    complete: an error or a crash on the way leaves an older bundle in place.

    Args:
        model: A throttled model, for example `keras_tnn.models.VGG(...)`.
        directory: Where the bundle shall stand. A new or empty folder, or an older bundle,
            which is replaced.
        levels: Utilizations in (0, 1], rising.
        calibration_data: About a thousand training inputs, by which the batch-norm statistics
            of each level are estimated anew: an array, a list or dictionary of arrays, or a
            dataset of batches. A level without its own statistics loses much accuracy.
        verbose: Whether to print a line for each level.

    Returns:
        The description of the bundle.

    Raises:
        BundleError: If `directory` holds something else than a bundle.
        ValueError: If another argument is not valid, if the model has no throttled layer, or
            if TFLite cannot run one of its layers.

    Example:

    ```python
    tnn_tflite.convert(model, "bundle", levels=(0.25, 0.5, 1.0), calibration_data=x_train[:1000])
    ```
    """
    from keras_tnn.utilization import check_levels

    _check_model(model)
    levels = check_levels(levels)
    check_destination(directory)
    _check_calibration_data(calibration_data, len(levels))
    if calibration_data is None:
        _warn_about_statistics(model)
    return write_bundle(directory, _contents(model, levels, calibration_data, verbose))


def _contents(
    model: keras.Model, levels: Sequence[float], calibration_data: Any, verbose: bool
) -> Iterator[LevelContent]:
    import keras_tnn

    for number, utilization in enumerate(levels, start=1):
        start = time.perf_counter()
        small = keras_tnn.materialize(
            model, utilization=utilization, calibration_data=calibration_data
        )
        content = level_content(small, utilization)
        if verbose:
            print(_progress(content, f"{number}/{len(levels)}", time.perf_counter() - start))
        yield content


def level_content(small: keras.Model, utilization: float) -> LevelContent:
    """Converts the plain network of one level.

    Args:
        small: A plain Keras model without a utilization input.
        utilization: The utilization it serves, in (0, 1].

    Returns:
        The level, ready for `write_bundle`.
    """
    from keras_tnn.cost import count_macs

    content, inputs, outputs = keras_to_tflite(small)
    return LevelContent(
        utilization=utilization,
        content=content,
        inputs=inputs,
        outputs=outputs,
        macs=int(count_macs(small)),
        parameters=int(small.count_params()),
    )


def _progress(level: LevelContent, count: str, seconds: float) -> str:
    return (
        f"{count}  u={level.utilization:g}: {level.macs:,} MACs, {level.parameters:,} parameters, "
        f"{len(level.content):,} bytes ({seconds:.1f} s)"
    )


def _warn_about_statistics(model: keras.Model) -> None:
    import keras

    if any(isinstance(layer, keras.layers.BatchNormalization) for layer in _all_layers(model)):
        warnings.warn(
            "The model has batch normalization and no `calibration_data` is given. The "
            "statistics of training fit no single level, so the levels lose accuracy. Pass "
            "about a thousand training inputs as `calibration_data`.",
            UserWarning,
            stacklevel=3,
        )


def _all_layers(model: keras.Model) -> Iterator[Any]:
    for layer in model.layers:
        yield layer
        if hasattr(layer, "layers"):
            yield from _all_layers(layer)


def _check_model(model: keras.Model) -> None:
    import keras

    if not isinstance(model, keras.Model):
        raise ValueError(
            "Invalid value for `model`. Expected a keras.Model; load a saved one with "
            f"keras.saving.load_model. Received: {type(model).__name__}"
        )


def _check_calibration_data(calibration_data: Any, num_levels: int) -> None:
    if isinstance(calibration_data, Iterator) and num_levels > 1:
        raise ValueError(
            "Invalid value for `calibration_data`. Expected data that can be read once for each "
            "level, such as an array or a dataset. Received: "
            f"{type(calibration_data).__name__}, which can be read once only"
        )
