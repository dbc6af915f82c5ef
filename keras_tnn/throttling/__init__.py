"""Throttling gives a dial to a model that was built without one."""

from keras_tnn.throttling.throttle import throttle

__all__ = ["throttle"]
