"""The models with exits: functional Keras models whose outputs are those of all exits."""

import keras

from keras_tnn.exits.answers_by_sample import AnswersBySample
from keras_tnn.exits.answers_early import AnswersEarly
from keras_tnn.exits.answers_when_sure import AnswersWhenSure
from keras_tnn.exits.distils_exits import DistilsExits
from keras_tnn.exits.exit_gates import LearnsToStop, LearnsWhereToStop
from keras_tnn.exits.exit_gates_at_levels import LearnsToStopAtLevels
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
        super().__init__(inputs, self.check_outputs(outputs), name=name, **kwargs)


@keras.saving.register_keras_serializable(package="keras_tnn")
class GatedExitsModel(LearnsToStop, ExitsModel, LearnsWhereToStop):
    """A model with early exits whose gates learn when to stop (herrmann2019, S1.5).

    In training gates draw, and the loss is that of all exits (wang2019, Eq. 4), that of the exit
    where each sample stops, and a penalty on the mean MACs above a target. "share" in the logs is
    that mean over the MACs of the whole network. Keeping to the gates, p > 1/2, is
    `evaluate(x, y, thresholds="gates")`; `ExitThresholds(..., measure="gate")` has other limits.

    Args:
        inputs: as for `keras.Model`.
        outputs: list of the exits' outputs in order of depth, and then for each but the last the
            log-odds of stopping there, `(batch, 1)`.

    Raises:
        ValueError: if `outputs` are not of this form.

    Example:

    >>> network = keras_tnn.models.ResNet((8, 8, 3), 10, depth=8, width=4, throttled=False)
    >>> model = keras_tnn.add_exits(network, at=["stage1_block1_relu"], gate=True)
    >>> model.compile("sgd", "sparse_categorical_crossentropy", target=0.7)
    >>> x, y = np.zeros((4, 8, 8, 3)), np.zeros(4)
    >>> sorted(model.fit(x, y, verbose=0).history)
    ['exit1_loss', 'loss', 'predictions_loss', 'share']
    >>> model.predict(x, thresholds="gates", verbose=0).shape
    (4, 10)
    """


@keras.saving.register_keras_serializable(package="keras_tnn")
class ThrottledExitsModel(
    AnswersWhenSure, AnswersBySample, AnswersEarly, TrainsExits, ThrottledModel, DistilsExits
):
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
        super().__init__(inputs, self.check_outputs(outputs), name=name, **kwargs)


@keras.saving.register_keras_serializable(package="keras_tnn")
class ThrottledGatedExitsModel(LearnsToStopAtLevels, ThrottledExitsModel, LearnsWhereToStop):
    """A throttled model with early exits whose gates learn when to stop, at every u.

    Gates read the features as u leaves them. In training a stop costs what it costs at the u that
    was drawn, as a share of the whole network at u = 1, to which the target refers. A level that is
    cut out of it (`keras_tnn.materialize`) is a `GatedExitsModel`.

    Args:
        inputs: as for `keras_tnn.ThrottledModel`.
        outputs: as for `GatedExitsModel`.

    Raises:
        ValueError: as `keras_tnn.ThrottledModel` and `GatedExitsModel`.

    Example:

    >>> network = keras_tnn.models.VGG(
    ...     (8, 8, 3), 10, num_groups=4, filters=((8,), (8,), (8,)), dense_units=None)
    >>> model = keras_tnn.add_exits(network, gate=True)
    >>> images = np.ones((5, 8, 8, 3))
    >>> model.predict(images, utilization=0.5, thresholds="gates", verbose=0).shape
    (5, 10)
    """

    level_class = GatedExitsModel
