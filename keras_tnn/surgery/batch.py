"""The size of the batch in what a layer computes.

Layers ask for it, as in `ops.reshape(x, (ops.shape(x)[0], -1, channels))`. While their calls are
recorded it is a number that nothing else is, by which it is found again among the arguments.
"""

from dataclasses import replace
from typing import Any

import keras

from keras_tnn.layers.for_each_sample import ForEachSample
from keras_tnn.surgery.calls import Call, Graph

BATCH = 7919  # a prime
PARTS = 720  # what rows of a sample, such as frames, are likely to be as many as, or a divisor


class NeedsBatch(Exception):
    """A call needs the size of the batch in a way for which there is no other call."""


def with_known_batch(shape: tuple, parts: int = 1) -> tuple:
    return (BATCH * parts, *shape[1:]) if shape and shape[0] is None else tuple(shape)


def counts_samples(size) -> bool:
    """Whether a size is the batch, or what is made of several of its dimensions."""
    return isinstance(size, int) and size > 0 and size % BATCH == 0


def without_batch(graph: Graph) -> Graph:
    """The graph of a call that was recorded with a known batch, for batches of any size.

    Raises:
        NeedsBatch: if it cannot be.
    """
    return replace(graph, calls=tuple(free(call, graph.inputs[0]) for call in graph.calls))


def free(call: Call, like: keras.KerasTensor) -> Call:
    """One call, its batch of any size."""
    operation, kind = call.operation, type(call.operation).__name__
    if any(map(mentions_batch, keras.tree.flatten((call.args, call.kwargs)))):
        raise NeedsBatch(f"hands the size of the batch to '{call.name}'")
    if isinstance(operation, keras.layers.Layer):
        return call
    if kind == "Reshape":
        operation.newshape = free_shape(operation.newshape, call.output.shape, call.name)
        return call
    settings = [v for k, v in vars(operation).items() if not k.startswith("_") and k != "name"]
    if not any(map(counts_samples, keras.tree.flatten(settings))):
        return call
    before, after = call.inputs[0].shape, call.output.shape
    if kind in ("Tile", "BroadcastTo", "Repeat") and (1, *after[1:]) == tuple(before):
        layer = ForEachSample(name=operation.name, dtype=call.output.dtype)
        return replace(call, operation=layer, args=call.inputs, kwargs={"like": like})
    raise NeedsBatch(f"needs the size of the batch in '{call.name}'")


def mentions_batch(x: Any) -> bool:
    """Whether an argument is the size of the batch, or an array with a row for each sample."""
    if isinstance(x, slice):
        return any(map(counts_samples, (x.start, x.stop, x.step)))
    if isinstance(x, keras.KerasTensor):
        return False
    return counts_samples(x) or any(map(counts_samples, getattr(x, "shape", ())))


def free_shape(asked, made: tuple, name: str):
    """What a reshape is asked for, with -1 in place of the size that counts samples."""
    asked = tuple(asked) if isinstance(asked, (list, tuple)) else (asked,)
    places = [i for i, size in enumerate(made) if counts_samples(size)]
    if not any(map(counts_samples, asked)):
        return asked
    sizes = [size for i, size in enumerate(made) if i not in places]
    if len(places) != 1 or None in sizes:
        raise NeedsBatch(f"needs the size of the batch in '{name}'")
    return tuple(-1 if i in places else size for i, size in enumerate(made))
