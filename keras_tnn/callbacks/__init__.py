"""Callbacks for plain `model.fit`: how utilization is drawn, and how gates are learned."""

from keras_tnn.callbacks.batch_activation import BatchActivation
from keras_tnn.callbacks.batch_norm_reestimation import BatchNormReestimation
from keras_tnn.callbacks.budget_curriculum import BudgetCurriculum
from keras_tnn.callbacks.distributions import (
    DiscreteUtilization,
    FixedUtilization,
    UniformUtilization,
)
from keras_tnn.callbacks.gate_summary import GateSummary
from keras_tnn.callbacks.level_validation import LevelValidation
from keras_tnn.callbacks.reinforce_alpha import ReinforceAlpha
from keras_tnn.callbacks.sandwich_rule import SandwichRule
from keras_tnn.callbacks.schedules import AnnealedUtilization, UtilizationCurriculum
from keras_tnn.callbacks.skipping_ratio import SkippingRatio
from keras_tnn.callbacks.utilization_callback import UtilizationCallback

__all__ = [
    "AnnealedUtilization",
    "BatchNormReestimation",
    "BudgetCurriculum",
    "DiscreteUtilization",
    "FixedUtilization",
    "GateSummary",
    "BatchActivation",
    "LevelValidation",
    "ReinforceAlpha",
    "SandwichRule",
    "SkippingRatio",
    "UniformUtilization",
    "UtilizationCallback",
    "UtilizationCurriculum",
]
