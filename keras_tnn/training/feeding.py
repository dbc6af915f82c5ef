"""The inputs of a throttled model with and without utilization."""

import keras
import numpy as np

from keras_tnn.utilization import check_utilization

NAME = "utilization"


def split(structure, inputs) -> tuple[list | dict, object]:
    """Separates inputs into features and utilization or None.

    Args:
        structure: the model's inputs as `keras.KerasTensor`s, a list or a dict.
        inputs: as a user passes them, with or without utilization: one tensor, a list, or a dict
            by key, or by name of the inputs.

    Returns:
        The features as the model takes them, a list or a dict without utilization; utilization.

    Raises:
        ValueError: if an input is missing or there are too many.
    """
    if isinstance(structure, dict):
        keys = {key: key for key in structure}
        order = [key for key in sorted(structure)]  # that of Keras
    else:
        keys = {i: getattr(x, "name", None) for i, x in enumerate(structure)}
        order = list(keys)
    own = next(key for key in keys if getattr(structure[key], "name", None) == NAME)
    if isinstance(inputs, dict):
        values = {key: inputs[name] for key, name in keys.items() if name in inputs}
    else:
        values = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        order = order if len(values) == len(keys) else [key for key in order if key != own]
        if len(values) != len(order):
            raise ValueError(
                f"Invalid value for `inputs`. Expected {[keys[key] for key in order]} with or "
                f"without '{NAME}'. Received {len(values)} values."
            )
        values = dict(zip(order, values, strict=True))
    utilization = values.pop(own, None)
    if missing := [name for key, name in keys.items() if key not in values and key != own]:
        raise ValueError(f"Invalid value for `inputs`. Missing: {missing}")
    if isinstance(structure, dict):
        return values, utilization
    return [values[key] for key in sorted(values)], utilization


def join(structure, features: list | dict, utilization):
    """The inverse of `split`: one list, or dict, as the functional model expects it."""
    if isinstance(structure, dict):
        own = next(key for key, x in structure.items() if getattr(x, "name", None) == NAME)
        return {**features, own: utilization}
    left = iter(features)
    return [utilization if getattr(x, "name", None) == NAME else next(left) for x in structure]


def is_arrays(x) -> bool:
    """Whether `x` is arrays or tensors rather than something that yields batches."""
    return all(hasattr(leaf, "shape") for leaf in keras.tree.flatten(x) if leaf is not None)


def given_utilization(structure, x):
    """The utilization that data holds, as far as that can be seen without reading it, or None."""
    if x is None:
        return None
    if is_arrays(x):
        return split(structure, x)[1]
    if hasattr(x, "element_spec"):  # a tf.data.Dataset
        return split(structure, keras.utils.unpack_x_y_sample_weight(x.element_spec)[0])[1]
    return None


def check_given(structure, x):
    """Raises ValueError if arrays hold a utilization outside (0, 1]."""
    given = given_utilization(structure, x)
    if isinstance(given, np.ndarray):
        check_utilization(given)


def with_utilization(structure, x, utilization: np.ndarray):
    """Arrays with a utilization for each sample.

    Raises:
        ValueError: if `x` is not arrays, or there is not one utilization for each sample.
    """
    if not is_arrays(x):
        raise ValueError(
            "Invalid value for `utilization`. Expected one float for a dataset. To give one a "
            "sample, yield it as an input. Received an array."
        )
    features, _ = split(structure, x)
    samples = keras.tree.flatten(features)[0].shape[0]
    if utilization.shape != (samples,):
        raise ValueError(
            f"Invalid value for `utilization`. Expected a float or shape ({samples},). "
            f"Received: shape={utilization.shape}"
        )
    return join(structure, features, utilization)
