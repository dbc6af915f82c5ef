"""A call of a layer as a model of what is inside the layer, to be compared with another one."""

import inspect
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_tnn.layers.parameter import Parameter
from keras_tnn.surgery.beside import tensors_of
from keras_tnn.surgery.calls import is_tensor, tensors_in


class Closed(Exception):
    """A layer cannot be opened; the message says why, with the layer as its subject."""


@dataclass(frozen=True)
class Opened:
    """A call of a layer as a model.

    Attributes:
        inputs: stand for the tensors among the call's arguments, in order, and behind them for
            the masks that these carry.
        outputs: what the layer returns, a tensor or a structure of them; None and constants may
            stand beside.
        operations: the layers and operations inside.
    """

    inputs: list
    outputs: Any
    operations: list

    @property
    def has_layers(self) -> bool:
        """Whether there are layers inside, and not operations alone."""
        layers = (one for one in self.operations if isinstance(one, keras.layers.Layer))
        return any(not isinstance(one, Parameter) for one in layers)

    @property
    def hands_on(self) -> bool:
        """Whether it returns its very input."""
        return self.outputs is self.inputs[0]

    @contextmanager
    def model(self) -> Iterator[keras.Model]:
        """The model, of an input where only constants are returned; no two layers have one name."""
        with different_names(self.operations):
            yield keras.Model(self.inputs, list(tensors_in(self.outputs)) or self.inputs[:1])


@contextmanager
def different_names(operations: list) -> Iterator[None]:
    """Within it no two operations have one name, which Keras does not allow in a model."""
    taken, before = Counter(), [(one, one.name) for one in operations]
    for one, name in before:
        if taken[name]:
            one.name = f"{name}_{taken[name]}"
        taken[name] += 1
    try:
        yield
    finally:
        for one, name in before:
            one.name = name


def default_of_training(operation) -> bool | None:
    """What Keras writes where nobody says whether a layer trains."""
    parameters = inspect.signature(operation.call).parameters
    return parameters["training"].default if "training" in parameters else None


def signature(opened: Opened) -> tuple[list, bool]:
    """What it calls, to compare two openings of one layer.

    Returns:
        Of each call the layer, or the kind and settings of an operation, and the arguments, with
        numbers in place of tensors, and what it returns; and whether a layer inside is told that
        it trains or not.
    """
    numbers: dict[int, int] = {}
    calls: list[tuple] = []
    told: list[bool] = []

    def plain(x):
        if isinstance(x, keras.KerasTensor):
            return "tensor", numbers.setdefault(id(x), len(numbers))
        is_array = hasattr(x, "shape")
        return ops.convert_to_numpy(x).tobytes() if is_array else repr(x)

    def record(operation, *args, **kwargs):
        output, _ = tensors_of(operation, *args, **kwargs)
        told.append(kwargs.pop("training", None) not in (None, default_of_training(operation)))
        read = keras.tree.map_structure(plain, [args, kwargs])
        if isinstance(operation, keras.layers.Layer):
            calls.append((id(operation), read))
        else:
            settings = {k: v for k, v in vars(operation).items() if k[0] != "_" and k != "name"}
            calls.append((type(operation), repr(settings), read))
        keras.tree.map_structure(plain, output)
        return output

    with opened.model() as model:
        keras.models.clone_model(model, clone_function=lambda one: one, call_function=record)
    beside = [plain(x) for x in keras.tree.flatten(opened.outputs) if not is_tensor(x)]
    return [*calls, ("returns", beside)], any(told)
