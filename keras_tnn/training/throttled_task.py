"""A throttled model whose class trains or computes in its own way, and the levels of one."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import keras
import numpy as np

from keras_tnn.training.own_class import OwnClass, attributes, own_class, own_methods, with_class
from keras_tnn.training.throttled_model import ThrottledModel

HANDED: ContextVar = ContextVar("utilization", default=None)


@keras.saving.register_keras_serializable(package="keras_tnn")
class TaskLevel(OwnClass):
    """A level of a `ThrottledTask`: a plain model with the methods of the own class."""


@keras.saving.register_keras_serializable(package="keras_tnn")
class ThrottledTask(ThrottledModel, OwnClass):
    """A `ThrottledModel` with the methods of the class that was throttled.

    They see inputs as the own class takes them: utilization is put aside before each step, and
    `split` finds it again. `compute_loss` of the own class judges the outputs of every level.
    """

    @property
    def computes_own_loss(self) -> bool:
        """Whether the loss of a sample is known to the own class alone."""
        return "compute_loss" in own_methods(self)

    def split(self, inputs):
        features, utilization = super().split(inputs)
        return features, HANDED.get() if utilization is None else utilization

    @contextmanager
    def apart(self, data) -> Iterator[tuple]:
        """The data of a step without utilization, which `split` finds within."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        features, utilization = super().split(x)
        token = HANDED.set(utilization)
        try:
            yield keras.utils.pack_x_y_sample_weight(self.plain(features), y, sample_weight)
        finally:
            HANDED.reset(token)

    def plain(self, features):
        """Features as the own class takes them: one alone where there is but one."""
        return features[0] if isinstance(features, list) and len(features) == 1 else features

    def train_step(self, *args):
        with self.apart(args[-1]) as data:
            return super().train_step(*args[:-1], data)

    def test_step(self, *args):
        with self.apart(args[-1]) as data:
            return super().test_step(*args[:-1], data)

    def predict_step(self, *args):
        with self.apart(args[-1]) as data:
            return super().predict_step(*args[:-1], data)

    @property
    def maps_data(self) -> bool:
        """Whether a preprocessor maps the data, so that only the own class can read it."""
        return getattr(self, "preprocessor", None) is not None

    @contextmanager
    def at(self, x, utilization, calibration_data=None) -> Iterator:
        if not self.maps_data:
            with super().at(x, utilization, calibration_data) as x:
                yield x
            return
        if np.ndim(utilization):
            raise ValueError(
                "Invalid value for `utilization`. Expected one float where a preprocessor maps "
                "the data. To give one a sample, map the data first and set `model.preprocessor` "
                f"to None. Received: shape={np.shape(utilization)}"
            )
        with super().at(None, utilization, calibration_data):
            yield x

    def look_ahead(self, x, y, batch_size):
        if not self.maps_data:
            super().look_ahead(x, y, batch_size)

    def level_class(self, inputs, outputs, name: str) -> keras.Model:
        """A level as a model of the own class, with what this one holds."""
        level = with_class(TaskLevel, own_class(self))(inputs, outputs, name=name)
        level.hold(attributes(self))
        return level


def throttled_as(model: keras.Model, throttled: ThrottledModel) -> ThrottledTask:
    """The throttled copy of a model, of a class that is the model's own, too."""
    cls = with_class(ThrottledTask, own_class(model))
    task = cls(throttled.input, throttled.output, name=throttled.name)
    task.hold(attributes(model))
    return task
