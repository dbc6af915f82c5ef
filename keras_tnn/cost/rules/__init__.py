"""How many multiply-accumulates each kind of layer does. Importing this room registers all."""

from keras_tnn.cost.rules import attention, gates, kernels, products, recurrent, wrappers

__all__ = ["attention", "gates", "kernels", "products", "recurrent", "wrappers"]
