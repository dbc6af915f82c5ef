"""Representative samples: what a network will see, by which ranges of numbers are measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

SAMPLES = 256  # ranges hardly move after a few hundred, and each costs a run of the slow kernels


def read_samples(data: Any, model: keras.Model, count: int = SAMPLES) -> list[np.ndarray]:
    """Takes samples from data of any kind that Keras trains on, evenly over its length.

    Args:
        data: An array `(samples, ...)`, a list of arrays in the order of the inputs, a dictionary
            of arrays by input name, or a dataset of batches of these (labels are ignored). It is
            read once, to its end.
        model: The network that the samples are for. An input named "utilization" is left out.
        count: Most samples to take.

    Returns:
        An array `(at most count, *shape)` for each input, in the dtype of the input.

    Raises:
        ValueError: If there is no sample, or an array does not fit its input or is not finite.
    """
    import keras

    from keras_tnn.surgery.recalibrate import batches_of

    inputs = [x for x in model.inputs if x.name != "utilization"]
    found = batches_of(data, count) if keras.tree.flatten(data) else ()
    batches = (_arrays_of(batch, inputs) for batch in found)
    samples = _evenly((one for batch in batches for one in zip(*batch, strict=True)), count)
    if not samples:
        raise ValueError(
            "Invalid value for `representative_data`. Expected at least one sample, better a few "
            "hundred. Received none"
        )
    return [np.stack(arrays) for arrays in zip(*samples, strict=True)]


def _evenly(samples: Iterable[tuple], count: int) -> list[list[np.ndarray]]:
    """At most `count` of the samples, evenly over all of them; at most 2 `count` are held."""
    held: list[list[np.ndarray]] = []
    stride = 1
    for place, sample in enumerate(samples):
        if place % stride == 0:
            held.append([np.array(array) for array in sample])  # a view would hold its batch
        if len(held) == 2 * count:
            held, stride = held[::2], 2 * stride
    chosen = np.linspace(0, len(held) - 1, min(count, len(held))).round().astype(int)
    return [held[place] for place in chosen]


def _arrays_of(batch: Any, inputs: Sequence[Any]) -> list[np.ndarray]:
    """The arrays of one batch in the order of the inputs, checked."""
    names = [x.name for x in inputs]
    if isinstance(batch, Mapping):
        if missing := [name for name in names if name not in batch]:
            raise _error(f"arrays for the inputs {names}", f"none for {missing}")
        arrays = [batch[name] for name in names]
    else:
        arrays = list(batch) if isinstance(batch, list | tuple) else [batch]
    if len(arrays) != len(inputs):
        raise _error(f"arrays for the inputs {names}", f"{len(arrays)} arrays")
    checked = [_checked(array, x) for array, x in zip(arrays, inputs, strict=True)]
    if len({len(array) for array in checked}) > 1:
        raise _error("as many samples of each input", f"{[len(array) for array in checked]}")
    return checked


def _checked(array: Any, x: Any) -> np.ndarray:
    array, shape = np.asarray(array), tuple(x.shape[1:])
    dtype = np.dtype(x.dtype)
    if array.ndim != len(shape) + 1 or array.shape[1:] != shape:
        expected = ", ".join(["samples", *map(str, shape)])
        raise _error(f"shape ({expected}) for '{x.name}'", f"shape={array.shape}")
    if array.dtype != dtype and not (array.dtype.kind == dtype.kind == "f"):
        raise _error(f"dtype {dtype} for '{x.name}', scaled as in training", f"dtype={array.dtype}")
    array = array.astype(dtype, copy=False)
    if dtype.kind == "f" and not np.isfinite(array).all():
        raise _error(f"finite numbers for '{x.name}'", "NaN or infinite values")
    return array


def _error(expected: str, received: str) -> ValueError:
    return ValueError(
        f"Invalid value for `representative_data`. Expected {expected}. Received: {received}. "
        "Give what the network takes, about as it will meet it"
    )
