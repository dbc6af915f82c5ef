"""Losses beside the task's: for several utilizations at once, and for what gates leave to do."""

from keras_tnn.losses.activation import BatchActivationLoss, ConstQuad, PerGateActivation
from keras_tnn.losses.budget_reward import BudgetReward
from keras_tnn.losses.class_probabilities import class_probabilities
from keras_tnn.losses.complexity import (
    Complexity,
    EnergyShare,
    GateActivation,
    MacroAverage,
    MacsShare,
    MeasuredShare,
)
from keras_tnn.losses.complexity_penalty import DistanceComplexity, HingeComplexity
from keras_tnn.losses.distillation import InPlaceBinaryDistillation, InPlaceDistillation
from keras_tnn.losses.level_distillation import LevelDistillation

__all__ = [
    "BatchActivationLoss",
    "BudgetReward",
    "Complexity",
    "ConstQuad",
    "DistanceComplexity",
    "EnergyShare",
    "GateActivation",
    "HingeComplexity",
    "InPlaceBinaryDistillation",
    "InPlaceDistillation",
    "LevelDistillation",
    "MacroAverage",
    "MacsShare",
    "MeasuredShare",
    "PerGateActivation",
    "class_probabilities",
]
