"""Gates decide: they map utilization (and later features) to the groups that run."""

from keras_tnn.gates.depthwise_order import depthwise_order
from keras_tnn.gates.gate import Gate
from keras_tnn.gates.independent import Independent
from keras_tnn.gates.nested import Nested

__all__ = ["Gate", "Independent", "Nested", "depthwise_order"]
