"""Analysis: what each level of a throttled model, and each way to run its gates, is worth."""

from keras_tnn.analysis.budget_table import BudgetRow, BudgetTable
from keras_tnn.analysis.choices import Choices, oracle
from keras_tnn.analysis.choices_figures import class_figure
from keras_tnn.analysis.choices_table import ChoicesTable
from keras_tnn.analysis.escalation import Escalation, escalation
from keras_tnn.analysis.evaluate_budgets import evaluate_budgets
from keras_tnn.analysis.evaluate_controller import evaluate_controller
from keras_tnn.analysis.evaluate_exits import evaluate_exits
from keras_tnn.analysis.evaluate_gating import evaluate_gating
from keras_tnn.analysis.evaluate_levels import evaluate_levels
from keras_tnn.analysis.exit_outcomes import ExitOutcomes, exit_outcomes, exit_thresholds
from keras_tnn.analysis.exit_table import ExitRow, ExitTable
from keras_tnn.analysis.feature_figure import feature_figure
from keras_tnn.analysis.gate_figures import gate_histogram, gate_timeline, gating_figure
from keras_tnn.analysis.gating_table import GatingRow, GatingTable
from keras_tnn.analysis.level_figure import level_figure
from keras_tnn.analysis.level_table import LevelRow, LevelTable
from keras_tnn.analysis.outcomes import Outcomes, level_outcomes
from keras_tnn.analysis.skipping_figures import easy_hard_figure, skipping_figure

__all__ = [
    "Choices",
    "ChoicesTable",
    "Escalation",
    "BudgetRow",
    "BudgetTable",
    "ExitOutcomes",
    "ExitRow",
    "ExitTable",
    "GatingRow",
    "GatingTable",
    "LevelRow",
    "LevelTable",
    "Outcomes",
    "class_figure",
    "easy_hard_figure",
    "escalation",
    "evaluate_controller",
    "evaluate_budgets",
    "evaluate_exits",
    "evaluate_gating",
    "evaluate_levels",
    "exit_outcomes",
    "exit_thresholds",
    "feature_figure",
    "gate_histogram",
    "gate_timeline",
    "gating_figure",
    "level_figure",
    "level_outcomes",
    "oracle",
    "skipping_figure",
]
