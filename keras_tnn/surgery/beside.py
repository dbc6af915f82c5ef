"""What layers inside a layer return beside tensors.

Keras records only calls that return tensors and nothing else. A layer inside a composite may
return more, such as `(features, None)` where nobody asked for attention scores. Its call is
recorded with its tensors alone; who called it gets all of it.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from keras_tnn.surgery.calls import is_tensor, tensors_in


def tensors_of(operation, *args, **kwargs) -> tuple[Any, bool]:
    """Calls an operation on symbolic tensors.

    Returns:
        What it returns, and whether that is all: otherwise it is the tensors alone, in a list.
    """
    try:
        return operation(*args, **kwargs), True
    except (ValueError, TypeError):
        if not isinstance(operation, keras.layers.Layer):
            raise
    with recorded_beside([operation]):
        made = operation(*args, **kwargs)
    return list(tensors_in(made)), all(map(is_tensor, keras.tree.flatten(made)))


@contextmanager
def recorded_beside(layers: list) -> Iterator[None]:
    """Within it calls of these layers on symbolic tensors are recorded, whatever they return."""
    before = [(layer, type(layer)) for layer in layers]
    for layer, cls in before:
        object.__setattr__(layer, "__class__", recording(cls))
    try:
        yield
    finally:
        for layer, cls in before:
            object.__setattr__(layer, "__class__", cls)


@functools.cache
def recording(cls: type) -> type:
    """A class of layers that are called as those of `cls`: Keras gets to see tensors alone."""

    class Recording(cls):
        def symbolic_call(self, *args, **kwargs):
            try:
                outputs = super().symbolic_call(*args, **kwargs)
            except TypeError:  # its own `compute_output_spec` takes less than its `call`
                outputs = keras.layers.Layer.compute_output_spec(self, *args, **kwargs)
            if all(map(is_tensor, keras.tree.flatten(outputs))):
                return outputs
            vars(self)["returned"] = outputs
            return list(tensors_in(outputs))

        def __call__(self, *args, **kwargs):
            made = super().__call__(*args, **kwargs)
            if "returned" not in vars(self):
                return made
            outputs, tensors = vars(self).pop("returned"), iter(made)
            return keras.tree.map_structure(lambda x: next(tensors) if is_tensor(x) else x, outputs)

    Recording.__name__ = cls.__name__  # Keras names in messages and scopes after it
    return Recording
