"""A layer of the whole network, computed on part of its channels.

What a level leaves whole it shares with the network: the very same layers. What it cuts becomes a
`Sliced`, whose weights are slices of the whole layer's, read anew in every step. So all that Keras
does beside the forward pass reaches the network itself: losses that layers add, their random
state, frozen weights, statistics.
"""

import inspect

import keras

from keras_tnn.layers.gated import Gated
from keras_tnn.surgery.builder import Builder
from keras_tnn.surgery.slices import Slice, merged_weights, only_slices


class Sliced(keras.layers.Layer):
    """Computes what `cut` computes, with slices of the weights of `whole`.

    Args:
        whole: a layer of the network.
        cut: a built layer of its kind with fewer channels. Its own weights are never read.
        slices: what stands in for each of its variables.
    """

    def __init__(self, whole: keras.layers.Layer, cut: keras.layers.Layer, slices: list[Slice]):
        # `cut` casts for itself: slices of statistics must not be read in half precision.
        super().__init__(name=f"{cut.name}_sliced", dtype=whole.dtype_policy, autocast=False)
        self.whole, self.cut, self.slices = whole, cut, slices
        self.supports_masking = cut.supports_masking
        self.takes_training = "training" in inspect.signature(cut.call).parameters
        self.built = True

    def call(self, *args, training=None, **kwargs):
        self.cut.trainable = self.whole.trainable  # frozen, a batch normalisation infers
        if self.takes_training:
            kwargs["training"] = training
        values = [(one.target, one.read()) for one in self.slices]
        with keras.StatelessScope(values, collect_losses=True) as scope:
            before = [scope.get_current_value(one.target) for one in self.slices]
            outputs = self.cut(*args, **kwargs)
        for one, old in zip(self.slices, before, strict=True):
            new = scope.get_current_value(one.target)
            if new is not old:
                one.source.assign(one.write(new))
        for loss in scope.losses:
            self.whole.add_loss(loss)
        return outputs

    def compute_mask(self, inputs, previous_mask):
        return self.cut.compute_mask(inputs, previous_mask)

    def compute_output_spec(self, *args, **kwargs):
        return self.cut.compute_output_spec(*args, **kwargs)


class Renamed(keras.layers.Layer):
    """A layer under another name, for a model that has a layer of its name already."""

    def __init__(self, layer: keras.layers.Layer, name: str):
        super().__init__(name=name, dtype=layer.dtype_policy, autocast=False)
        self.layer = layer
        self.supports_masking = True
        self.takes_training = "training" in inspect.signature(layer.call).parameters
        self.built = True

    def call(self, *args, training=None, **kwargs):
        more = {"training": training} if self.takes_training else {}
        return self.layer(*args, **kwargs, **more)

    def compute_mask(self, inputs, previous_mask):
        return self.layer.compute_mask(inputs, previous_mask)

    def compute_output_spec(self, *args, **kwargs):
        return self.layer.compute_output_spec(*args, **kwargs)


class SharingBuilder(Builder):
    """Repeats calls with the network's own layers where they stay whole, else with slices.

    Raises:
        ValueError: where a constant would have to be folded into a weight.
    """

    def repeat(self, call, tensors, indices=None, changes=None, offset=None):
        layer = call.operation
        if not isinstance(layer, keras.layers.Layer):
            return super().repeat(call, tensors, indices, changes, offset)
        uncut = all(
            kept is None or len(kept) == size
            for weight, axes in zip(merged_weights(layer), indices or (), strict=False)
            for kept, size in zip(axes, weight.shape, strict=True)
        )
        # A gated layer is built on [features, control]; the plain one inside is not its own layer.
        plain = not isinstance(layer, Gated) and offset is None
        if plain and uncut and (layer.weights or not changes):
            return self.call(call, self.shared(layer), tensors)
        return self.sliced(call, tensors, indices, changes, offset)

    def shared(self, layer: keras.layers.Layer) -> keras.layers.Layer:
        """The layer itself, or its stand-in where another one has its name."""
        if self.made.setdefault(("named", layer.name), layer) is layer:
            return layer
        key = ("renamed", id(layer))
        if key not in self.made:
            self.made[key] = Renamed(layer, self.free_name(f"{layer.name}_renamed"))
        return self.made[key]

    def sliced(self, call, tensors, indices, changes, offset):
        whole = call.operation
        indices = indices or [(None,) * len(w.shape) for w in whole.weights]
        changes = dict(changes or {})
        if offset is not None:
            changes["use_bias"] = True
        cut, is_new = self.make(call, changes, indices, offset)
        key = ("sliced", id(cut))
        if is_new:
            self.call(call, cut, tensors)  # builds it
            first = len(self.slices)
            self.remember(cut, whole, indices, offset)
            slices = self.slices[first:]
            if not only_slices(slices):
                raise ValueError(
                    f"Layer '{whole.name}' reads channels that a batch normalisation behind a "
                    "gate turns into constants, so no level can be trained on its active channels "
                    "alone. Put the gate after the normalisation, or draw utilization per sample."
                )
            self.made[key] = self.without_slices(cut, slices) or Sliced(whole, cut, slices)
        return self.call(call, self.made[key], tensors)

    def without_slices(self, cut, slices) -> keras.layers.Layer | None:
        """The cut layer, filled once, if it computes with what it derived from its weights."""
        if not isinstance(cut, keras.layers.Normalization):
            return None
        for one in slices:
            one.copy()
        cut.finalize_state()
        return cut
