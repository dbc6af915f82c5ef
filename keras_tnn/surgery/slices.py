"""Where each weight of a cut model comes from: a slice of a weight of the whole model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_tnn.gates import Gate


@dataclass(frozen=True)
class Effective:
    """A weight that a layer computes from its variables, such as a kernel with LoRA factors.

    Attributes:
        layer: whose weight it is.
        name: the layer's attribute that computes it.
        shape: its shape, known also while a backend keeps the variables of a model to itself.
    """

    layer: keras.layers.Layer
    name: str
    shape: tuple[int, ...]

    @property
    def value(self):
        """The weight as a tensor through which gradients reach the variables."""
        return getattr(self.layer, self.name)

    @property
    def trainable(self) -> bool:
        return self.layer.trainable

    @property
    def path(self) -> str:
        return f"{self.layer.path}/{self.name}"


@dataclass(frozen=True)
class Slice:
    """One weight of the cut model as a slice of a weight of the whole model.

    Attributes:
        target: the variable of the cut model.
        source: the variable of the whole model, or an `Effective` weight; None for a bias that
            the cut added.
        indices: for each axis of the source the kept entries, or None for all of them.
        offset: float array to add, constants folded into a bias; or None.
    """

    target: Any
    source: Any
    indices: tuple
    offset: np.ndarray | None = None

    @property
    def origin(self) -> str | None:
        """The path of the source in the whole model; None for a bias that the cut added."""
        return None if self.source is None else self.source.path

    @property
    def kept(self) -> list[np.ndarray]:
        """For each axis the kept entries of the source, all of them listed, too."""
        kept = [np.arange(size) for size in self.target.shape]
        for axis, own in enumerate(self.indices):
            kept[axis] = kept[axis] if own is None else np.asarray(own)
        return kept

    def copy(self):
        """Writes the values into the target."""
        value = np.zeros(self.target.shape, "float32")
        if self.source is not None:
            value = ops.convert_to_numpy(self.source.value)
            for axis, kept in enumerate(self.indices):
                value = value if kept is None else np.take(value, kept, axis=axis)
        self.target.assign(value if self.offset is None else value + self.offset)

    def read(self):
        """The slice as a tensor through which gradients reach the source."""
        value = ops.convert_to_tensor(self.source.value)
        for axis, kept in enumerate(self.indices):
            if kept is None or len(kept) == value.shape[axis]:
                continue
            if np.array_equal(kept, np.arange(len(kept))):
                value = value[(slice(None),) * axis + (slice(0, len(kept)),)]
            else:
                value = ops.take(value, kept, axis=axis)
        return value

    def write(self, value):
        """The source's values with `value` in place of the slice; one axis at most is cut."""
        whole = ops.convert_to_tensor(self.source)
        (kept,) = self.indices
        if kept is None or len(kept) == whole.shape[0]:
            return ops.cast(value, whole.dtype)
        return ops.scatter_update(whole, kept[:, None], ops.cast(value, whole.dtype))


def merged_weights(layer: keras.layers.Layer) -> list:
    """A layer's weights; with LoRA, the kernel that it computes with in place of its parts."""
    if not getattr(layer, "lora_enabled", False):
        return layer.weights
    name = "kernel" if hasattr(layer, "kernel") else "embeddings"
    plain = [w for w in layer.weights if not w.name.startswith("lora_")]
    return [Effective(layer, name, tuple(w.shape)) if w.name == name else w for w in plain]


def only_slices(slices: list[Slice]) -> bool:
    """Whether every weight is a slice and nothing was folded."""
    return all(s.source is not None and s.offset is None for s in slices)


def copy_all(slices: list[Slice], model: keras.Model, new: Sequence[keras.layers.Layer] = ()):
    """Fills a model's weights; raises RuntimeError if one has no source.

    New gates keep theirs, and so do the other `new` layers.
    """
    sourced = {id(s.target) for s in slices}
    new = [*new, *(layer for layer in model.layers if isinstance(layer, Gate))]
    sourced |= {id(w) for layer in new for w in layer.weights}
    orphans = [w.path for w in model.weights if id(w) not in sourced]
    if orphans:
        raise RuntimeError(f"No source is known for the weights {orphans}.")
    for s in slices:
        s.copy()
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            layer.finalize_state()  # it computes with what it derives from its weights
