"""Callbacks set how training draws utilization: one class a schedule, for plain `model.fit`."""

from keras_tnn.callbacks.distributions import (
    DiscreteUtilization,
    FixedUtilization,
    UniformUtilization,
)
from keras_tnn.callbacks.sandwich_rule import SandwichRule
from keras_tnn.callbacks.schedules import AnnealedUtilization, UtilizationCurriculum
from keras_tnn.callbacks.utilization_callback import UtilizationCallback

__all__ = [
    "AnnealedUtilization",
    "DiscreteUtilization",
    "FixedUtilization",
    "SandwichRule",
    "UniformUtilization",
    "UtilizationCallback",
    "UtilizationCurriculum",
]
