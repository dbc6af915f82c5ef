"""Losses that training at several utilizations needs."""

from keras_tnn.losses.distillation import InPlaceDistillation

__all__ = ["InPlaceDistillation"]
