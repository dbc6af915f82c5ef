"""What a first training step would make, made ahead of it.

TensorFlow traces a step twice where variables are made in it, and throws the first trace away. For
a step of several levels that is half of the time and memory that the first step takes.
"""

import keras
from keras import ops

from keras_tnn.training.feeding import is_arrays


def build_ahead(model: keras.Model, x, y):
    """Builds the optimizer, and metrics where the labels can be seen without reading data."""
    strategy = getattr(model, "distribute_strategy", None)
    several = getattr(strategy, "num_replicas_in_sync", 1) > 1  # they make variables of their own
    if not model.compiled or model.optimizer is None or several:
        return
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    labels = one_sample(x, y)
    if labels is None or type(model).compute_metrics is not keras.Model.compute_metrics:
        return
    outputs = keras.tree.map_structure(zeros_like, model.output)
    if any(one is None for one in keras.tree.flatten(outputs)):
        return
    model.compute_metrics(None, labels, outputs)
    model.reset_metrics()


def one_sample(x, y):
    """The labels of one sample, or zeros like them; None if they cannot be seen."""
    if hasattr(x, "element_spec"):  # a tf.data.Dataset
        labels = keras.utils.unpack_x_y_sample_weight(x.element_spec)[1]
        labels = None if labels is None else keras.tree.map_structure(zeros_like, labels)
        seen = all(one is not None for one in keras.tree.flatten(labels))
        return labels if seen else None
    if y is None or not is_arrays(y):
        return None
    return keras.tree.map_structure(lambda one: ops.convert_to_tensor(one[:1]), y)


def zeros_like(spec):
    """Zeros for a tensor's specification, a batch of one; None where a size is not known."""
    sizes = tuple(spec.shape)[1:]
    if None in sizes:
        return None
    return ops.zeros((1, *sizes), keras.backend.standardize_dtype(spec.dtype))
