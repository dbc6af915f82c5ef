"""How many multiply-accumulates each kind of layer does. Importing this room registers all."""

from keras_tnn.cost.rules import (
    attention,
    conditional,
    gates,
    kernels,
    products,
    recurrent,
    wrappers,
)

__all__ = [
    "attention",
    "conditional",
    "gates",
    "kernels",
    "products",
    "recurrent",
    "wrappers",
]
