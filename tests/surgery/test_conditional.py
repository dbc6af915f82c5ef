"""`conditional`: a masked model and the network that skips what its gates close, side by side."""

import keras
import numpy as np
import pytest
from keras import layers as plain_layers

import keras_tnn as tnn
from keras_tnn import gates, layers
from keras_tnn.surgery import conditional
from keras_tnn.surgery.graph import read_graph
from keras_tnn.surgery.macs import macs_of_call
from random_weights import randomized

# Masked and conditional network do the same sums in another order; float32, about ten layers.
TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}
SAMPLES = 4


def randomize(model, seed=0):
    """Random weights with norms and biases that matter, and gates that differ by sample."""
    rng = np.random.default_rng(seed)
    randomized(model, seed)
    nodes = [layer for layer in model.layers if isinstance(layer, gates.DataDependent)]
    for gate in nodes:
        gate.pairs.kernel.assign(rng.normal(0, 2, gate.pairs.kernel.shape))
        center(gate, model)
    return model


def center(gate, model):
    """Sets the bias of a model's gate so that each group opens for half of the images."""
    with gates.record_decisions() as decisions:
        model([images(model.inputs[0].shape[1:]), np.ones(SAMPLES, "float32")])
    (p,) = (np.asarray(x.probabilities)[:, gate.free] for x in decisions if x.gate is gate)
    p = np.clip(p, 1e-6, 1 - 1e-6)
    logits = np.log(p / (1 - p))
    bias = np.asarray(gate.pairs.bias)
    gate.pairs.bias.assign(bias - np.stack([0 * bias[:, 1], np.median(logits, axis=0)], axis=-1))


def images(shape=(8, 8, 3)):
    rng = np.random.default_rng(1)
    # Another mean and scale for each sample, so that gates see a difference.
    scale, shift = rng.uniform(0.5, 2, (2, SAMPLES, *(1,) * len(shape)))
    return (scale * rng.normal(size=(SAMPLES, *shape)) + shift - 1).astype("float32")


def inputs(*shape):
    return keras.Input(shape, name="image"), keras.Input((), name="utilization", optional=True)


def sample_by_sample(model, x):
    """Outputs at batch size one, where closed terms are skipped."""
    return np.concatenate([np.asarray(model(x[i : i + 1])) for i in range(len(x))])


def same(model, threshold=0.5, x=None):
    """Asserts that masked and conditional model agree; returns the latter."""
    x = images() if x is None else x
    small = conditional(model, threshold)
    for gate in model.gates:
        if isinstance(gate, gates.LearnedGate):
            gate.inference.turn(gates.Threshold(threshold).dial)
    expected = model([x, np.ones(len(x), "float32")])
    np.testing.assert_allclose(small(x), expected, **TOLERANCE)
    np.testing.assert_allclose(sample_by_sample(small, x), expected, **TOLERANCE)
    return small


def sums(model):
    return [one for one in model.layers if isinstance(one, layers.ConditionalSum)]


def chosen(model, x):
    """What the gates of a model choose: a bool array `(samples, all groups)`."""
    with gates.record_decisions() as decisions:
        model(x)
    return np.concatenate([np.asarray(decision.values) for decision in decisions], axis=1) > 0.5


def network(depth=8, width=4):
    return tnn.models.ResNet((8, 8, 3), 10, depth, width=width, throttled=False)


AXES = {
    "blocks": {"axes": ("depth",), "depth": 14},
    "channels": {"axes": ("width",), "num_groups": 4},
    "both": {"num_groups": 2},
}


@pytest.mark.parametrize("name", AXES)
def test_equals_the_masked_model(name):
    arguments = {**AXES[name]}
    plain = network(arguments.pop("depth", 8))
    model = randomize(tnn.throttle(plain, gate=gates.DataDependent, **arguments))
    small = same(model)
    assert [x.name for x in small.inputs] == ["image"]
    open_groups = chosen(small, images())
    assert 0.1 < open_groups.mean() < 0.9
    assert len({row.tobytes() for row in open_groups}) > 1  # samples choose for themselves


@pytest.mark.parametrize("threshold", [0.2, 0.8])
def test_threshold(threshold):
    model = randomize(tnn.throttle(network(), gate=gates.DataDependent, num_groups=2))
    same(model, threshold)


def test_a_higher_threshold_closes_more():
    model = randomize(tnn.throttle(network(), 2, ("width",), gate=gates.DataDependent))
    rates = [chosen(conditional(model, tau), images()).mean() for tau in (0.1, 0.5, 0.9)]
    assert rates[0] > rates[1] > rates[2]


def test_nothing_is_left_masked_in_a_residual_network():
    model = tnn.throttle(network(14), gate=gates.DataDependent, num_groups=2)
    small = conditional(model)  # a warning would be an error
    kinds = (layers.ChannelGate, layers.ResidualGate)
    assert not [call for call in read_graph(small).calls if isinstance(call.operation, kinds)]
    inner = [one for outer in sums(small) for term in outer.terms for one in sums(term)]
    # 6 families of hidden channels; 4 blocks with an identity shortcut, a gate in each of them.
    assert len(sums(small)) == 6 and len(inner) == 4


def test_a_chain_of_gated_layers():
    stages = {"filters": ((4, 4), (4,)), "dense_units": 8}
    vgg = tnn.models.VGG((8, 8, 3), 10, num_groups=2, **stages, throttled=False)
    model = randomize(tnn.throttle(vgg, 2, gate=gates.DataDependent))
    small = same(model)
    assert len(sums(small)) == 4


@pytest.mark.parametrize("min_groups", [0, 1, 3])
@pytest.mark.parametrize("channel_groups", [None, [-1] * 2 + [3, 1, 0, 0, 2, 1]])
@pytest.mark.parametrize("activation", ["relu", None])
def test_forms_of_channel_groups(min_groups, channel_groups, activation):
    image, u = inputs(8, 8, 3)
    z = gates.DataDependent(4, min_groups=min_groups, name="open")(u, features=image)
    x = plain_layers.Conv2D(8, 3, activation="relu", name="maker")(image)
    x = layers.ChannelGate(num_groups=4, channel_groups=channel_groups)([x, z])
    x = plain_layers.MaxPooling2D()(x)
    x = plain_layers.Flatten()(x)
    x = plain_layers.Dense(5, activation=activation, name="reader")(x)
    small = same(randomize(tnn.ThrottledModel([image, u], x)))
    (layer,) = sums(small)
    assert layer.groups == list(range(min_groups, 4))
    sizes = [term.get_layer("maker").filters for term in layer.terms]
    count = [2] * 4 if channel_groups is None else [2, 2, 1, 1]
    assert sizes == count[min_groups:]


def test_depthwise_and_separable_layers_between():
    image, u = inputs(8, 8, 3)
    z = gates.DataDependent(3, name="open")(u, features=image)
    x = plain_layers.Conv2D(6, 1)(image)
    x = plain_layers.DepthwiseConv2D(3, padding="same")(plain_layers.ReLU()(x))
    x = layers.ChannelGate(num_groups=3)([plain_layers.BatchNormalization()(x), z])
    x = plain_layers.SeparableConv2D(4, 3)(x)
    model = tnn.ThrottledModel([image, u], plain_layers.GlobalAveragePooling2D()(x))
    assert len(sums(same(randomize(model)))) == 1


def test_a_throttleable_layer_obeys_a_node():
    image, u = inputs(6)
    z = gates.DataDependent(4, name="open")(u, features=image)
    x = layers.ThrottleableDense(8, num_groups=4, activation="relu")([image, z])
    model = tnn.ThrottledModel([image, u], plain_layers.Dense(3)(x))
    assert len(sums(same(randomize(model), x=images((6,))))) == 1


def test_several_readers_of_one_gate():
    image, u = inputs(8, 8, 3)
    z = gates.DataDependent(2, name="open")(u, features=image)
    x = plain_layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    x = layers.ChannelGate(num_groups=2)([x, z])
    left, right = plain_layers.Conv2D(4, 3)(x), plain_layers.Conv2D(4, 3)(x)
    model = tnn.ThrottledModel([image, u], plain_layers.Concatenate()([left, right]))
    assert len(sums(same(randomize(model)))) == 2


def test_two_sums_that_are_added():
    image, u = inputs(8, 8, 3)
    branches = []
    for side in ("left", "right"):
        z = gates.DataDependent(2, name=f"{side}_open")(u, features=image)
        x = plain_layers.Conv2D(4, 3, activation="relu")(image)
        x = layers.ChannelGate(num_groups=2)([x, z])
        branches.append(plain_layers.Conv2D(4, 3)(x))
    model = tnn.ThrottledModel([image, u], plain_layers.Add()(branches))
    assert len(sums(same(randomize(model)))) == 2


def test_a_bias_before_a_norm():
    image, u = inputs(8, 8, 3)
    z = gates.DataDependent(2, name="open")(u, features=image)
    x = plain_layers.Conv2D(4, 3, activation="relu")(image)
    x = layers.ChannelGate(num_groups=2)([x, z])
    x = plain_layers.BatchNormalization()(plain_layers.Conv2D(4, 3, use_bias=True)(x))
    assert len(sums(same(randomize(tnn.ThrottledModel([image, u], x))))) == 1


def test_a_gate_before_a_block_that_is_skipped_as_a_whole():
    image, u = inputs(8, 8, 3)
    z = gates.DataDependent(2, name="open")(u, features=image)
    x = plain_layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    x = layers.ChannelGate(num_groups=2, name="before_block")([x, z])
    block = gates.DataDependent(1, name="block_open")(u, features=x)
    branch = plain_layers.Conv2D(4, 3, padding="same")(x)
    branch = layers.ResidualGate(num_groups=1, index=0)([branch, block])
    model = tnn.ThrottledModel([image, u], plain_layers.Add()([x, branch]))
    with pytest.warns(UserWarning, match=r"What the layers \['before_block'\] close is computed"):
        small = same(randomize(model))
    assert len(sums(small)) == 1


def test_what_data_independent_gates_close_is_cut():
    image, u = inputs(8, 8, 3)
    fixed = gates.DataIndependent(4, name="fixed")
    x = plain_layers.Conv2D(8, 3, padding="same", activation="relu", name="first")(image)
    x = layers.ChannelGate(num_groups=4)([x, fixed(u)])
    z = gates.DataDependent(2, name="open")(u, features=x)
    x = plain_layers.Conv2D(8, 3, padding="same", activation="relu", name="second")(x)
    x = layers.ChannelGate(num_groups=2)([x, z])
    x = plain_layers.Conv2D(4, 3, name="third")(x)
    model = randomize(tnn.ThrottledModel([image, u], x))
    fixed.pairs.assign([[0, 2.0], [0, -2.0], [0, 0.5], [0, -0.5]])  # p = 0.88 0.12 0.62 0.38
    assert same(model, 0.5).get_layer("first").filters == 4
    assert same(model, 0.7).get_layer("first").filters == 2


def test_channels_that_do_not_stay_zero_are_masked():
    image, u = inputs(8, 8, 3)
    z = gates.DataDependent(2, name="open")(u, features=image)
    x = plain_layers.Conv2D(4, 3)(image)
    x = layers.ChannelGate(num_groups=2, name="before_norm")([x, z])
    x = plain_layers.BatchNormalization()(x)
    model = tnn.ThrottledModel([image, u], plain_layers.Conv2D(4, 3)(x))
    with pytest.warns(UserWarning, match=r"What the layers \['before_norm'\] close is computed"):
        small = same(randomize(model))
    assert not sums(small)


def test_calibration_is_that_of_the_masked_model():
    model = randomize(tnn.throttle(network(), 2, ("width",), gate=gates.DataDependent))
    x = images()
    before, after = (conditional(model, calibration_data=data)(x) for data in (None, x))
    assert np.abs(np.asarray(before) - np.asarray(after)).max() > 0.01


def test_saves_and_loads(tmp_path):
    model = randomize(tnn.throttle(network(), gate=gates.DataDependent, num_groups=2))
    small = conditional(model)
    small.save(tmp_path / "small.keras")
    loaded = keras.saving.load_model(tmp_path / "small.keras")
    np.testing.assert_array_equal(loaded(images()), small(images()))


def test_leaves_the_model_alone():
    model = randomize(tnn.throttle(network(), gate=gates.DataDependent, num_groups=2))
    before = model.get_weights()
    small = conditional(model)
    for weight in small.weights:
        weight.assign(np.ones(weight.shape))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_macs_are_those_of_all_terms_and_the_gates():
    plain = network()
    model = tnn.throttle(plain, 4, ("width",), gate=gates.DataDependent)
    nodes = [call for call in read_graph(model).calls if isinstance(call.operation, gates.Gate)]
    decisions = sum(macs_of_call(call) for call in nodes)
    assert tnn.count_macs(conditional(model)) == tnn.count_macs(plain) + decisions


@pytest.mark.parametrize("threshold", [0, 1, -0.5, 2.0, "0.5", None, True, float("nan")])
def test_bad_thresholds(threshold):
    model = tnn.throttle(network(), gate=gates.DataDependent, num_groups=2)
    with pytest.raises(ValueError, match=r"`threshold`. Expected a float in \(0, 1\). Received"):
        conditional(model, threshold)


def test_a_model_that_does_not_read_the_data():
    model = tnn.throttle(network(), gate=gates.DataIndependent, num_groups=2)
    with pytest.raises(ValueError, match="no gate that reads the data.* Use `keras_tnn.materia"):
        conditional(model)


def test_a_gate_that_is_no_node():
    image, u = inputs(6)
    x = layers.ThrottleableDense(8, gate=gates.DataDependent(4), name="owner")([image, u])
    model = tnn.ThrottledModel([image, u], plain_layers.Dense(3)(x))
    with pytest.raises(ValueError, match="gate of layer 'owner' depends on the data.*is a node"):
        conditional(model)


def test_materialize_names_the_way():
    model = tnn.throttle(network(), gate=gates.DataDependent, num_groups=2)
    with pytest.raises(ValueError, match="depends on the data.*`keras_tnn.surgery.conditional`"):
        tnn.materialize(model, 0.5)
