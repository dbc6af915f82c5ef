"""Architectures, each throttled or vanilla."""

from keras_tnn.gates import depthwise_order
from keras_tnn.models.applications import DenseNet121, DenseNet169, DenseNet201, MobileNetV2
from keras_tnn.models.c3d import C3D
from keras_tnn.models.densenet import DenseNet
from keras_tnn.models.resnet import ResNet
from keras_tnn.models.resnet50 import ResNet50
from keras_tnn.models.resnext import ResNeXt, ResNeXt50
from keras_tnn.models.shufflenet3d import ShuffleNet3D
from keras_tnn.models.vgg import VGG

__all__ = [
    "C3D",
    "DenseNet",
    "DenseNet121",
    "DenseNet169",
    "DenseNet201",
    "MobileNetV2",
    "ResNeXt",
    "ResNeXt50",
    "ResNet",
    "ResNet50",
    "ShuffleNet3D",
    "VGG",
    "depthwise_order",
]
