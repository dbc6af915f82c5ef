"""A small variant of every network that is built here, whose weights are all of some size."""

import keras
import numpy as np

from keras_tnn import models

IMAGE = ((16, 16, 3), 10)
CLIP = ((4, 16, 16, 3), 10)

NETWORKS = {
    "vgg": lambda **kw: models.VGG(*IMAGE, 4, filters=((8, 8), (16,)), dense_units=32, **kw),
    "vgg_plain": lambda **kw: models.VGG(
        *IMAGE, 4, filters=((8, 8), (16,)), dense_units=32, batch_normalization=False, **kw
    ),
    "resnet": lambda **kw: models.ResNet(*IMAGE, depth=8, **kw),
    "resnet_blocks": lambda **kw: models.ResNet(*IMAGE, blocks=(1, 1, 2), axis="depth", **kw),
    "resnet_depth": lambda **kw: models.ResNet(*IMAGE, depth=14, axis="depth", **kw),
    "resnet50": lambda **kw: models.ResNet50(*IMAGE, 4, width=8, blocks=(2, 1), **kw),
    "resnet50_depth": lambda **kw: models.ResNet50(
        *IMAGE, axis="depth", width=8, blocks=(2, 2), **kw
    ),
    "resnext": lambda **kw: models.ResNeXt(*IMAGE, depth=11, branch_width=4, filters=16, **kw),
    "resnext_branches": lambda **kw: models.ResNeXt(
        *IMAGE, 2, depth=11, branch_width=4, filters=16, gate_sums=False, **kw
    ),
    "resnext50": lambda **kw: models.ResNeXt50(
        *IMAGE, 4, cardinality=8, filters=32, blocks=(2, 1), **kw
    ),
    "densenet": lambda **kw: models.DenseNet(*IMAGE, 2, growth=4, layers_per_block=(3, 2), **kw),
    "densenet_depth": lambda **kw: models.DenseNet(
        *IMAGE, axis="depth", growth=4, layers_per_block=(3, 2), **kw
    ),
    "c3d": lambda **kw: models.C3D(
        *CLIP, 4, filters=((8,), (8,), (16, 16)), dense_units=(16, 16), **kw
    ),
    "shufflenet3d": lambda **kw: models.ShuffleNet3D(*CLIP, 2, width=48, units=(2, 2), **kw),
    "shufflenet3d_depth": lambda **kw: models.ShuffleNet3D(
        *CLIP, axis="depth", width=48, units=(2, 3), **kw
    ),
}


def samples(model: keras.Model, count: int = 3) -> np.ndarray:
    shape = model.inputs[0].shape[1:]
    return np.random.default_rng(0).normal(size=(count, *shape)).astype("float32")


def with_random_statistics(model: keras.Model) -> keras.Model:
    """Biases and normalisations as training leaves them: what is zero before is not zero after."""
    random = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, w.shape) for w in layer.weights])
        elif getattr(layer, "use_bias", False):
            layer.bias.assign(random.normal(size=layer.bias.shape))
    return model
