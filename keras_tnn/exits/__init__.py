"""Exits answer early: branch classifiers on the way to a model's output, and when to stop."""

from keras_tnn.exits.add_exits import add_exits
from keras_tnn.exits.exit_gates import exit_gate
from keras_tnn.exits.exits_model import (
    ExitsModel,
    GatedExitsModel,
    ThrottledExitsModel,
    ThrottledGatedExitsModel,
)
from keras_tnn.exits.thresholds import ExitThresholds

__all__ = [
    "ExitThresholds",
    "ExitsModel",
    "GatedExitsModel",
    "ThrottledExitsModel",
    "ThrottledGatedExitsModel",
    "add_exits",
    "exit_gate",
]
