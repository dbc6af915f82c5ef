"""The models with exits: functional Keras models whose outputs are those of all exits."""

import keras

from keras_tnn.exits.answers_early import AnswersEarly
from keras_tnn.exits.answers_when_sure import AnswersWhenSure
from keras_tnn.exits.distils_exits import DistilsExits
from keras_tnn.exits.trains_exits import TrainsExits
from keras_tnn.training import ThrottledModel


@keras.saving.register_keras_serializable(package="keras_tnn")
class ExitsModel(AnswersWhenSure, AnswersEarly, TrainsExits, DistilsExits):
    """A functional model with early exits (wang2019, III-B); `add_exits` makes it.

    `fit(x, y)` takes one label for all exits and adds up their losses (Eq. 4). `evaluate` and
    `predict` give all exits, one exit, the last exit within a budget, or the first that is sure.

    Args:
        inputs: as for `keras.Model`.
        outputs: list of the exits' outputs in order of depth, the model's own last; each named as
            the layer that makes it.

    Raises:
        ValueError: if `outputs` are not two tensors of one shape or more.

    Example:

    >>> image = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, activation="relu", name="conv1")(image)
    >>> x = keras.layers.Conv2D(4, 3, activation="relu", name="conv2")(x)
    >>> x = keras.layers.Dense(3, name="classes")(keras.layers.GlobalAveragePooling2D()(x))
    >>> model = keras_tnn.add_exits(keras.Model(image, x), at=["conv1"])
    >>> images = np.ones((5, 8, 8, 3))
    >>> [answers.shape for answers in model.predict(images, verbose=0)]
    [(5, 3), (5, 3)]
    >>> model.predict(images, exit="exit1", verbose=0).shape
    (5, 3)
    """

    def __init__(self, inputs, outputs, name=None, **kwargs):
        super().__init__(inputs, check_outputs(outputs), name=name, **kwargs)


@keras.saving.register_keras_serializable(package="keras_tnn")
class ThrottledExitsModel(AnswersWhenSure, AnswersEarly, TrainsExits, ThrottledModel, DistilsExits):
    """A throttled model with early exits: u and the exit together are an operating point.

    It is a `keras_tnn.ThrottledModel`, trained with the same callbacks, and answers like an
    `ExitsModel`. A level that is cut out of it (`keras_tnn.materialize`) is an `ExitsModel`.

    Args:
        inputs: as for `keras_tnn.ThrottledModel`.
        outputs: as for `ExitsModel`.

    Raises:
        ValueError: as `keras_tnn.ThrottledModel` and `ExitsModel`.

    Example:

    >>> network = keras_tnn.models.VGG(
    ...     (8, 8, 3), 10, num_groups=4, filters=((8,), (8,), (8,)), dense_units=None)
    >>> model = keras_tnn.add_exits(network)
    >>> images = np.ones((5, 8, 8, 3))
    >>> model.predict(images, utilization=0.5, exit="exit1", verbose=0).shape
    (5, 10)
    """

    level_class = ExitsModel

    def __init__(self, inputs, outputs, name=None, **kwargs):
        super().__init__(inputs, check_outputs(outputs), name=name, **kwargs)


def check_outputs(outputs) -> list:
    """Returns the outputs after checking that they are a list of tensors of one shape."""
    listed = isinstance(outputs, (list, tuple)) and len(outputs) > 1
    if not listed or len({x.shape for x in outputs}) != 1:
        raise ValueError(
            "Invalid value for `outputs`. Expected a list of two tensors of one shape or more, "
            f"those of the exits in order of depth. Received: outputs={outputs}"
        )
    return [*outputs]
