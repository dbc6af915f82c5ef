"""Vision networks of keras-hub under `throttle`, `materialize` and `convert`: MACs, differences.

    pip install keras-hub
    python benchmarks/throttle_keras_hub.py [NAME ...]

Small configurations with random weights, in width and in 8 groups: the share of MACs that is left
at u = 1/2 and 1/4; the largest difference between throttled and original outputs at u = 1, and
between the cut and the masked network at u = 1/2, both relative to the largest output; that of the
converted level on the interpreter; and what is kept whole, or why nothing can be gated. Backbones
have a pooling and a dense layer of 10 behind them.
"""

import shutil
import sys
import tempfile
import warnings

import keras
import keras_hub
import numpy as np
from throttle_applications import randomized

import keras_tnn as tnn
import tnn_tflite

M, IMAGE = keras_hub.models, (64, 64, 3)


def resnet(**changes):
    return M.ResNetBackbone(
        **{
            "input_conv_filters": [64],
            "input_conv_kernel_sizes": [7],
            "stackwise_num_filters": [64] * 4,
            "stackwise_num_blocks": [2] * 4,
            "stackwise_num_strides": [1, 2, 2, 2],
            "block_type": "basic_block",
            "use_pre_activation": False,
            "image_shape": IMAGE,
            **changes,
        }
    )


def mit():
    return M.MiTBackbone(
        num_layers=2,
        layerwise_depths=[2, 2],
        image_shape=IMAGE,
        hidden_dims=[32, 64],
        layerwise_num_heads=[1, 2],
        layerwise_sr_ratios=[8, 4],
        max_drop_path_rate=0.1,
        layerwise_patch_sizes=[7, 3],
        layerwise_strides=[4, 2],
    )


def cspnet():
    return M.CSPNetBackbone(
        stackwise_depth=[1, 2, 2],
        stackwise_num_filters=[32, 64, 128],
        stem_filters=32,
        stem_kernel_size=3,
        stem_strides=1,
        stackwise_strides=[1, 2, 2],
        image_shape=IMAGE,
        block_type="dark_block",
        stage_type="csp",
        bottle_ratio=(0.5, 1.0),
        block_ratio=(1.0, 0.5),
        expand_ratio=(2.0, 1.0),
    )


def hgnet(affine=False):
    return M.HGNetV2Backbone(
        image_shape=IMAGE,
        depths=[1, 1],
        embedding_size=32,
        hidden_sizes=[32, 64],
        stem_channels=[3, 32, 32],
        hidden_act="relu",
        use_learnable_affine_block=affine,
        num_channels=3,
        stackwise_stage_filters=[[32, 32, 64, 1, 3, 3], [64, 32, 64, 1, 3, 3]],
        apply_downsample=[False, True],
        use_lightweight_conv_block=[False, True],
    )


def densenet():
    return M.DenseNetBackbone(
        stackwise_num_repeats=[2, 2], compression_ratio=0.5, growth_rate=16, image_shape=IMAGE
    )


def vgg():
    return M.VGGBackbone(
        stackwise_num_repeats=[1, 1, 2], stackwise_num_filters=[32, 64, 64], image_shape=IMAGE
    )


def xception():
    return M.XceptionBackbone(
        stackwise_conv_filters=[[16, 32], [32, 64]],
        stackwise_pooling=[True, False],
        image_shape=IMAGE,
    )


def efficientnet():
    return M.EfficientNetBackbone(
        stackwise_width_coefficients=[1.0, 1.0],
        stackwise_depth_coefficients=[1.0, 1.0],
        stackwise_squeeze_and_excite_ratios=[0.25, 0.25],
        stackwise_kernel_sizes=[3, 3],
        stackwise_num_repeats=[2, 2],
        stackwise_input_filters=[32, 16],
        stackwise_output_filters=[16, 32],
        stackwise_expansion_ratios=[1, 4],
        stackwise_strides=[1, 2],
        stackwise_block_types=["v1", "v1"],
        input_shape=IMAGE,
    )


def vit():
    return M.ViTBackbone(
        image_shape=(32, 32, 3), patch_size=4, num_layers=3, num_heads=6, hidden_dim=48, mlp_dim=96
    )


def deit():
    return M.DeiTBackbone(
        image_shape=(32, 32, 3),
        patch_size=8,
        num_layers=2,
        num_heads=4,
        hidden_dim=64,
        intermediate_dim=128,
    )


def swin():
    return M.SwinTransformerBackbone(
        image_shape=IMAGE,
        patch_size=4,
        embed_dim=32,
        depths=(2, 2),
        num_heads=(2, 4),
        window_size=4,
    )


def vitdet():
    return M.ViTDetBackbone(
        hidden_size=32,
        num_layers=2,
        intermediate_dim=64,
        num_heads=2,
        global_attention_layer_indices=[1],
        image_shape=IMAGE,
        patch_size=16,
        num_output_channels=16,
        window_size=2,
    )


def dinov2():
    return M.DINOV2Backbone(
        patch_size=8,
        num_layers=2,
        hidden_dim=32,
        num_heads=2,
        intermediate_dim=64,
        layer_scale_init_value=1.0,
        num_register_tokens=0,
        use_mask_token=False,
        use_swiglu_ffn=False,
        image_shape=(32, 32, 3),
    )


def mobilenet():
    return M.MobileNetBackbone(
        stackwise_expansion=[[16], [48, 48]],
        stackwise_num_blocks=[1, 2],
        stackwise_num_filters=[[16], [24, 24]],
        stackwise_kernel_size=[[3], [3, 3]],
        stackwise_num_strides=[[2], [2, 1]],
        stackwise_se_ratio=[[0.25], [None, None]],
        stackwise_activation=[["relu"], ["relu", "relu"]],
        stackwise_padding=[[1], [1, 1]],
        output_num_filters=64,
        depthwise_filters=16,
        depthwise_stride=2,
        depthwise_residual=False,
        squeeze_and_excite=None,
        last_layer_filter=64,
        input_num_filters=16,
        image_shape=IMAGE,
    )


def retinanet():
    return M.RetinaNetBackbone(
        image_encoder=resnet(), min_level=3, max_level=5, image_shape=IMAGE, use_p5=False
    )


def deeplab():
    return M.DeepLabV3Backbone(
        image_encoder=resnet(),
        spatial_pyramid_pooling_key="P4",
        low_level_feature_key="P2",
        upsampling_size=8,
        dilation_rates=[1, 2],
        projection_filters=16,
        image_shape=IMAGE,
    )


NETWORKS = {
    "ResNet": resnet,
    "ResNetV2 bottleneck": lambda: resnet(block_type="bottleneck_block", use_pre_activation=True),
    "VGG": vgg,
    "DenseNet": densenet,
    "Xception": xception,
    "EfficientNet": efficientnet,
    "MobileNet": mobilenet,
    "CSPNet": cspnet,
    "HGNetV2": hgnet,
    "HGNetV2, affine": lambda: hgnet(affine=True),
    "MiT": mit,
    "ViT": vit,
    "DeiT": deit,
    "DINOv2": dinov2,
    "Swin": swin,
    "ViTDet": vitdet,
    "RetinaNet pyramid": retinanet,
    "DeepLabV3": deeplab,
    "ResNet classifier": lambda: M.ResNetImageClassifier(backbone=resnet(), num_classes=10),
    "HGNetV2 classifier": lambda: M.HGNetV2ImageClassifier(
        backbone=hgnet(), num_classes=10, head_filters=64
    ),
    "ViT classifier": lambda: M.ViTImageClassifier(backbone=vit(), num_classes=10),
    "SegFormer segmenter": lambda: M.SegFormerImageSegmenter(
        backbone=M.SegFormerBackbone(image_encoder=mit(), projection_filters=64), num_classes=5
    ),
    "DeepLabV3 segmenter": lambda: M.DeepLabV3ImageSegmenter(
        backbone=deeplab(), num_classes=5, activation=None
    ),
    "RetinaNet detector": lambda: M.RetinaNetObjectDetector(
        backbone=retinanet(), num_classes=4, label_encoder=None
    ),
}


def main(names):
    print(
        f"{'network':<22}{'MACs':>9}{'u=1/2':>8}{'u=1/4':>8}{'u=1 differs':>13}"
        f"{'cut differs':>13}{'converted':>11}  kept whole, or why not"
    )
    for name in names:
        keras.backend.clear_session()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                line = measured(NETWORKS[name]())
            except Exception as error:  # a benchmark goes on with the next network
                line = f"{type(error).__name__}: {error}"[:200].replace("\n", " ")
        said = [str(one.message)[:200] for one in caught if "No rule" in str(one.message)]
        print(f"{name:<22}{line}", *said[:1], flush=True)


def measured(network) -> str:
    plain = randomized(keras.Model(network.input, classified(network.output)))
    dialled = tnn.throttle(plain, num_groups=8, axes=("width",))
    small = tnn.materialize(dialled, 0.5)
    macs = tnn.count_macs(plain)
    half, quarter = (tnn.count_macs(dialled, u) / macs for u in (0.5, 0.25))
    rng = np.random.default_rng(1)
    shapes = [x.shape[1:] for x in keras.tree.flatten(network.input)]
    x = [rng.uniform(-1, 1, (1, *shape)).astype("float32") for shape in shapes]
    whole = difference(called(plain, x), called(dialled, [*x, np.ones(1, "float32")]))
    masked = called(dialled, [*x, np.full(1, 0.5, "float32")])
    cut = difference(called(small, x), masked)
    return (
        f"{macs / 1e6:>7.1f} M{half:>8.3f}{quarter:>8.3f}{whole:>13.1e}{cut:>13.1e}"
        f"{converted(dialled, x, masked):>11}"
    )


def classified(features):
    """Backbones get a classifier, as what a model returns stays whole; others are as they are."""
    if not isinstance(features, keras.KerasTensor) or len(features.shape) < 3:
        return features
    pooled = keras.layers.GlobalAveragePooling1D() if len(features.shape) == 3 else None
    return keras.layers.Dense(10)((pooled or keras.layers.GlobalAveragePooling2D())(features))


def converted(dialled, x, masked) -> str:
    folder = tempfile.mkdtemp()
    try:
        tnn_tflite.convert(dialled, f"{folder}/bundle", levels=(0.5,))
        made = tnn_tflite.Dispatcher(f"{folder}/bundle")(
            x[0] if len(x) == 1 else x, utilization=0.5
        )
        made = [np.asarray(one) for one in keras.tree.flatten(made)]
        return f"{difference(made, masked):.0e}"
    except Exception as error:  # told in the table
        return f"{type(error).__name__}: {str(error)[:80]}".replace("\n", " ")
    finally:
        shutil.rmtree(folder)


def called(model, inputs) -> list:
    """The outputs, of inputs in the form in which the model takes them."""
    structure = keras.tree.pack_sequence_as(model.input, list(inputs))
    made = keras.tree.flatten(model(structure, training=False))
    return [keras.ops.convert_to_numpy(one) for one in made]


def difference(these, others) -> float:
    pairs = list(zip(these, others, strict=True))
    largest = max(np.abs(one).max() for one, _ in pairs)
    return max(np.abs(one - other.reshape(one.shape)).max() for one, other in pairs) / largest


if __name__ == "__main__":
    main(sys.argv[1:] or NETWORKS)
