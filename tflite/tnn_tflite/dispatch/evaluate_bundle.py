"""A bundle on test data, as it runs on this device: accuracy, time and bytes of each level."""

from dataclasses import replace
from typing import Any

from tnn_tflite.dispatch.bundle_table import BundleTable
from tnn_tflite.dispatch.dispatcher import Dispatcher
from tnn_tflite.dispatch.on_samples import check_classes, run_on_samples, samples_of


def evaluate_bundle(
    dispatcher: Dispatcher, x: Any, y: Any = None, *, verbose: bool | None = None
) -> BundleTable:
    """Runs every level or exit of a bundle on test data, sample by sample.

    Args:
        dispatcher: The open bundle.
        x: Samples in the terms of the Keras model, real numbers where the bundle takes integers
            for them: an array `(count, ...)`, or for several inputs a list or a dictionary by name.
        y: Class numbers `(count,)`, if accuracy is wanted.
        verbose: Whether to show a progress bar. None on a terminal only.

    Returns:
        The table, with the median time of a sample, and with accuracy where there are labels.

    Raises:
        ValueError: If there is no sample, or labels do not fit to the samples or the outputs.

    Example:

    ```python
    table = tnn_tflite.evaluate_bundle(tnn_tflite.Dispatcher("bundle"), x_test, y_test)
    print(table)
    print(table.fitting(accuracy=0.9, bytes=200_000)[0].utilization)
    ```
    """
    samples, outputs = samples_of(x, dispatcher.bundle.inputs), dispatcher.bundle.outputs
    check_classes(y, len(samples), outputs)
    runs = run_on_samples(dispatcher, samples, verbose)
    table = BundleTable.of(dispatcher.levels).measured(
        milliseconds=[run.milliseconds for run in runs], accuracy=[run.accuracy(y) for run in runs]
    )
    chance = None if y is None else 1 / outputs[0].shape[0]
    return replace(table, samples=len(samples), chance=chance)
