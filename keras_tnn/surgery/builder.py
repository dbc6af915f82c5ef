"""Makes layers of the cut model and remembers where their weights come from."""

from typing import Any

import keras
import numpy as np

from keras_tnn.layers.gated import Gated
from keras_tnn.surgery.graph import Call
from keras_tnn.surgery.slices import Slice


def plain_copy(layer: keras.layers.Layer, changes: dict[str, Any]) -> keras.layers.Layer:
    """A fresh layer of the same kind without its gate, with some arguments changed."""
    config = {**layer.get_config(), **changes}
    cls = type(layer)
    if isinstance(layer, Gated):
        cls = next(base for base in cls.__mro__ if not issubclass(base, Gated))
        config.pop("num_groups")
        config.pop("gate")
    return cls.from_config(config)


class Builder:
    """Repeats calls of the whole model in the cut model.

    Attributes:
        known: values of the tensors that depend on utilization alone, by `id`.
        slices: what fills the weights of the layers made so far.
        made: those layers, so that a shared one is copied once for each way it is cut.
        names: theirs.
    """

    def __init__(self, known: dict[int, np.ndarray]):
        self.known = known
        self.slices: list[Slice] = []
        self.made: dict[tuple, keras.layers.Layer] = {}
        self.names: set[str] = set()

    def repeat(self, call: Call, tensors: list, indices: list[tuple] | None = None):
        """Makes the call again on `tensors`, its layer's weights cut at `indices`.

        Args:
            call: the call in the whole model.
            tensors: in place of `call.inputs`.
            indices: for each weight, the kept indices an axis; None keeps all weights whole.
        """
        operation = call.operation
        if not isinstance(operation, keras.layers.Layer):
            return self.call(call, operation, tensors)
        indices = indices or [(None,) * len(w.shape) for w in operation.weights]
        layer, is_new = self.make(operation, {}, indices)
        output = self.call(call, layer, tensors)
        if is_new:
            self.remember(layer.weights, operation.weights, indices)
            self.remember_seeds(layer, operation)
        return output

    def replace(self, call: Call, tensors: list, changes: dict, indices: list[tuple], bias: tuple):
        """Makes the call again with another width; `bias` is `(kept, offset or None)`."""
        operation = call.operation
        kept, offset = bias
        if offset is not None:
            changes = {**changes, "use_bias": True}
        layer, is_new = self.make(operation, changes, [*indices, (kept,)], offset)
        output = self.call(call, layer, tensors)
        if is_new:
            self.remember(layer.weights[: len(indices)], operation.weights, indices)
            if layer.use_bias:
                source = operation.bias if operation.use_bias else None
                self.slices.append(Slice(layer.bias, source, (kept,), offset))
        return output

    def make(self, operation, changes, indices, offset=None):
        """A copy of a layer; the same copy again where a shared layer is cut in the same way."""
        key = repr((id(operation), changes, [[np.asarray(i).tolist() for i in w] for w in indices]))
        key = (key, None if offset is None else offset.tobytes())
        if key in self.made:
            return self.made[key], False
        layer = plain_copy(operation, {**changes, "name": self.free_name(operation.name)})
        self.made[key] = layer
        return layer, True

    def free_name(self, name: str) -> str:
        """`name`, or `name_1` and so on where a shared layer was cut in several ways."""
        candidates = (name if i == 0 else f"{name}_{i}" for i in range(len(self.names) + 1))
        chosen = next(candidate for candidate in candidates if candidate not in self.names)
        self.names.add(chosen)
        return chosen

    def call(self, call: Call, operation, tensors: list):
        """Calls `operation` with the arguments of `call`, its tensors replaced."""
        if len(call.inputs) != len(tensors):  # a merge that lost some of its terms
            return operation(list(tensors))
        fresh = {id(old): new for old, new in zip(call.inputs, tensors, strict=True)}
        if isinstance(call.operation, Gated):
            return operation(*tensors)
        args, kwargs = keras.tree.map_structure(
            lambda x: fresh.get(id(x), self.known.get(id(x), x)), (call.args, call.kwargs)
        )
        return operation(*args, **kwargs)

    def remember_seeds(self, layer, operation):
        """The random state of dropout and the like, so that training on slices moves it on."""
        targets, sources = (
            [v for v in made.variables if not any(v is w for w in made.weights)]
            for made in (layer, operation)
        )
        if len(targets) == len(sources):
            self.remember(targets, sources, [(None,)] * len(targets))

    def remember(self, targets, sources, indices):
        for target, source, kept in zip(targets, sources, indices, strict=False):
            self.slices.append(Slice(target, source, kept))
