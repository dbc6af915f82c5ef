"""Dense layers, on the last axis of a tensor of any rank."""

from keras import layers

from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rules.convolution import Mixing


@rule(layers.Dense)
class DenseRule(Mixing):
    """y = activation(x kernel + bias); constants always fold."""

    outputs_argument = "units"

    def folds(self, layer, channels):
        return True
