import keras
import numpy as np
import pytest

from keras_tnn import gates, materialize, models

SHAPE = ((16, 16, 3), 10)


def images(count=3):
    return np.random.default_rng(0).random((count, 16, 16, 3), dtype="float32")


def test_vgg_is_the_papers():
    # VGG-D's stages 64-64, 128-128, 256-256-256, a 4096-unit dense layer on 4 x 4 x 256, classes.
    widths = [3, 64, 64, 128, 128, 256, 256, 256]
    kernels = sum(9 * a * b for a, b in zip(widths, widths[1:], strict=False))
    norms = 4 * sum(widths[1:])
    dense = 4 * 4 * 256 * 4096 + 4096 + 4096 * 10 + 10
    model = models.VGG((32, 32, 3), 10)
    assert model.count_params() == kernels + norms + dense
    assert [layer.num_groups for layer in model.layers if hasattr(layer, "gate")] == [16] * 8


def test_resnet_20_has_the_published_size():
    # He et al. 2016, Table 6: 0.27 M parameters for 20 layers, 1.7 M for 110; projections add
    # 16 * 32 + 32 * 64 and their norms.
    assert 0.270e6 < models.ResNet((32, 32, 3), 10, 20).count_params() < 0.276e6
    assert 1.70e6 < models.ResNet((32, 32, 3), 10, 110, axis="depth").count_params() < 1.75e6


def test_depthwise_order_visits_stages_from_output_to_input():
    assert models.depthwise_order((3, 3, 3)) == [6, 3, 0, 7, 4, 1, 8, 5, 2]


@pytest.mark.parametrize("stages", [(1,), (2, 3), (3, 4, 6, 3), (3, 4, 23, 3)])
def test_depthwise_order_opens_every_block_once_and_evenly(stages):
    order = models.depthwise_order(stages)
    assert sorted(order) == list(range(sum(stages)))
    stage_of = np.repeat(np.arange(len(stages)), stages)
    for count in range(1, len(order) + 1):
        opened = np.bincount(stage_of[order[:count]], minlength=len(stages))
        # No stage is ahead of the whole by more than the one block it just opened.
        assert np.all((opened - 1) / stages <= count / len(order))


def test_depth_gating_drops_whole_blocks():
    model = models.ResNet(*SHAPE, depth=14, axis="depth")  # six blocks
    counts = [
        sum(isinstance(x, keras.layers.Add) for x in materialize(model, u).layers)
        for u in (0.1, 1 / 6, 0.5, 1.0)
    ]
    assert counts == [0, 1, 3, 6]


def layers_of(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


def test_resnet_50_has_the_stride_in_the_3x3_convolution():
    model = models.ResNet50(*SHAPE, throttled=False)
    strided = [x.name for x in layers_of(model, keras.layers.Conv2D) if x.strides == (2, 2)]
    blocks = [f"stage{stage}_block1" for stage in (2, 3, 4)]
    expected = ["stem_conv", *(f"{block}_{part}_conv" for block in blocks for part in "2s")]
    assert sorted(strided) == sorted(x.replace("_s_conv", "_shortcut_conv") for x in expected)


@pytest.mark.parametrize("u, branches", [(0.1, 0), (0.25, 1), (0.5, 2), (1.0, 4)])
def test_resnext_level_has_its_branches(u, branches):
    model = models.ResNeXt(*SHAPE, depth=11, gate_sums=False)
    small = materialize(model, u)
    grouped = [x for x in layers_of(small, keras.layers.Conv2D) if x.name.endswith("_2_conv")]
    # One branch alone is a plain convolution, and a block without branches has none.
    assert [x.groups for x in grouped] == [branches] * (3 if branches else 0)


def test_sum_of_branches_is_the_1x1_convolution_after_them():
    # liu2022, Eq. 2, aggregation by summation: the last 1x1 convolution of a block, its input
    # channels split into branches, is the sum of the branches' own.
    model = models.ResNeXt(*SHAPE, depth=11, throttled=False)
    layer = model.get_layer("stage1_block1_3_conv")
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 64)).astype("float32")
    kernel = keras.ops.convert_to_numpy(layer.kernel)[0, 0]
    branches = np.split(x, 4, axis=-1), np.split(kernel, 4, axis=0)
    total = sum(part @ weights for part, weights in zip(*branches, strict=True))
    np.testing.assert_allclose(layer(x), total, rtol=1e-4, atol=1e-5)  # sums in another order


def test_densenet_layer_reads_all_layers_before_it():
    model = models.DenseNet(*SHAPE, throttled=False)
    for index in range(16):
        first = model.get_layer(f"block1_layer{index + 1}_1_conv")
        assert first.kernel.shape[-2:] == (24 + 12 * index, 48)
    assert model.get_layer("transition1_conv").kernel.shape[-2:] == (216, 108)


def test_densenet_depthwise_opens_layers_of_each_block_from_its_input_on():
    model = models.DenseNet(*SHAPE, axis="depth", layers_per_block=(4, 2), growth=4)
    left = [x.name for x in materialize(model, 0.5).layers if x.name.endswith("_2_conv")]
    assert left == ["block1_layer1_2_conv", "block1_layer2_2_conv", "block2_layer1_2_conv"]


def test_c3d_keeps_its_first_layer_whole():
    model = models.C3D((4, 8, 8, 3), 5, 4, filters=((8,), (8,), (16,)), dense_units=(16,))
    small = materialize(model, 0.25)
    widths = [x.filters for x in layers_of(small, keras.layers.Conv3D)]
    assert widths == [8, 2, 4]
    assert [x.units for x in layers_of(small, keras.layers.Dense)] == [4, 5]


def test_shufflenet_3d_keeps_the_groups_of_its_last_convolutions_equal():
    model = models.ShuffleNet3D((4, 16, 16, 3), 10, 2, width=48, units=(2,))
    small = materialize(model, 0.5)
    last = small.get_layer("stage1_unit2_3_conv")
    assert (last.groups, last.kernel.shape[-2:]) == (3, (2, 48))  # 6 of 12 channels, in threes


@pytest.mark.parametrize(
    "build",
    [
        lambda **kw: models.ResNet(*SHAPE, depth=8, **kw),
        lambda **kw: models.ResNeXt(*SHAPE, depth=11, **kw),
        lambda **kw: models.DenseNet(*SHAPE, layers_per_block=(1, 1), **kw),
    ],
)
def test_other_gates_fit(build):
    assert build(gate=gates.Independent)(images()).shape == (3, 10)


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: models.ResNet(*SHAPE, blocks=(1, 0, 2)), r"`blocks`. Expected.*\(1, 0, 2\)"),
        (lambda: models.ResNet(*SHAPE, blocks=(2, 2)), r"`blocks`. Expected three.*\(2, 2\)"),
        (lambda: models.ResNet(*SHAPE, depth=21), r"`depth`. Expected 6n \+ 2.*depth=21"),
        (lambda: models.ResNeXt(*SHAPE, depth=30), r"`depth`. Expected 9n \+ 2.*depth=30"),
        (lambda: models.ResNet(*SHAPE, axis="height"), "`axis`. Expected 'width' or 'depth'"),
        (lambda: models.DenseNet(*SHAPE, axis=2), "`axis`. Expected 'width' or 'depth'.*axis=2"),
        (
            lambda: models.VGG(*SHAPE, filters=((8,),), num_groups=3),
            "Expected a divisor of its 8 channels",
        ),
        (lambda: models.ResNeXt(*SHAPE, 3), "Expected a divisor of the 4 branches of a block"),
        (lambda: models.ResNeXt50(*SHAPE, 0), "Expected a divisor of the 32 branches"),
        (lambda: models.DenseNet(*SHAPE, 4), "'transition2_gate'. Expected a divisor of its 150"),
        (
            lambda: models.C3D((16, 16, 16, 3), 10),
            r"`input_shape`. .* at least \(16, 32, 32\) for 5 stages",
        ),
        (lambda: models.C3D((100, 160, 3), 10), r"Expected \(frames, height, width, channels\)"),
        (lambda: models.ShuffleNet3D((4, 16, 16, 3), 10, 3), "shuffle_groups = 20.*num_groups=3"),
        (lambda: models.ShuffleNet3D((4, 16, 16, 3), 10, width=50), "a multiple of .* 12.*=50"),
    ],
)
def test_refuses_invalid_arguments(build, message):
    with pytest.raises(ValueError, match=message):
        build()
