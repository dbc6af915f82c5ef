"""How much of a network its gates leave: what complexity losses compare with their target.

A complexity is made from a model and called on the decisions of one forward pass. It gives
`(batch, columns)`, and gradients reach the gates through the decisions' values.
"""

from keras_tnn.losses.complexity.by_name import complexity_maker
from keras_tnn.losses.complexity.complexity import Complexity
from keras_tnn.losses.complexity.gate_activation import GateActivation
from keras_tnn.losses.complexity.macro_average import MacroAverage
from keras_tnn.losses.complexity.network_share import EnergyShare, MacsShare, MeasuredShare

__all__ = [
    "Complexity",
    "EnergyShare",
    "GateActivation",
    "MacroAverage",
    "MacsShare",
    "MeasuredShare",
    "complexity_maker",
]
