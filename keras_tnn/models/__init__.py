"""Architectures, each throttled or vanilla."""

from keras_tnn.models.resnet import ResNet, depthwise_order
from keras_tnn.models.vgg import VGG

__all__ = ["ResNet", "VGG", "depthwise_order"]
