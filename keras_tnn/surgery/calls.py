"""A functional model as a list of calls: what stands in it, and the tensors in a nest of them."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import keras

from keras_tnn.layers.for_each_sample import ForEachSample
from keras_tnn.layers.parameter import Parameter

LAST = -1  # the axis on which channels lie unless somebody says so


@dataclass(frozen=True)
class Call:
    """One call of a layer or of a `keras.ops` operation.

    Attributes:
        operation: the layer or operation.
        args, kwargs: what it was called with; tensors stand as `keras.KerasTensor`.
        inputs: the tensors among the arguments, in order, but for masks, whose axes are no
            channels, and for `anchors`.
        output: the tensor it returned, or a structure of tensors.
        known: values, by `id`, of the inputs that depend on utilization alone, once utilization
            is fixed; `inputs` then holds the others.
        label: its name where the operation stands inside another layer: that of the layer, an
            underscore, and its own.
        within: names of the layers and models that it stands in, the outermost first.
        hands_on: whether the layer returns its very input at inference.
        closed_by: why nobody looks inside a layer without a rule; empty for any other.
    """

    operation: Any
    args: tuple
    kwargs: dict
    inputs: tuple
    output: Any
    known: dict = field(default_factory=dict)
    label: str = ""
    within: tuple[str, ...] = ()
    hands_on: bool = False
    closed_by: str = ""

    @property
    def name(self) -> str:
        return self.label or self.operation.name

    @property
    def names(self) -> frozenset[str]:
        """Its name, and those of what it stands in: any of them names it in `skip`."""
        return frozenset((self.name, *self.within))

    @property
    def masks(self) -> tuple:
        """The tensors in the argument `mask`. Keras writes one there that an input carries, too."""
        return tensors_in(self.kwargs.get("mask"))

    @property
    def anchors(self) -> tuple:
        """Tensors of which no value is read: any other would do."""
        return anchors_in(self.operation, self.args, self.kwargs)

    @property
    def sources(self) -> tuple:
        """All tensors that the call needs."""
        return (*self.inputs, *self.masks, *self.anchors)

    @property
    def outputs(self) -> tuple:
        """The tensors in `output`, in order."""
        return tensors_in(self.output)


@dataclass(frozen=True)
class Graph:
    """A model's calls in running order.

    Attributes:
        inputs: the input tensors in order.
        calls: `Call`s of layers and operations; those of nested models, and of layers that are
            built from layers, stand in their place.
        outputs: one tensor, or a structure of tensors.
        input_structure: `inputs` as the model takes them: one tensor, a list or a dict.
    """

    inputs: tuple
    calls: tuple[Call, ...]
    outputs: Any
    input_structure: Any

    @cached_property
    def made_by(self) -> dict[int, Call]:
        """For the `id` of a tensor the call that makes it."""
        return {id(x): call for call in self.calls for x in call.outputs}


def is_tensor(x) -> bool:
    return isinstance(x, keras.KerasTensor)


def tensors_in(structure) -> tuple:
    """The symbolic tensors in a nest of arguments, in order."""
    return tuple(x for x in keras.tree.flatten(structure) if is_tensor(x))


def anchors_in(operation, args: tuple, kwargs: dict) -> tuple:
    """What a `Parameter` hangs on, and what says how large the batch is."""
    if isinstance(operation, Parameter):
        return tensors_in(args)
    return tensors_in(kwargs.get("like")) if isinstance(operation, ForEachSample) else ()


def features_in(operation, args: tuple, kwargs: dict) -> tuple:
    """The tensors among the arguments of an operation of which it reads channels."""
    unread = {id(x) for x in anchors_in(operation, args, kwargs)}
    return tuple(x for x in tensors_in((args, without_mask(kwargs))) if id(x) not in unread)


def has_channels(tensor: keras.KerasTensor) -> bool:
    """Whether a tensor has an axis of channels: alone, one of unknown size is the batch."""
    return len(tensor.shape) > 1 or bool(tensor.shape and tensor.shape[0])


def channel_axis(tensor: keras.KerasTensor) -> int:
    """The axis of a tensor's channels, counted from the end: the last unless `lay_out` said so."""
    return getattr(tensor, "channel_axis", LAST)


def own_axis(tensor: keras.KerasTensor) -> int:
    """The same, counted from the first."""
    return channel_axis(tensor) % len(tensor.shape)


def width(tensor: keras.KerasTensor) -> int:
    """How many channels a tensor has; 1 where it has no axis of channels of known size."""
    axis = channel_axis(tensor)
    known = has_channels(tensor) and -axis <= len(tensor.shape)
    return (tensor.shape[axis] if known else None) or 1


def substitute(structure, replacements: dict[int, Any]):
    """The structure with each tensor exchanged for what stands under its `id`, if anything."""
    return keras.tree.map_structure(lambda x: replacements.get(id(x), x), structure)


def without_mask(kwargs: dict) -> dict:
    return {name: value for name, value in kwargs.items() if name != "mask"}


def mask_of(tensor):
    """The mask that Keras hands on with a tensor, or None."""
    return getattr(tensor, "_keras_mask", None)


def carries_mask(tensors) -> bool:
    """Whether Keras hands a mask on with any of some tensors."""
    return any(mask_of(x) is not None for x in tensors_in(tensors))
