"""Quantized levels: smaller files, and integers where a device has nothing else.

Each level is quantized on its own: the ranges of its activations are measured on the network that
it is, and in mode "qat" its weights are trained to bear the rounding.

TensorFlow's converter can end the process that calls it. It therefore runs in a child process
(`tnn_tflite.children`), and so does the training of "qat", which needs Keras 2.

Loaded by the converter; devices never need it.
"""

from tnn_tflite.quantization.aware_training import AwareTraining
from tnn_tflite.quantization.modes import MODES

__all__ = ["MODES", "AwareTraining"]
