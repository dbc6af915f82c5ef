"""How many multiply-accumulates each kind of layer does. Importing this room registers all."""

from keras_tnn.cost.rules import attention, kernels, products, recurrent, wrappers

__all__ = ["attention", "kernels", "products", "recurrent", "wrappers"]
