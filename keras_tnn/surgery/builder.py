"""Makes layers of the cut model and remembers where their weights come from."""

from typing import Any

import keras
import numpy as np

from keras_tnn.layers.gated import Gated, features_of
from keras_tnn.surgery.calls import Call, substitute
from keras_tnn.surgery.copies import copy_of
from keras_tnn.surgery.slices import Slice, merged_weights


class Builder:
    """Repeats calls of the whole model in the cut model.

    Attributes:
        known: values of the tensors that depend on utilization alone, by `id`.
        masks: tensors of the cut model that stand for masks of the whole one, and for what a
            `Parameter` hangs on, by `id`.
        slices: what fills the weights of the layers made so far.
        made: those layers, so that a shared one is copied once for each way it is cut.
        names: theirs.
        merge_lora: whether a layer with LoRA factors becomes a plain one of the kernel they make.
    """

    def __init__(self, known: dict[int, np.ndarray] | None = None, merge_lora: bool = True):
        self.known, self.merge_lora = known or {}, merge_lora
        self.masks: dict[int, Any] = {}
        self.slices: list[Slice] = []
        self.made: dict[tuple, keras.layers.Layer] = {}
        self.names: set[str] = set()

    def repeat(
        self,
        call: Call,
        tensors: list,
        indices: list[tuple] | None = None,
        changes: dict[str, Any] | None = None,
        offset: np.ndarray | None = None,
    ):
        """Makes the call again on `tensors`, its layer cut.

        Args:
            call: the call in the whole model.
            tensors: in place of `call.inputs`.
            indices: for each weight, the kept indices an axis; None keeps all weights whole.
            changes: arguments of the layer or operation that change, such as `filters`.
            offset: constants to add to the bias, which is made where the layer has none.

        Returns:
            What the call returns: a tensor, or a structure of them.
        """
        operation = call.operation
        if not isinstance(operation, keras.layers.Layer):
            return self.call(call, self.with_settings(operation, changes), tensors)
        indices = indices or [(None,) * len(w.shape) for w in operation.weights]
        changes = dict(changes or {})
        if offset is not None:
            changes["use_bias"] = True
        layer, is_new = self.make(call, changes, indices, offset)
        output = self.call(call, layer, tensors)
        if is_new:
            self.remember(layer, operation, indices, offset)
        return output

    def with_settings(self, operation, changes: dict[str, Any] | None):
        """An operation of `keras.ops` with some of its settings changed."""
        if not changes:
            return operation
        config = {**operation.get_config(), **changes, "name": self.free_name(operation.name)}
        return type(operation).from_config(config)

    def make(self, call: Call, changes, indices, offset):
        """A copy of a layer; the same copy again where a shared layer is cut in the same way."""
        operation = call.operation
        key = repr((id(operation), changes, [[np.asarray(i).tolist() for i in w] for w in indices]))
        key = (key, None if offset is None else offset.tobytes())
        if key in self.made:
            return self.made[key], False
        if self.merge_lora and getattr(operation, "lora_enabled", False):
            changes = {**changes, "lora_rank": None}
        layer = copy_of(operation, {**changes, "name": self.free_name(call.name)})
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
        args, kwargs = substitute((call.args, call.kwargs), {**self.masks, **self.known, **fresh})
        if isinstance(call.operation, Gated):  # on [features, control]; the copy has no gate
            args = [features_of(x) for x in args]
            kwargs = {name: features_of(x) for name, x in kwargs.items()}
        return operation(*args, **kwargs)

    def remember(self, layer, operation, indices, offset):
        """Says what fills the layer's weights, and its random state where it has one."""
        if layer is operation:  # shared: it has none
            return
        bias = getattr(operation, "bias", None) if offset is not None else None
        sources = merged_weights(operation) if self.merge_lora else operation.weights
        if isinstance(operation, Gated):  # the copy has no gate
            of_gate = {id(w) for w in operation.gate.weights}
            sources = [w for w in sources if id(w) not in of_gate]
        if offset is None and len(sources) != len(layer.weights):
            raise ValueError(
                f"Layer '{operation.name}' cannot be copied: it has {len(sources)} weights, and a "
                f"layer made from its config {len(layer.weights)}. Expected no weights that were "
                "added after it was built, such as the LoRA factors of a layer inside it."
            )
        for target, source, kept in zip(layer.weights, sources, indices, strict=False):
            target.trainable = source.trainable
            self.slices.append(Slice(target, source, kept, offset if source is bias else None))
        if offset is not None and bias is None:
            self.slices.append(Slice(layer.bias, None, (None,), offset))
        # Dropout and the like: training on slices moves their random state on.
        targets, sources = (
            [v for v in one.variables if not any(v is w for w in one.weights)]
            for one in (layer, operation)
        )
        if len(targets) == len(sources):
            pairs = zip(targets, sources, strict=True)
            self.slices += [Slice(target, source, (None,)) for target, source in pairs]
