import keras
import numpy as np
import pytest

from keras_tnn import gates, materialize, models
from keras_tnn.surgery import copy_weights

SHAPE = ((16, 16, 3), 10)
SMALL_VGG = {"filters": ((8, 8), (16,)), "dense_units": 32, "num_groups": 4}


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


@pytest.mark.parametrize(
    "build",
    [
        lambda **kw: models.VGG(*SHAPE, **SMALL_VGG, **kw),
        lambda **kw: models.VGG(*SHAPE, **SMALL_VGG, batch_normalization=False, **kw),
        lambda **kw: models.ResNet(*SHAPE, depth=8, **kw),
        lambda **kw: models.ResNet(*SHAPE, depth=14, axis="depth", **kw),
    ],
    ids=["vgg", "vgg_plain", "resnet", "resnet_depth"],
)
def test_full_utilization_equals_the_vanilla_twin(build):
    model, vanilla = build(), build(throttled=False)
    assert not any(hasattr(layer, "gate") for layer in vanilla.layers)
    copy_weights(model, vanilla)
    np.testing.assert_array_equal(model(images()), vanilla(images()))


def test_depth_gating_drops_whole_blocks():
    model = models.ResNet(*SHAPE, depth=14, axis="depth")  # six blocks
    counts = [
        sum(isinstance(x, keras.layers.Add) for x in materialize(model, u).layers)
        for u in (0.1, 1 / 6, 0.5, 1.0)
    ]
    assert counts == [0, 1, 3, 6]


def test_other_gates_fit():
    model = models.ResNet(*SHAPE, depth=8, gate=gates.Independent)
    assert model(images()).shape == (3, 10)


def test_refuses_invalid_arguments():
    with pytest.raises(ValueError, match=r"`depth`. Expected 6n \+ 2"):
        models.ResNet(*SHAPE, depth=21)
    with pytest.raises(ValueError, match="`axis`. Expected 'width' or 'depth'"):
        models.ResNet(*SHAPE, axis="height")
    with pytest.raises(ValueError, match="Expected a divisor of its 8 channels"):
        models.VGG(*SHAPE, filters=((8,),), num_groups=3)
