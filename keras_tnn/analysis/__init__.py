"""Analysis: what each level of a throttled model, and each way to run its gates, is worth."""

from keras_tnn.analysis.budget_table import BudgetRow, BudgetTable
from keras_tnn.analysis.evaluate_budgets import evaluate_budgets
from keras_tnn.analysis.evaluate_gating import evaluate_gating
from keras_tnn.analysis.evaluate_levels import evaluate_levels
from keras_tnn.analysis.gate_figures import gate_histogram, gate_timeline, gating_figure
from keras_tnn.analysis.gating_table import GatingRow, GatingTable
from keras_tnn.analysis.level_table import LevelRow, LevelTable

__all__ = [
    "BudgetRow",
    "BudgetTable",
    "GatingRow",
    "GatingTable",
    "LevelRow",
    "LevelTable",
    "evaluate_budgets",
    "evaluate_gating",
    "evaluate_levels",
    "gate_histogram",
    "gate_timeline",
    "gating_figure",
]
