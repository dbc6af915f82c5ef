"""Complexities by a name, as callbacks take them."""

from collections.abc import Callable

from keras_tnn.losses.complexity.gate_activation import GateActivation
from keras_tnn.losses.complexity.macro_average import MacroAverage
from keras_tnn.losses.complexity.network_share import EnergyShare, MacsShare

COMPLEXITIES = {
    "gates": GateActivation,
    "macro": MacroAverage,
    "macs": MacsShare,
    "energy": EnergyShare,
}


def complexity_maker(value: str | Callable, name: str) -> Callable:
    """What makes a complexity from a model.

    Args:
        value: a name, or a function of the model.
        name: of the argument, for the error.

    Raises:
        ValueError: if `value` is neither.
    """
    maker = COMPLEXITIES.get(value, value)
    if not callable(maker):
        raise ValueError(
            f"Invalid value for `{name}`. Expected one of {sorted(COMPLEXITIES)}, or a function "
            f"of the model. Received: {name}={value!r}"
        )
    return maker
