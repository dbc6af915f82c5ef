"""A functional model as a list of calls, in the order in which they run."""

from dataclasses import dataclass
from typing import Any

import keras


@dataclass(frozen=True)
class Call:
    """One call of a layer or of a `keras.ops` operation.

    Attributes:
        operation: the layer or operation.
        args, kwargs: what it was called with; tensors stand as `keras.KerasTensor`.
        inputs: the tensors among the arguments, in order.
        output: the tensor it returned.
        known: values of the inputs that depend on utilization alone, once utilization is fixed;
            `inputs` then holds the others.
    """

    operation: Any
    args: tuple
    kwargs: dict
    inputs: tuple
    output: Any
    known: tuple = ()

    @property
    def name(self) -> str:
        return self.operation.name


@dataclass(frozen=True)
class Graph:
    """Inputs, calls in running order, and outputs (one tensor, or a structure of tensors)."""

    inputs: tuple
    calls: tuple[Call, ...]
    outputs: Any


def is_tensor(x) -> bool:
    return isinstance(x, keras.KerasTensor)


def tensors_in(structure) -> tuple:
    """The symbolic tensors in a nest of arguments, in order."""
    return tuple(x for x in keras.tree.flatten(structure) if is_tensor(x))


def width(tensor: keras.KerasTensor) -> int:
    """Size of the last axis; 1 stands for a tensor without a channel axis of known size."""
    return tensor.shape[-1] if len(tensor.shape) > 1 and tensor.shape[-1] else 1


def read_graph(model: keras.Model) -> Graph:
    """Lists the calls of a functional or sequential model.

    Args:
        model: built functional or sequential model.

    Returns:
        `Graph`.

    Raises:
        ValueError: if the model is subclassed or not built, so that it has no graph, or if a
            layer returns several tensors.
    """
    if isinstance(model, keras.Sequential) and model.built:
        model = keras.Model(model.inputs, model.outputs)
    if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
        raise ValueError(
            f"Model '{model.name}' has no graph of layers to follow. Expected a built functional "
            f"or sequential model. Received: {type(model).__name__}. A subclassed model can be "
            "wrapped: call it on a keras.Input and build keras.Model(inputs, outputs) from layers."
        )
    calls = []

    def record(operation, *args, **kwargs):
        output = operation(*args, **kwargs)
        if not is_tensor(output):
            raise ValueError(
                f"'{operation.name}' returns {type(output).__name__}. Expected layers that "
                "return one tensor."
            )
        calls.append(Call(operation, args, kwargs, tensors_in((args, kwargs)), output))
        return output

    # Cloning with the very same layers visits every call in order and shares the weights.
    clone = keras.models.clone_model(
        keras.Model(model.inputs, model.output, name=model.name),
        clone_function=lambda layer: layer,
        call_function=record,
    )
    return Graph(tuple(clone.inputs), tuple(calls), clone.output)
