"""Two bundles of one network side by side on this device."""

from dataclasses import dataclass
from typing import Any

from tnn_tflite.dispatch.dispatcher import Dispatcher
from tnn_tflite.dispatch.on_samples import (
    check_classes,
    has_class_scores,
    hit_rate,
    relative_error,
    run_on_samples,
    samples_of,
)
from tnn_tflite.row_table import RowTable


@dataclass(frozen=True)
class BundlePair:
    """A level that two bundles have, on the same samples.

    Attributes:
        utilization: u in (0, 1].
        agreement: share of the samples that both put into the same class, in [0, 1]; None where
            the output is no list of class scores.
        output_error: largest difference of an output, relative to the largest of the first bundle.
        accuracy: of the first bundle, in [0, 1]; None without labels.
        other_accuracy: of the second.
        bytes: size of the level's file in the first bundle.
        other_bytes: in the second.
        milliseconds: median time of one sample in the first.
        other_milliseconds: in the second.
    """

    utilization: float
    agreement: float | None
    output_error: float
    accuracy: float | None
    other_accuracy: float | None
    bytes: int
    other_bytes: int
    milliseconds: float
    other_milliseconds: float


COLUMNS = {
    "u": ("utilization", "{:g}".format),
    "agreement": ("agreement", "{:.4f}".format),
    "output error": ("output_error", "{:.1e}".format),
    "accuracy": ("accuracy", "{:.4f}".format),
    "other accuracy": ("other_accuracy", "{:.4f}".format),
    "bytes": ("bytes", "{:,}".format),
    "other bytes": ("other_bytes", "{:,}".format),
    "median ms": ("milliseconds", "{:.3f}".format),
    "other ms": ("other_milliseconds", "{:.3f}".format),
}


@dataclass(frozen=True)
class BundleComparison(RowTable):
    """Rows for rising utilizations. `print(comparison)` shows them, without empty columns."""

    columns = COLUMNS
    rows: tuple[BundlePair, ...]


def compare_bundles(
    first: Dispatcher, second: Dispatcher, x: Any, y: Any = None, *, verbose: bool | None = None
) -> BundleComparison:
    """Runs the levels that two bundles have in common on test data: float32 and int8, say.

    Args:
        first: One open bundle.
        second: The other, with the same inputs in the terms of Keras.
        x: Samples, as for `evaluate_bundle`.
        y: Class numbers `(count,)`, if accuracy is wanted.
        verbose: Whether to show a progress bar. None on a terminal only.

    Returns:
        A row for each utilization that both have.

    Raises:
        ValueError: If they have no utilization in common, there is no sample, or labels do not fit.

    Example:

    ```python
    one, other = tnn_tflite.Dispatcher("float32"), tnn_tflite.Dispatcher("int8")
    print(tnn_tflite.compare_bundles(one, other, x_test, y_test))
    ```
    """
    levels, others = (
        {level.utilization: level for level in bundle.levels} for bundle in (first, second)
    )
    common = [u for u in levels if u in others]
    if not common:
        raise ValueError(
            f"Invalid value for `second`. Expected a level of the first bundle, {list(levels)}. "
            f"Received: {list(others)}"
        )
    samples, outputs = samples_of(x, first.bundle.inputs), first.bundle.outputs
    check_classes(y, len(samples), outputs)
    runs, other_runs = (
        dict(zip(known, run_on_samples(bundle, samples, verbose), strict=True))
        for bundle, known in ((first, levels), (second, others))
    )
    rows = []
    for u in common:
        run, other = runs[u], other_runs[u]
        same = hit_rate(run.classes == other.classes) if has_class_scores(outputs) else None
        rows.append(
            BundlePair(
                utilization=u,
                agreement=same,
                output_error=max(map(relative_error, other.outputs, run.outputs)),
                accuracy=run.accuracy(y),
                other_accuracy=other.accuracy(y),
                bytes=levels[u].bytes,
                other_bytes=others[u].bytes,
                milliseconds=run.milliseconds,
                other_milliseconds=other.milliseconds,
            )
        )
    return BundleComparison(tuple(rows))
