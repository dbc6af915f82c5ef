"""Making the shared file: what is equal or a slice is stored once, the rest in the plan."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tnn_tflite.sharing.constants import Located, TFLiteFile
from tnn_tflite.sharing.entry_builder import EntryBuilder
from tnn_tflite.sharing.matches import SMALLEST, Match, matches, originals
from tnn_tflite.sharing.merge import merge
from tnn_tflite.sharing.plan import Entry, with_plan
from tnn_tflite.sharing.regrid import Regridder

if TYPE_CHECKING:
    from tnn_tflite.conversion.converted_level import ConvertedLevel


def share(levels: Sequence[ConvertedLevel], layout: str = "single") -> bytes:
    """Returns one file that holds every level.

    Args:
        levels: The levels, rising in utilization.
        layout: `"single"`: the base is the file of the highest level. `"signatures"`: it is one
            file with a signature for each level.

    Returns:
        The shared file, from which `cut_level` takes each level. float32 levels may differ from
        their files by the rounding of a factor. int8 levels with `float_content` have weights
        on the grid of the highest level: a slice of its integers, by scales of their own.
    """
    if layout == "signatures":
        base = merge({level.utilization: level.content for level in levels})
        known = Contents(TFLiteFile(base))
        return with_plan(base, [_copied(level.content, known) for level in levels])
    *lower, full = levels
    slicer = Slicer(full)
    return with_plan(full.content, [*map(slicer.entry, lower), None])


class Slicer:
    """Plans levels as slices of the full level.

    Args:
        full: The highest level.
    """

    def __init__(self, full: ConvertedLevel) -> None:
        self._known = Contents(TFLiteFile(full.content))
        self._float_file = TFLiteFile(full.float_content or full.content)
        self._wholes = originals(self._float_file, full.kernels)
        self._regridder = full.float_content and Regridder(
            TFLiteFile(full.content), self._float_file
        )

    def entry(self, level: ConvertedLevel) -> Entry:
        """Returns the plan of one level."""
        file, builder = TFLiteFile(level.content), EntryBuilder(level.content)
        float_file = TFLiteFile(level.float_content) if level.float_content else file
        found = matches(originals(float_file, level.kernels), self._wholes)
        if self._regridder:
            self._regridder.regrid(builder, file, float_file, list(found), level.means)
        else:
            for match in found:
                take_float(builder, match)
        store_rest(builder, file, self._known)
        return builder.build()


class Contents:
    """The constants of a file by their bytes.

    Args:
        file: The file.
    """

    def __init__(self, file: TFLiteFile) -> None:
        self._places = {}
        for tensor in file.tensors():
            if tensor.constant is not None:
                self._places.setdefault(_digest(tensor.constant), tensor.constant.at)

    def find(self, place: Located) -> int | None:
        """Returns where an array with the same bytes stands, or None."""
        return self._places.get(_digest(place))


def take_float(builder: EntryBuilder, match: Match) -> None:
    """Plans a float32 constant as a slice, with a factor for each channel if it needs one."""
    factor = None
    if match.factor is not None:
        shape = np.ones(match.part.constant.array.ndim, int)
        shape[match.axis] = -1
        factor = match.factor.astype(np.float32).reshape(shape)
    builder.take(match.part.constant, match.whole.constant, match.indices, factor)


def store_rest(builder: EntryBuilder, file: TFLiteFile, known: Contents) -> None:
    """Plans the constants that are no slices: equal ones are copied, others kept as planes."""
    for tensor in file.tensors():
        place = tensor.constant
        if place is None or place in builder or place.array.nbytes < SMALLEST:
            continue
        source_at = known.find(place)
        if source_at is not None:
            builder.copy(place, source_at)
        elif place.array.itemsize > 1:
            builder.store(place, place.array)


def _copied(content: bytes, known: Contents) -> Entry:
    builder = EntryBuilder(content)
    store_rest(builder, TFLiteFile(content), known)
    return builder.build()


def _digest(place: Located) -> bytes:
    return hashlib.sha256(place.array).digest()
