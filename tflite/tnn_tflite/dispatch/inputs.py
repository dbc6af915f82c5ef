"""What a caller hands to the dispatcher, checked and brought to one form."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tnn_tflite.bundle.description import Preprocessing
from tnn_tflite.bundle.programs import TensorSpec
from tnn_tflite.dispatch.pixels import from_pixels

# No other subclass: what is masked in an array of np.ma, for one, would count as data.
PLAIN = (np.ndarray, np.memmap)


class InputReader:
    """Turns `x` into one array with a batch axis for each input of the network.

    Args:
        specs: The inputs of the network.
        preprocessing: By name of an input that reads floats, what makes them of pixels, uint8.
    """

    def __init__(
        self, specs: Sequence[TensorSpec], preprocessing: Mapping[str, Preprocessing] | None = None
    ) -> None:
        steps = preprocessing or {}
        self._inputs = [
            _Input(spec, _label(spec, len(specs)), steps.get(spec.name)) for spec in specs
        ]
        self._names = [spec.name for spec in specs]

    def __call__(self, x: Any) -> tuple[list[np.ndarray], bool]:
        """Checks `x`.

        Args:
            x: One sample or a batch: an array, or for several inputs a dictionary by name or a
                list in order.

        Returns:
            The arrays, each of shape `(batch, *spec.shape)`, and whether `x` was a batch.

        Raises:
            ValueError: If an array has the wrong shape or dtype, or is not finite.
        """
        if len(self._inputs) == 1 and type(x) is np.ndarray:
            # Most calls. A large network leaves nothing of this code in the processor's caches,
            # and every line then costs microseconds.
            array, batched = self._inputs[0].read(x)
            return [array], batched
        values = self._in_order(x)
        pairs = [one.read(value) for one, value in zip(self._inputs, values, strict=True)]
        arrays = [array for array, _ in pairs]
        batched = pairs[0][1]
        if len(pairs) > 1:
            self._check_same_batch(pairs)
        return arrays, batched

    def _in_order(self, x: Any) -> Sequence[Any]:
        if isinstance(x, Mapping):
            return self._by_name(x)
        if len(self._inputs) == 1:
            return (x,)
        if not isinstance(x, list | tuple) or len(x) != len(self._inputs):
            received = f"{len(x)} arrays" if isinstance(x, list | tuple) else type(x).__name__
            raise ValueError(
                f"Invalid value for `x`. Expected a dictionary with the keys {self._names}, or a "
                f"list of {len(self._names)} arrays in this order. Received: {received}"
            )
        return x

    def _by_name(self, x: Mapping[str, Any]) -> Sequence[Any]:
        if set(x) != set(self._names):
            raise ValueError(
                f"Invalid value for `x`. Expected a dictionary with the keys {self._names}. "
                f"Received: the keys {list(x)}"
            )
        return [x[name] for name in self._names]

    def _check_same_batch(self, pairs: list[tuple[np.ndarray, bool]]) -> None:
        sizes = [len(array) if batched else None for array, batched in pairs]
        if len(set(sizes)) > 1:
            received = ", ".join("one sample" if n is None else f"a batch of {n}" for n in sizes)
            raise ValueError(
                "Invalid value for `x`. Expected one sample of every input, or batches of one "
                f"size. Received: {received}"
            )


class _Input:
    def __init__(self, spec: TensorSpec, label: str, steps: Preprocessing | None) -> None:
        self._label = label
        self._steps = steps
        self._shape = spec.shape
        self._rank = len(spec.shape)
        self._dtype = np.dtype(spec.dtype)
        self._is_float = self._dtype.kind == "f"

    def read(self, value: Any) -> tuple[np.ndarray, bool]:
        if type(value) not in PLAIN or value.dtype != self._dtype:
            value = self._from_pixels(value)
        if value.shape == self._shape:
            batch, batched = value[np.newaxis], False
        elif value.ndim == self._rank + 1 and value.shape[1:] == self._shape:
            batch, batched = value, True
        else:
            raise self._wrong_shape(value)
        if self._is_float and not all_finite(value):
            raise self._not_finite(value)
        return batch, batched

    def _from_pixels(self, value: Any) -> np.ndarray:
        pixels = type(value) in PLAIN and value.dtype == np.uint8
        if not (pixels and self._steps and self._is_float):
            raise self._wrong_type(value)
        if value.shape[-3:] != self._shape:
            raise self._wrong_shape(value)
        return from_pixels(value, self._steps).astype(self._dtype)

    def _wrong_type(self, value: Any) -> ValueError:
        if isinstance(value, np.ma.MaskedArray):
            received = "a masked array. Fill in what is masked, with x.filled(...)"
        elif type(value) in PLAIN:
            received = f"dtype={value.dtype}. Cast it with x.astype('{self._dtype}')"
            if value.dtype.kind in "iu" and self._is_float:
                received += ", scaled as in training"
        else:
            received = f"{type(value).__name__}. Make one with np.asarray(x, '{self._dtype}')"
        return self._error(f"a numpy array of dtype {self._dtype}", received)

    def _wrong_shape(self, value: np.ndarray) -> ValueError:
        batch = ", ".join(["batch", *map(str, self._shape)])
        expected = f"shape {self._shape} for one sample or ({batch}) for a batch"
        return self._error(expected, f"shape={value.shape}")

    def _not_finite(self, value: np.ndarray) -> ValueError:
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(value))[0])
        nan, infinite = int(np.isnan(value).sum()), int(np.isinf(value).sum())
        received = f"{nan} NaN and {infinite} infinite values, the first at index {first}"
        return self._error("finite numbers", f"{received}. Clean the data before it comes here")

    def _error(self, expected: str, received: str) -> ValueError:
        return ValueError(
            f"Invalid value for `{self._label}`. Expected {expected}. Received: {received}."
        )


def all_finite(array: np.ndarray) -> bool:
    """Tells whether no element is NaN or infinite.

    NaN and infinity survive a sum of squares, so a finite one clears all elements at once. A dot
    product adds in one pass, without a warning and without the temporary array of `np.isfinite`,
    and of the ways to sum it is the quickest where the array has just been written. Squares of
    large numbers overflow: then the elements decide.

    Args:
        array: Any shape, a floating dtype.
    """
    flat = array.reshape(-1)
    return math.isfinite(np.dot(flat, flat)) or bool(np.isfinite(array).all())


def _label(spec: TensorSpec, num_inputs: int) -> str:
    return "x" if num_inputs == 1 else f"x[{spec.name!r}]"


def zeros(specs: Sequence[TensorSpec]) -> dict[str, np.ndarray]:
    """Returns one sample of zeros for each input; the time of a dense network ignores values."""
    return {spec.name: np.zeros(spec.shape, spec.dtype) for spec in specs}
