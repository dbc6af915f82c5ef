"""Which rows of a tensor's first axis belong to one sample.

A gate decides for each sample. Where a reshape makes rows of what was one sample, such as the
windows of a Swin transformer or the steps of a video, all of its rows obey the same decision.
"""

import keras

from keras_tnn.surgery.calls import Call, Graph, is_tensor, tensors_in

SAMPLES = 7919  # a batch that is told from any other size


def rows_per_sample(graph: Graph) -> dict[int, int | None]:
    """For the `id` of each tensor, how many rows in a row each sample has.

    None stands for tensors whose first axis holds the samples in no such order, 0 for weights,
    which are the same for all samples.
    """
    rows = {id(x): 1 for x in graph.inputs}
    for call in graph.calls:
        before = {rows[id(x)] for x in call.inputs} - {0}
        if not before:  # made of weights, for all samples or for each
            rows |= {id(x): int(bool(x.shape) and x.shape[0] is None) for x in call.outputs}
            continue
        is_layer = isinstance(call.operation, keras.layers.Layer)
        alone = before.pop() if len(before) == 1 else None
        made = alone if is_layer or alone is None else rows_made(call, alone)
        rows |= {id(x): made for x in call.outputs}
    return rows


def rows_made(call: Call, before: int) -> int | None:
    """The rows for each sample after an operation of `keras.ops`."""

    def with_batch(x):
        if not is_tensor(x) or not len(x.shape) or x.shape[0] is not None:
            return x
        return keras.KerasTensor((before * SAMPLES, *x.shape[1:]), x.dtype)

    args, kwargs = keras.tree.map_structure(with_batch, (call.args, call.kwargs))
    try:
        made = tensors_in(call.operation.compute_output_spec(*args, **kwargs))
    except Exception:  # of any operation that such a batch does not suit
        return None
    sizes = {x.shape[0] if len(x.shape) else None for x in made}
    size = sizes.pop() if len(sizes) == 1 else None
    if size == before * SAMPLES:
        return before
    # Only a reshape makes rows of a sample and leaves them side by side.
    is_reshape = type(call.operation).__name__ == "Reshape"
    return size // SAMPLES if is_reshape and size and size % SAMPLES == 0 else None
