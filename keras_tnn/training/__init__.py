"""Training learns: a model that draws its utilization, and the regimes of drawing it."""

from keras_tnn.training.baseline import Baseline, LeaveOneOut
from keras_tnn.training.budget_calibration import calibrate_budgets
from keras_tnn.training.budget_objective import BudgetObjective, Critic
from keras_tnn.training.gate_activity import GateActivity
from keras_tnn.training.gate_objective import ForwardPass, GateObjective, Objective
from keras_tnn.training.regimes import DiscreteDraw, PerBatch, PerSample, Regime, UniformDraw
from keras_tnn.training.sandwich import Sandwich
from keras_tnn.training.skipping_objective import SkippingObjective
from keras_tnn.training.throttled_model import ThrottledModel

__all__ = [
    "Baseline",
    "BudgetObjective",
    "Critic",
    "DiscreteDraw",
    "ForwardPass",
    "GateActivity",
    "GateObjective",
    "LeaveOneOut",
    "Objective",
    "PerBatch",
    "PerSample",
    "Regime",
    "Sandwich",
    "SkippingObjective",
    "ThrottledModel",
    "UniformDraw",
    "calibrate_budgets",
]
