"""Vision networks of keras-hub: small configurations with random weights, by name."""

import keras_hub

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


def hgnet(affine=False, **more):
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
        **more,
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


def dinov2(**changes):
    return M.DINOV2Backbone(
        **{
            "patch_size": 8,
            "num_layers": 2,
            "hidden_dim": 32,
            "num_heads": 2,
            "intermediate_dim": 64,
            "layer_scale_init_value": 1.0,
            "num_register_tokens": 0,
            "use_mask_token": False,
            "use_swiglu_ffn": False,
            "image_shape": (32, 32, 3),
            **changes,
        }
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
        upsampling_size=4,
        dilation_rates=[1, 2],
        projection_filters=16,
        image_shape=IMAGE,
    )


def basnet():
    encoder = resnet(image_shape=(None, None, 3), stackwise_num_filters=[64, 64, 64, 64])
    return M.BASNetBackbone(encoder, num_classes=1, image_shape=IMAGE, projection_filters=16)


def dfine():
    return M.DFineBackbone(
        backbone=hgnet(out_features=["stage1", "stage2"]),
        decoder_in_channels=[32, 32],
        encoder_hidden_dim=32,
        num_denoising=0,
        num_labels=4,
        hidden_dim=32,
        learn_initial_query=False,
        num_queries=10,
        anchor_image_size=IMAGE[:2],
        feat_strides=[4, 8],
        num_feature_levels=2,
        encoder_in_channels=[64, 64],
        encode_proj_layers=[1],
        num_attention_heads=4,
        encoder_ffn_dim=64,
        num_encoder_layers=1,
        hidden_expansion=0.5,
        depth_multiplier=0.5,
        eval_idx=-1,
        num_decoder_layers=2,
        decoder_attention_heads=4,
        decoder_ffn_dim=64,
        decoder_n_points=[4, 4],
        lqe_hidden_dim=16,
        num_lqe_layers=2,
        out_features=["stage1", "stage2"],
        image_shape=IMAGE,
        seed=0,
    )


def dinov3(**changes):
    return M.DINOV3Backbone(
        **{
            "patch_size": 8,
            "num_layers": 2,
            "hidden_dim": 32,
            "num_heads": 2,
            "intermediate_dim": 64,
            "num_register_tokens": 0,
            "use_mask_token": False,
            "image_shape": (32, 32, 3),
            **changes,
        }
    )


def depth_anything():
    return M.DepthAnythingBackbone(
        image_encoder=dinov2(patch_size=4, num_layers=4),
        reassemble_factors=[4, 2, 1, 0.5],
        neck_hidden_dims=[16, 16, 32, 32],
        fusion_hidden_dim=16,
        head_hidden_dim=16,
        head_in_index=-1,
        feature_keys=["stage1", "stage2", "stage3", "stage4"],
    )


def mobilenet_v5():
    return M.MobileNetV5Backbone(
        stackwise_block_types=[["er"], ["uir", "uir"], ["mqa"]],
        stackwise_num_blocks=[1, 2, 1],
        stackwise_num_filters=[[24], [48, 48], [48]],
        stackwise_strides=[[2], [2, 1], [1]],
        stackwise_act_layers=[["relu"], ["relu", "relu"], ["relu"]],
        stackwise_exp_ratios=[[4.0], [6.0, 6.0], [1.0]],
        stackwise_se_ratios=[[0.0], [0.0, 0.0], [0.0]],
        stackwise_dw_kernel_sizes=[[0], [5, 5], [0]],
        stackwise_dw_start_kernel_sizes=[[0], [0, 0], [0]],
        stackwise_dw_end_kernel_sizes=[[0], [0, 0], [0]],
        stackwise_exp_kernel_sizes=[[3], [0, 0], [0]],
        stackwise_pw_kernel_sizes=[[1], [0, 0], [0]],
        stackwise_num_heads=[[0], [0, 0], [4]],
        stackwise_key_dims=[[0], [0, 0], [16]],
        stackwise_value_dims=[[0], [0, 0], [16]],
        stackwise_kv_strides=[[0], [0, 0], [1]],
        stackwise_use_cpe=[[False], [False, False], [False]],
        use_msfa=False,
        image_shape=IMAGE,
    )


def vision_encoder(kind, **more):
    """The half of a network of images and text that reads images."""
    return kind(
        patch_size=8,
        hidden_dim=32,
        num_layers=2,
        num_heads=2,
        intermediate_dim=64,
        image_shape=(32, 32, 3),
        **more,
    )


def parseq():
    return M.PARSeqBackbone(
        image_encoder=vit(),
        vocabulary_size=20,
        max_label_length=6,
        decoder_hidden_dim=48,
        num_decoder_layers=1,
        num_decoder_heads=4,
        decoder_mlp_dim=96,
    )


def video_prism():
    return M.VideoPrismBackbone(
        num_frames=2,
        patch_size=8,
        hidden_dim=32,
        intermediate_dim=64,
        num_heads=2,
        num_spatial_layers=2,
        num_temporal_layers=1,
        num_auxiliary_layers=0,
        image_shape=(32, 32, 3),
    )


def sam():
    return M.SAMBackbone(
        image_encoder=vitdet(),
        prompt_encoder=keras_hub.layers.SAMPromptEncoder(
            hidden_size=16,
            image_embedding_size=(4, 4),
            input_image_size=IMAGE[:2],
            mask_in_channels=16,
        ),
        mask_decoder=keras_hub.layers.SAMMaskDecoder(
            num_layers=2,
            hidden_size=16,
            intermediate_dim=32,
            num_heads=2,
            embedding_dim=16,
            num_multimask_outputs=3,
            iou_head_depth=2,
            iou_head_hidden_dim=16,
        ),
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
    "DINOv2, registers, SwiGLU": lambda: dinov2(num_register_tokens=2, use_swiglu_ffn=True),
    "DINOv3": dinov3,
    "DINOv3, registers, gated": lambda: dinov3(num_register_tokens=2, use_gated_mlp=True),
    "Swin": swin,
    "ViTDet": vitdet,
    "CLIP": lambda: vision_encoder(M.CLIPVisionEncoder),
    "MetaCLIP 2": lambda: vision_encoder(M.MetaCLIP2VisionEncoder),
    "SigLIP": lambda: vision_encoder(M.SigLIPVisionEncoder),
    "VideoPrism": video_prism,
    "MobileNetV5": mobilenet_v5,
    "RetinaNet pyramid": retinanet,
    "DeepLabV3": deeplab,
    "BASNet": basnet,
    "D-FINE": dfine,
    "Depth Anything": depth_anything,
    "PARSeq": parseq,
    "SAM": sam,
    "ResNet classifier": lambda: M.ResNetImageClassifier(backbone=resnet(), num_classes=10),
    "HGNetV2 classifier": lambda: M.HGNetV2ImageClassifier(
        backbone=hgnet(), preprocessor=None, num_classes=10, head_filters=64
    ),
    "ViT classifier": lambda: M.ViTImageClassifier(backbone=vit(), num_classes=10),
    "DeiT classifier": lambda: M.DeiTImageClassifier(backbone=deit(), num_classes=10),
    "SegFormer segmenter": lambda: M.SegFormerImageSegmenter(
        backbone=M.SegFormerBackbone(image_encoder=mit(), projection_filters=64), num_classes=5
    ),
    "DeepLabV3 segmenter": lambda: M.DeepLabV3ImageSegmenter(
        backbone=deeplab(), num_classes=5, activation=None
    ),
    "RetinaNet detector": lambda: M.RetinaNetObjectDetector(
        backbone=retinanet(), num_classes=4, label_encoder=None
    ),
    "BASNet segmenter": lambda: M.BASNetImageSegmenter(basnet()),
    "D-FINE detector": lambda: M.DFineObjectDetector(dfine(), num_classes=4),
    "Depth Anything estimator": lambda: M.DepthAnythingDepthEstimator(
        depth_anything(), depth_estimation_type="relative"
    ),
    "SAM segmenter": lambda: M.SAMImageSegmenter(sam()),
}
