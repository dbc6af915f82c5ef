"""Throttling gives a dial, or gates that learn, to a model that was built without."""

from keras_tnn.throttling import granularity
from keras_tnn.throttling.throttle import throttle

__all__ = ["granularity", "throttle"]
