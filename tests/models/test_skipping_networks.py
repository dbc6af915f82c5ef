"""Networks whose blocks and channels are skipped by gates that read features (wang2019)."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

import keras_tnn as tnn
from keras_tnn import gates, layers
from keras_tnn.cost import gated_macs
from random_weights import randomized

DUAL = {"depth": gates.Recurrent, "width": gates.Convolutional}
IMAGES = np.random.default_rng(1).normal(size=(4, 8, 8, 3)).astype("float32")


def resnet(axis=("depth", "width"), gate=DUAL, depth=14, **arguments):
    keras.utils.set_random_seed(0)
    return tnn.models.ResNet(
        (8, 8, 3), 4, depth=depth, num_groups=2, width=4, axis=axis, gate=gate, **arguments
    )


def undecided(model):
    """Random weights with which each gate opens for half of the images, where it first decides."""
    randomized(model)
    for gate in model.learned_gates:
        shape = gate.output_logits.kernel.shape
        gate.output_logits.kernel.assign(np.random.default_rng(2).normal(0, 3, shape))
        gate.output_logits.bias.assign(np.zeros(shape[-1]))
        with gates.record_decisions() as decisions:
            model(IMAGES)
        first = next(one for one in decisions if one.gate is gate)
        p = np.clip(ops.convert_to_numpy(first.probabilities)[:, gate.free], 1e-6, 1 - 1e-6)
        gate.output_logits.bias.assign(-np.median(np.log(p / (1 - p)), axis=0))
    return model


def decided(model, images=IMAGES):
    with gates.record_decisions() as decisions:
        model(images)
    return {one.key: ops.convert_to_numpy(one.values) for one in decisions}


def test_one_gate_walks_over_the_blocks_of_a_resnet():
    model = resnet("depth", gates.Recurrent)
    assert [type(gate) for gate in model.gates] == [gates.Recurrent]
    keys = [one.key for one in model.gate_calls]
    assert keys == ["open_blocks", *(f"open_blocks/{n}" for n in range(2, 7))]
    fronts = [layer.name for layer in model.gate_fronts]
    assert fronts[0] == "stage1_block1_open_features" and len(fronts) == 6
    values = np.concatenate(list(decided(undecided(model)).values()), axis=1)
    assert values.shape == (4, 6) and 0 < values.mean() < 1


def test_resnet_38():
    """wang2019, IV-A: 18 blocks in 3 stages."""
    model = resnet(depth=38)
    walked = [one for one in model.gate_calls if isinstance(one.gate, gates.Recurrent)]
    assert len(walked) == 18 and len(model.gates) == 1 + 18


def test_a_block_obeys_equation_3():
    """F' = relu(F + G^L N(C_2(G^C relu(N(C_1(F)))))), G^L from (F, state), G^C from F."""
    model = undecided(resnet())
    inside = keras.Model(
        model.inputs,
        [model.get_layer(name).output for name in ("stem_relu", "stage1_block1_relu")],
    )
    before, after = (ops.convert_to_numpy(x) for x in inside([IMAGES, np.ones(4, "float32")]))
    chosen = decided(model)
    opened = chosen["open_blocks"].reshape(4, 1, 1, 1)
    channels = np.repeat(chosen["stage1_block1_1_open"], 2, axis=-1)[:, None, None]
    x = before
    for number, gate in (("1", channels), ("2", opened)):
        convolution = model.get_layer(f"stage1_block1_{number}_conv")
        norm = model.get_layer(f"stage1_block1_{number}_norm")
        x = ops.convert_to_numpy(norm(convolution(x)))
        x = (np.maximum(x, 0) if number == "1" else x) * gate
    # Float32 sums of 36 products.
    np.testing.assert_allclose(after, np.maximum(before + x, 0), rtol=1e-4, atol=1e-4)
    assert opened.mean() == channels.mean() == 0.5


def test_a_channel_gate_costs_nothing_in_a_closed_block():
    model = resnet()
    cost = gated_macs(model)
    sizes = [site.gate.num_groups for site in cost.sites]
    starts = np.cumsum([0, *sizes[:-1]])
    first = {site.key: start for site, start in zip(cost.sites, starts, strict=True)}
    whole = np.ones((1, cost.network.num_groups), "float32")
    closed, narrow = whole.copy(), whole.copy()
    closed[:, first["open_blocks"]] = 0
    narrow[:, first["stage1_block1_1_open"]] = 0
    at = {key: float(cost(x)[0]) for key, x in (("a", whole), ("b", closed), ("c", narrow))}
    convolution = 8 * 8 * 9 * 4 * 4  # of stage 1, 4 channels in and out
    channel_gate = convolution // 4 + 4 * 2  # 3x3 of stride 2, dense to two groups
    assert at["a"] - at["b"] == 2 * convolution + channel_gate
    assert at["a"] - at["c"] == convolution  # half of each of the two: one of two groups
    # 1x1 convolutions to 10 features, six steps of the LSTM and logits, and all channel gates
    walking = (4 + 4 + 4 + 8 + 8 + 16) * 10 + 6 * (4 * 10 * 20 + 10)
    assert cost.gates.costs[()] == walking
    assert at["a"] == cost.ungated + cost.gates.whole


def test_freezing_knows_what_stands_in_front_of_gates():
    model = resnet()
    ours = {id(weight) for weight in model.gate_weights}
    model.freeze_data_path()
    assert {id(weight) for weight in model.trainable_weights} == ours
    model.freeze_gates()
    assert not model.trainable_weights
    model.freeze_data_path(False)
    assert ours.isdisjoint(map(id, model.trainable_weights))


def test_saves_and_loads(tmp_path):
    model = undecided(resnet())
    model.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert [one.key for one in loaded.gate_calls] == [one.key for one in model.gate_calls]
    np.testing.assert_array_equal(model.predict(IMAGES), loaded.predict(IMAGES))


def test_skips_at_a_batch_of_one():
    """A `ConditionalSum` a block, and in it one for channels, with the channel gate inside."""
    model = undecided(resnet())
    small = tnn.surgery.conditional(model)
    expected = model.predict(IMAGES, verbose=0)
    one_by_one = [ops.convert_to_numpy(small(IMAGES[i : i + 1])) for i in range(4)]
    # The same sums in another order.
    np.testing.assert_allclose(np.concatenate(one_by_one), expected, rtol=1e-4, atol=1e-5)
    sums = [one for one in small.layers if isinstance(one, layers.ConditionalSum)]
    assert len(sums) == 6
    for block in sums:
        inside = [type(one) for one in block.terms[0].layers]
        assert layers.ConditionalSum in inside and layers.HardGate in inside


def test_channels_alone():
    model = undecided(resnet("width", gates.Convolutional))
    assert len(model.gates) == 6 and not model.gate_fronts
    assert all(gate.reads == ("features",) for gate in model.gates)
    small = tnn.surgery.conditional(model)
    made = ops.convert_to_numpy(small(IMAGES))
    np.testing.assert_allclose(made, model.predict(IMAGES), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"axis": "height"}, "Invalid value for `axis`. Expected 'width' or 'depth'"),
        ({"axis": ()}, "Invalid value for `axis`"),
        ({"axis": "width", "gate": gates.Recurrent}, "needs blocks, of axis 'depth'"),
        (
            {"axis": "width", "gate": functools.partial(gates.Recurrent, units=4)},
            "Received: Recurrent for 'width'",
        ),
        ({"axis": "depth"}, r"Expected gates for \('depth',\), which are gated"),
    ],
)
def test_invalid(arguments, message):
    with pytest.raises(ValueError, match=message):
        resnet(**arguments)


def test_networks_that_hand_no_features_on_say_so():
    with pytest.raises(ValueError, match="Expected the call argument `features`"):
        tnn.models.ResNet50((16, 16, 3), 4, axis="depth", width=4, gate=gates.Recurrent)


def densenet(axis=("depth", "width"), gate=None, **arguments):
    keras.utils.set_random_seed(0)
    light = functools.partial(gates.Convolutional, bottleneck=8)
    return tnn.models.DenseNet(
        (8, 8, 3),
        4,
        num_groups=2,
        axis=axis,
        gate=gate or {"depth": gates.Recurrent, "width": light},
        growth=4,
        layers_per_block=(3, 2),
        **arguments,
    )


def test_a_skipped_dense_layer_repeats_the_one_before():
    """Fig. 3: F_i = G C_i + (1 - G) F_i-1, from the second layer of a block on."""
    model = undecided(densenet("depth", gates.Recurrent))
    assert [one.key for one in model.gate_calls] == [
        "open_blocks",
        "open_blocks/2",
        "open_blocks/3",
    ]  # two in the first block, one in the second
    names = ("layer1_2_conv", "layer2_2_conv", "layer2_either", "layer3_2_conv", "layer3_either")
    made = [model.get_layer(f"block1_{name}").output for name in names]
    inside = keras.Model(model.inputs, made)([IMAGES, np.ones(4, "float32")])
    first, c2, second, c3, third = map(ops.convert_to_numpy, inside)
    chosen = decided(model)
    g2, g3 = (chosen[key].reshape(4, 1, 1, 1) for key in ("open_blocks", "open_blocks/2"))
    assert g2.mean() == 0.5
    np.testing.assert_allclose(second, g2 * c2 + (1 - g2) * first, rtol=1e-6)
    np.testing.assert_allclose(third, g3 * c3 + (1 - g3) * second, rtol=1e-6)


def test_costs_of_a_skipping_densenet():
    model = densenet()
    cost = gated_macs(model)
    sizes = [site.gate.num_groups for site in cost.sites]
    starts = dict(zip((s.key for s in cost.sites), np.cumsum([0, *sizes[:-1]]), strict=True))
    whole = np.ones((1, sum(sizes)), "float32")
    closed = whole.copy()
    closed[:, starts["open_blocks"]] = 0
    layer = 8 * 8 * (12 * 16 + 9 * 16 * 4)  # from 8 + 4 channels to 4 k, then to k, of k = 4
    gate = 4 * 4 * (12 * 8 + 9 * 8 * 4) + 4 * 1  # one of two groups is always open
    assert float(cost(whole)[0] - cost(closed)[0]) == layer + gate
    assert float(cost(whole)[0]) == cost.ungated + cost.gates.whole


def test_a_skipping_densenet_ships_and_saves(tmp_path):
    model = undecided(densenet())
    expected = model.predict(IMAGES, verbose=0)
    model.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(loaded.predict(IMAGES, verbose=0), expected)
    small = tnn.surgery.conditional(model)
    one_by_one = [ops.convert_to_numpy(small(IMAGES[i : i + 1])) for i in range(4)]
    np.testing.assert_allclose(np.concatenate(one_by_one), expected, rtol=1e-4, atol=1e-5)
    sums = [one.name for one in small.layers if isinstance(one, layers.ConditionalSum)]
    assert {f"block1_layer{n}_gate" for n in (2, 3)} | {"block2_layer2_gate"} < set(sums)


def test_densenet_100():
    """wang2019, IV-A: 16 layers a block, of which the first stays open, and growth 12."""
    model = tnn.models.DenseNet((8, 8, 3), 10, axis="depth", gate=gates.Recurrent)
    assert len(model.gate_calls) == 3 * 15 and len(model.gate_fronts) == 3 * 15
    assert [type(gate) for gate in model.gates] == [gates.Recurrent]


LIGHT = functools.partial(gates.Convolutional, bottleneck=24)


@pytest.mark.parametrize(
    ("build", "channel_gate", "millions", "share"),
    [
        (functools.partial(tnn.models.ResNet, depth=74), gates.Convolutional, 170, 0.125),
        (tnn.models.DenseNet, LIGHT, 290, 0.11),  # a DenseNet-100
    ],
    ids=["ResNet-74", "DenseNet-100"],
)
def test_what_the_gates_of_the_papers_networks_cost(build, channel_gate, millions, share):
    """wang2019, III-A and IV-C: 340 and 580 MFLOPs; gates of 12.5 % and about 11 %."""
    both = {"depth": gates.Recurrent, "width": channel_gate}
    macs = gated_macs(build((32, 32, 3), 10, axis=("depth", "width"), gate=both))
    assert macs.ungated == pytest.approx(millions * 1e6, rel=0.015)
    assert macs.gates.whole / macs.ungated == pytest.approx(share, abs=0.002)
