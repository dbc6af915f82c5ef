"""Which rows of a tensor's first axis belong to one sample.

A gate decides for each sample. Where a reshape makes rows of what was one sample, such as the
windows of a Swin transformer or the steps of a video, all of its rows obey the same decision.
"""

import math

import keras

from keras_tnn.surgery.calls import Call, Graph, is_tensor, tensors_in
from keras_tnn.surgery.registry import find

SAMPLES = 7919  # a batch that is told from any other size
ELSEWHERE = -1  # the samples are known to lie along another axis than the first

Place = tuple[int, int]  # the axis of the samples, and how many rows in a row each has there
OF_ALL = (0, 0)  # weights, which are the same for all samples


def rows_per_sample(graph: Graph) -> dict[int, int | None]:
    """For the `id` of each tensor, how many rows of its first axis in a row each sample has.

    None stands for tensors that hold the samples in no such order, `ELSEWHERE` for those that do
    along another axis, as between a transpose and an `unstack`, and 0 for weights.
    """
    places: dict[int, Place | None] = {id(x): (0, 1) for x in graph.inputs}
    for call in graph.calls:
        before = {places[id(x)] for x in call.inputs} - {OF_ALL}
        if not before:  # made of weights, for all samples or for each
            for_each = bool(call.outputs[0].shape) and call.outputs[0].shape[0] is None
            made = (0, 1) if for_each else OF_ALL
        else:
            made = place_after(call, before.pop() if len(before) == 1 else None)
        places |= {id(x): made for x in call.outputs}
    return {key: in_front(place) for key, place in places.items()}


def in_front(place: Place | None) -> int | None:
    return place and (place[1] if place[0] == 0 else ELSEWHERE)


def place_after(call: Call, before: Place | None) -> Place | None:
    """Where the samples lie after a call, the same in all that it makes."""
    if before is None:
        return None
    if isinstance(call.operation, keras.layers.Layer):
        # One of unknown kind works on samples; rows of them it may join or part.
        keeps_rows = before[1] == 1 or find(type(call.operation))[0]
        return before if before[0] == 0 and keeps_rows else None
    axis, rows = before

    def with_batch(x):
        if not is_tensor(x) or len(x.shape) <= axis or x.shape[axis] is not None:
            return x
        shape = (*x.shape[:axis], rows * SAMPLES, *x.shape[axis + 1 :])
        return keras.KerasTensor(shape, x.dtype)

    args, kwargs = keras.tree.map_structure(with_batch, (call.args, call.kwargs))
    try:
        made = tensors_in(call.operation.compute_output_spec(*args, **kwargs))
    except Exception:  # of any operation that such a batch does not suit
        return None
    found = {tuple(i for i, size in enumerate(x.shape) if size == rows * SAMPLES) for x in made}
    if len(found) == 1 and len(axes := found.pop()) == 1:
        return axes[0], rows
    is_reshape = type(call.operation).__name__ == "Reshape"
    return after_reshape(args[0].shape, made[0].shape, axis) if is_reshape else None


def after_reshape(before: tuple, made: tuple, axis: int) -> Place | None:
    """Where samples lie that a reshape splits into rows, which it leaves side by side."""
    for place, size in enumerate(made):
        in_front = (before[:axis], made[:place])
        if size and size % SAMPLES == 0 and None not in (*in_front[0], *in_front[1]):
            same = math.prod(in_front[0]) == math.prod(in_front[1])
            return (place, size // SAMPLES) if same else None
    return None
