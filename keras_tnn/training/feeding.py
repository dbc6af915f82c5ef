"""Adding a utilization to data of any kind that Keras takes."""

import keras
import numpy as np

from keras_tnn.utilization import check_utilization


def feed(model, x, utilization=None):
    """Returns `x` with `utilization` as an input; `x` itself if `utilization` is None.

    Args:
        model: `keras_tnn.ThrottledModel`.
        x: arrays or tensors (one, or a list or dict of them), a `tf.data.Dataset`, a
            `keras.utils.PyDataset`, or another iterable of batches.
        utilization: float in (0, 1]; for arrays also one a sample. None leaves `x` as it is,
            after checking the utilization that it may hold.

    Raises:
        ValueError: if a utilization is not in (0, 1], or is given twice.
    """
    if utilization is not None:
        utilization = check_utilization(utilization)
    if x is None:
        return None
    if is_arrays(x):
        return feed_arrays(model, x, utilization)
    if utilization is None:
        return x
    if utilization.ndim:
        raise ValueError(
            "Invalid value for `utilization`. Expected one float for a dataset. To give one a "
            "sample, yield it as an input. Received an array."
        )
    if isinstance(x, keras.utils.PyDataset):
        return FedPyDataset(model, x, utilization)
    if hasattr(x, "map") and hasattr(x, "element_spec"):  # a tf.data.Dataset
        return x.map(lambda *batch: feed_batch(model, batch, utilization))
    return (feed_batch(model, batch, utilization) for batch in x)


def is_arrays(x) -> bool:
    """Whether `x` is arrays or tensors rather than something that yields batches."""
    return all(hasattr(leaf, "shape") for leaf in keras.tree.flatten(x) if leaf is not None)


def feed_arrays(model, x, utilization):
    features, given = model.split(x)
    if utilization is None:
        if isinstance(given, np.ndarray):
            check_utilization(given)
        return x
    if given is not None:
        raise ValueError(
            "Utilization is given twice: as an argument and as an input. Leave one out."
        )
    samples = features[0].shape[0]
    if utilization.ndim and utilization.shape != (samples,):
        raise ValueError(
            f"Invalid value for `utilization`. Expected a float or shape ({samples},). "
            f"Received: shape={utilization.shape}"
        )
    return model.join(features, np.broadcast_to(utilization, (samples,)).copy())


def feed_batch(model, batch, utilization):
    """One batch `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)` with utilization added."""
    x, *rest = batch if isinstance(batch, tuple) else (batch,)
    features, _ = model.split(x)
    filled = keras.ops.full((keras.ops.shape(features[0])[0],), utilization.item(), "float32")
    return (as_batch(model.join(features, filled)), *rest)


def as_batch(inputs):
    """Datasets yield several inputs as a tuple or a dict, never as a list."""
    return tuple(inputs) if isinstance(inputs, list) else inputs


class FedPyDataset(keras.utils.PyDataset):
    """A `PyDataset` with utilization added to every batch."""

    def __init__(self, model, data, utilization):
        super().__init__(
            workers=data.workers,
            use_multiprocessing=data.use_multiprocessing,
            max_queue_size=data.max_queue_size,
        )
        self.model, self.data, self.utilization = model, data, utilization

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        features, _ = self.model.split(self.data[index][0])
        filled = np.full(len(features[0]), self.utilization, "float32")
        return (as_batch(self.model.join(features, filled)), *self.data[index][1:])

    def on_epoch_end(self):
        self.data.on_epoch_end()
