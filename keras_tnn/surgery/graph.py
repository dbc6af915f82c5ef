"""A functional model as a list of calls, in the order in which they run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import keras


@dataclass(frozen=True)
class Call:
    """One call of a layer or of a `keras.ops` operation.

    Attributes:
        operation: the layer or operation.
        args, kwargs: what it was called with; tensors stand as `keras.KerasTensor`.
        inputs: the tensors among the arguments, in order, but for masks: their axes are no
            channels.
        output: the tensor it returned, or a structure of tensors.
        known: values, by `id`, of the inputs that depend on utilization alone, once utilization
            is fixed; `inputs` then holds the others.
    """

    operation: Any
    args: tuple
    kwargs: dict
    inputs: tuple
    output: Any
    known: dict = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.operation.name

    @property
    def masks(self) -> tuple:
        """The tensors in the argument `mask`. Keras writes one there that an input carries, too."""
        return tensors_in(self.kwargs.get("mask"))

    @property
    def sources(self) -> tuple:
        """All tensors that the call needs."""
        return (*self.inputs, *self.masks)

    @property
    def outputs(self) -> tuple:
        """The tensors in `output`, in order."""
        return tensors_in(self.output)


@dataclass(frozen=True)
class Graph:
    """A model's calls in running order.

    Attributes:
        inputs: the input tensors in order.
        calls: `Call`s of layers and operations; those of nested models stand in their place.
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


def width(tensor: keras.KerasTensor) -> int:
    """Size of the last axis; 1 stands for a tensor without a channel axis of known size."""
    return tensor.shape[-1] if len(tensor.shape) > 1 and tensor.shape[-1] else 1


def substitute(structure, replacements: dict[int, Any]):
    """The structure with each tensor exchanged for what stands under its `id`, if anything."""
    return keras.tree.map_structure(lambda x: replacements.get(id(x), x), structure)


def read_graph(model: keras.Model) -> Graph:
    """Lists the calls of a functional or sequential model, nested models included.

    Args:
        model: built functional or sequential model.

    Returns:
        `Graph`.

    Raises:
        ValueError: if the model is subclassed or not built, so that it has no graph.
    """
    if isinstance(model, keras.Sequential) and model.built:
        model = keras.Model(model.inputs, model.outputs, name=model.name)
    if not has_graph(model):
        raise ValueError(
            f"Model '{model.name}' has no graph of layers to follow. Expected a built functional "
            f"or sequential model. Received: {type(model).__name__}. Build a sequential model by "
            "giving it a keras.Input first. Write a subclassed model as functions of tensors: "
            "call its layers on a keras.Input and build keras.Model(inputs, outputs)."
        )
    calls, made_inside = [], {}

    def record(operation, *args, **kwargs):
        output = operation(*args, **kwargs)
        args, kwargs = substitute((args, kwargs), made_inside)
        inputs = tensors_in((args, without_mask(kwargs)))
        calls.append(Call(operation, args, kwargs, inputs, output))
        return output

    def visit(operation, *args, **kwargs):
        if not (isinstance(operation, keras.Model) and has_graph(operation)):
            return record(operation, *args, **kwargs)
        if tensors_in(kwargs.get("mask")) and not carries_mask(args[0]):
            return record(operation, *args, **kwargs)  # inside, nobody hands this mask on
        # The clone holds the nested model as one call, as names within two models may be equal.
        output = operation(*args, **kwargs)
        inputs = tensors_in(substitute((args, without_mask(kwargs)), made_inside))
        inner = zip(tensors_in(output), tensors_in(replay(operation, inputs, record)), strict=True)
        made_inside.update((id(outer), made) for outer, made in inner)
        return output

    # Cloning with the very same layers visits every call in order and shares the weights.
    clone = keras.models.clone_model(
        keras.Model(model.input, model.output, name=model.name),
        clone_function=lambda layer: layer,
        call_function=visit,
    )
    outputs = substitute(clone.output, made_inside)
    return Graph(tuple(clone.inputs), tuple(calls), outputs, clone.input)


def without_mask(kwargs: dict) -> dict:
    return {name: value for name, value in kwargs.items() if name != "mask"}


def carries_mask(tensors) -> bool:
    """Whether Keras hands a mask on with any of some tensors."""
    return any(getattr(x, "_keras_mask", None) is not None for x in tensors_in(tensors))


def has_graph(model: keras.Model) -> bool:
    """Whether the model's calls are those of its graph, and not of a `call` written by hand."""
    owner = next(cls for cls in type(model).__mro__ if "call" in vars(cls))
    written_by_hand = owner.__module__.split(".")[0] not in ("keras", "keras_tnn")
    return bool(getattr(model, "inputs", None) and model.outputs) and not written_by_hand


def replay(model: keras.Model, tensors: tuple, record: Callable):
    """Makes the calls of a nested model on `tensors` by `record`; returns what it returns."""
    inner = read_graph(model)
    tensor_of = {id(own): given for own, given in zip(inner.inputs, tensors, strict=True)}
    for call in inner.calls:
        args, kwargs = substitute((call.args, call.kwargs), tensor_of)
        output = record(call.operation, *args, **kwargs)
        made = zip(call.outputs, tensors_in(output), strict=True)
        tensor_of |= {id(old): new for old, new in made}
    return substitute(inner.outputs, tensor_of)
