"""Analysis: what each level of a throttled model costs and what it is worth."""

from keras_tnn.analysis.evaluate_levels import evaluate_levels
from keras_tnn.analysis.level_table import LevelRow, LevelTable

__all__ = ["LevelRow", "LevelTable", "evaluate_levels"]
