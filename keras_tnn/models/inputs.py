"""The inputs that all networks share: an image, and utilization that may be left out."""

import keras

from keras_tnn.training import ThrottledModel


def utilization_input():
    """The optional model input `u`, of shape `(batch,)`."""
    return keras.Input((), name="utilization", optional=True)


def throttled_or_vanilla(image, utilization, outputs, throttled: bool, name: str) -> keras.Model:
    """Closes the graph: with a dial, or as the plain twin."""
    if throttled:
        return ThrottledModel([image, utilization], outputs, name=name)
    return keras.Model(image, outputs, name=f"{name}_vanilla")
