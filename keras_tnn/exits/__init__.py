"""Exits answer early: branch classifiers on the way to a model's output, and when to stop."""

from keras_tnn.exits.add_exits import add_exits
from keras_tnn.exits.exits_model import ExitsModel, ThrottledExitsModel

__all__ = ["ExitsModel", "ThrottledExitsModel", "add_exits"]
