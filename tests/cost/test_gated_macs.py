"""MACs from gates are those of the network that `materialize` cuts with the same gates."""

import functools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

import keras_tnn as tnn
from gated_networks import NETWORKS, built, locked
from keras_tnn.cost import count_macs
from keras_tnn.cost.gated_cost import GatedCost, gated_macs
from keras_tnn.layers import ChannelGate

cost_of = functools.cache(gated_macs)


def patterns_of(cost: GatedCost, draw) -> dict[str, list[int]]:
    """For each gate a pattern with its always open groups open; `draw(size)` gives the others."""
    patterns = {}
    for site in cost.sites:
        gate = site.gate
        always = sorted({*range(gate.num_groups)} - {*gate.free, *range(gate.min_groups)})
        pattern = np.array(draw(gate.num_groups))
        pattern[[*always, *range(gate.min_groups)]] = 1
        patterns[site.name] = pattern.tolist()
    return patterns


def value(cost: GatedCost, patterns) -> float:
    row = [group for site in cost.sites for group in patterns[site.name]]
    return float(cost(np.array([row], "float32"))[0])


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
@settings(max_examples=8)
@given(data=st.data())
def test_are_those_of_the_cut_network(network, data):
    model = built(network)
    cost = cost_of(model)
    bits = st.integers(0, 1)
    patterns = patterns_of(cost, lambda n: data.draw(st.lists(bits, min_size=n, max_size=n)))
    # Whole numbers below 2^24: exact in float32.
    assert value(cost, patterns) == count_macs(tnn.materialize(model, gates=patterns))


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
def test_all_open_is_the_network_without_gates(network):
    model = built(network)
    cost = cost_of(model)
    patterns = patterns_of(cost, np.ones)
    assert cost.ungated == value(cost, patterns) == count_macs(model)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
def test_are_linear_in_each_gate(network):
    """So the gradient by a gate is what opening it costs, whatever the others are."""
    cost = cost_of(built(network))
    size = sum(site.gate.num_groups for site in cost.sites)
    middle = np.random.default_rng(1).random(size).astype("float32")
    rows = np.repeat(middle[None], size, axis=0)
    closed, opened = rows.copy(), rows.copy()
    np.fill_diagonal(closed, 0)
    np.fill_diagonal(opened, 1)
    at = np.array(cost(rows))
    between = np.array(cost(closed)) * (1 - middle) + np.array(cost(opened)) * middle
    np.testing.assert_allclose(between, at, rtol=2e-6)  # float32


def test_pairs_are_put_right_only_where_they_share_a_gate():
    repairs = {one.__name__: len(cost_of(built(one)).network.repairs) for one in NETWORKS}
    # Two convolutions between four groups and the same four; the first group is always open.
    assert repairs == dict.fromkeys(repairs, 0) | {"locked": 2 * 3}


def test_gradient_of_a_locked_gate_by_hand():
    """Two 3x3 convolutions of 8 channels in the same four groups: 2 channels a group."""
    cost = cost_of(built(locked))
    z = keras.ops.convert_to_tensor([[1.0, 0.5, 0.5, 0.0]])
    s = 2.0  # sum of z
    positions = [6 * 6, 4 * 4, 2 * 2]
    # Pairs of groups: each with each other, and each with itself once.
    twice = s**2 - (1 + 2 * 0.5**2) + s
    expected = 9 * (positions[0] * 3 * 2 * s + (positions[1] + positions[2]) * 4 * twice)
    expected += 3 * 2 * s
    np.testing.assert_allclose(np.array(cost(z)), [expected], rtol=1e-6)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("open_groups", [(4, 4, 3), (2, 1, 3), (3, 2, 1)])
def test_paper_formula_of_a_mobilenet_block(stride, open_groups):
    """H W C_exp (C_in + 9 / s^2 + C_out / s^2) (herrmann2019, 3.4) with active channels."""
    size, gate = 8, tnn.gates.DataIndependent
    image = keras.Input((size, size, 5))
    u = keras.Input((), name="utilization", optional=True)
    nodes = [gate(n, min_groups=1, name=name)(u) for n, name in ((4, "in"), (4, "exp"), (3, "out"))]
    x = layers.Conv2D(8, 1)(image)  # 5 -> C_in = 8, two channels a group
    x = ChannelGate(num_groups=4)([x, nodes[0]])
    x = ChannelGate(num_groups=4)([layers.Conv2D(24, 1)(x), nodes[1]])  # six a group
    x = layers.DepthwiseConv2D(3, strides=stride, padding="same")(x)
    x = ChannelGate(num_groups=3)([layers.Conv2D(12, 1)(x), nodes[2]])  # four a group
    model = tnn.ThrottledModel([image, u], layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    c_in, c_exp, c_out = (a * b for a, b in zip((2, 6, 4), open_groups, strict=True))
    block = size**2 * c_exp * (c_in + 9 / stride**2 + c_out / stride**2)
    around = size**2 * 5 * c_in + c_out * 2
    rows = [[1] * n + [0] * (of - n) for n, of in zip(open_groups, (4, 4, 3), strict=True)]
    patterns = dict(zip(("in", "exp", "out"), rows, strict=True))
    assert value(gated_macs(model), patterns) == block + around


@pytest.mark.parametrize("d", [2, 3])
def test_throttled_models(d):
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    branch = layers.Conv2D(8, 3, padding="same")(layers.Conv2D(12, 1, activation="relu")(x))
    x = layers.GlobalAveragePooling2D()(layers.Add()([x, branch]))
    model = keras.Model(image, layers.Dense(3)(layers.Dense(6)(x)))
    model = tnn.throttle(model, num_groups=d, gate=tnn.gates.DataIndependent)
    cost, rng = gated_macs(model), np.random.default_rng(0)
    for share in (0.2, 0.5, 0.8):
        patterns = patterns_of(cost, lambda n, share=share: (rng.random(n) < share).astype(int))
        assert value(cost, patterns) == count_macs(tnn.materialize(model, gates=patterns))


def test_gates_that_see_features_count_with_the_network():
    image, u = keras.Input((4, 4, 8)), keras.Input((), name="utilization", optional=True)
    node = tnn.gates.DataDependent(2, hidden_units=16, name="seeing")(u, features=image)
    x = ChannelGate(num_groups=2)([layers.Conv2D(6, 1)(image), node])
    model = tnn.ThrottledModel([image, u], layers.Conv2D(3, 1)(x))
    cost = gated_macs(model)
    # S1.4: the pool 4 x 4 x 8, and for each of two gates 8 x 16 and 16 x 2.
    assert cost.gates.whole == 4 * 4 * 8 + 2 * (8 * 16 + 16 * 2)
    assert cost.ungated == 4 * 4 * (8 * 6 + 6 * 3)
    assert value(cost, {"seeing": [0, 1]}) == 4 * 4 * (8 * 3 + 3 * 3) + cost.gates.whole


def test_a_model_without_gates():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)], name="bare")
    with pytest.raises(ValueError, match="Model 'bare' has no gates. Expected gates of"):
        gated_macs(model)


def test_a_learned_gate_that_is_called_twice():
    image, u = keras.Input((4,)), keras.Input((), name="utilization", optional=True)
    gate = tnn.gates.DataIndependent(2, name="twice")
    x = ChannelGate(num_groups=2)([layers.Dense(4)(image), gate(u)])
    x = ChannelGate(num_groups=2)([layers.Dense(4)(x), gate(u)])
    model = tnn.ThrottledModel([image, u], layers.Dense(2)(x))
    cost = gated_macs(model)
    assert [(site.key, site.name) for site in cost.sites] == [("twice", "twice")] + [
        ("twice/2", "twice/2")
    ]
    for first, second in (([1, 0], [1, 1]), ([1, 1], [0, 1])):  # each call decides for itself
        patterns = {"twice": first, "twice/2": second}
        small = tnn.materialize(model, gates=patterns)
        assert value(cost, patterns) == count_macs(small)
        wide, deep = 2 * sum(first), 2 * sum(second)
        assert count_macs(small) == 4 * wide + wide * deep + deep * 2
    both = tnn.materialize(model, gates={"twice": [0, 1]})  # a name alone stands for all calls
    assert count_macs(both) == 4 * 2 + 2 * 2 + 2 * 2


def test_a_sum_that_either_of_two_gates_keeps_open():
    image, u = keras.Input((4,)), keras.Input((), name="utilization", optional=True)
    terms = [
        ChannelGate(num_groups=2)([layers.Dense(4)(image), tnn.gates.Nested(2, name=name)(u)])
        for name in ("one", "other")
    ]
    x = layers.Dense(3, name="reader")(layers.Add()(terms))
    model = tnn.ThrottledModel([image, u], x)
    with pytest.raises(ValueError, match=r"layers \['reader'\] are computed where one gate or"):
        gated_macs(model)


class Divided(keras.layers.Layer):
    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], shape[-1]), name="kernel")

    def call(self, x):  # an operation that no rule is for
        return keras.ops.transpose(keras.ops.solve(self.kernel, keras.ops.transpose(x)))


class Clever(tnn.gates.LearnedGate):
    def build(self, utilization_shape, features_shape=None):
        self.kernel = self.add_weight(shape=(1, self.num_groups), name="kernel")
        self.built = True

    def logits(self, utilization, features=None, training=None):
        return keras.ops.matmul(keras.ops.reshape(utilization, (-1, 1)), self.kernel)


@pytest.mark.parametrize(
    ("layer", "gate", "unknown"),
    [(Divided(name="own_kind"), tnn.gates.Nested, "own_kind"), (layers.ReLU(), Clever, "clever")],
)
def test_what_multiplies_must_have_a_rule(layer, gate, unknown):
    image, u = keras.Input((4,)), keras.Input((), name="utilization", optional=True)
    x = ChannelGate(num_groups=2)([layers.Dense(4)(image), gate(2, name="clever")(u)])
    model = tnn.ThrottledModel([image, u], layers.Dense(2)(layer(x)))
    with pytest.raises(ValueError, match=rf"no rule counts the MACs of \['{unknown}'\]"):
        gated_macs(model)


def blocks_of_gates():
    """A gated layer, and a block with gates in it, one of them in a block of its own."""
    image, u = keras.Input((4, 4, 8)), keras.Input((), name="utilization", optional=True)

    def seeing(x, size, name):
        return tnn.gates.DataDependent(size, hidden_units=2, name=name)(u, features=x)

    def gated(x, name):
        """Channels behind a gate that sees what their layer reads, mixed again."""
        channels = ChannelGate(num_groups=2)([layers.Conv2D(8, 1)(x), seeing(x, 2, name)])
        return layers.Conv2D(8, 1)(channels)

    def block(x, branch, name):
        gate = tnn.layers.ResidualGate(name=f"{name}_gate")
        return layers.Add()([x, gate([branch, seeing(x, 1, name)])])

    x = gated(image, "stem")
    inner = gated(x, "outer_channels")
    inner = block(inner, gated(inner, "inner_channels"), "inner")
    x = block(x, layers.Conv2D(8, 1)(inner), "outer")
    model = tnn.ThrottledModel([image, u], layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    for gate in model.gates:
        kernel = np.random.default_rng(len(gate.name)).normal(size=gate.pairs.kernel.shape)
        gate.pairs.kernel.assign(3 * kernel)
    return model


def test_a_gate_in_a_block_costs_only_where_the_block_is_open():
    cost = gated_macs(blocks_of_gates())
    # The pool 4 x 4 x 8, and for each group 8 x 2 and 2 x 2.
    one, two = 4 * 4 * 8 + 8 * 2 + 2 * 2, 4 * 4 * 8 + 2 * (8 * 2 + 2 * 2)
    everything = {site.name: [1] * site.gate.num_groups for site in cost.sites}
    outside = two + one  # the stem's gate and that of the outer block
    inside = two + one  # that of the channels in it, and that of the inner block
    deepest = two
    for outer, inner, expected in (
        (1, 1, outside + inside + deepest),
        (1, 0, outside + inside),
        (0, 1, outside),
        (0, 0, outside),
    ):
        patterns = everything | {"outer": [outer], "inner": [inner]}
        row = [group for site in cost.sites for group in patterns[site.name]]
        row = np.array([row], "float32")
        assert float(cost.gates(row)[0]) == expected
        assert float(cost(row)[0]) == float(cost.network(row)[0]) + expected


def test_the_gates_that_a_device_computes_are_those_that_cost():
    """In a conditional model a gate in a block stands in the block's term."""
    model = blocks_of_gates()
    small = tnn.surgery.conditional(model, 0.5)
    names = {layer.name for layer in small.layers}
    assert {"stem", "outer"} <= names
    assert names.isdisjoint({"outer_channels", "inner_channels", "inner"})
    images = np.random.default_rng(0).normal(size=(5, 4, 4, 8)).astype("float32")
    np.testing.assert_allclose(small(images), model(images), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(small(images[:1]), model(images[:1]), rtol=1e-4, atol=1e-5)


def held_twice():
    """A layer that holds its gate, called twice."""
    image, u = keras.Input((8,)), keras.Input((), name="utilization", optional=True)
    gate = tnn.gates.DataDependent(4, min_groups=1, name="own")
    layer = tnn.layers.ThrottleableDense(8, gate=gate, name="held")
    x = layers.Activation("relu")(layer([image, u]))
    return tnn.ThrottledModel([image, u], layers.Dense(3)(layer([x, u])))


def nested_twice():
    """A nested model that holds a gate, called twice; another gate outside has the same name."""
    image, u = keras.Input((8,)), keras.Input(())
    gate = tnn.gates.DataDependent(4, min_groups=1, name="gate")
    x = ChannelGate(num_groups=4)([layers.Dense(8)(image), gate(u, image)])
    inner = keras.Model([image, u], x)
    image, u = keras.Input((8,)), keras.Input((), name="utilization", optional=True)
    x = layers.Dense(8)(inner([image, u]))
    outside = tnn.gates.DataIndependent(4, min_groups=1, name="gate")(u)
    x = inner([ChannelGate(num_groups=4)([x, outside]), u])
    return tnn.ThrottledModel([image, u], layers.Dense(3)(x))


@pytest.mark.parametrize(
    ("network", "keys", "names"),
    [
        (held_twice, ["own", "own/2"], ["held", "held/2"]),
        (nested_twice, ["gate", "gate/2", "gate/3"], ["gate", "gate/2", "gate/3"]),
    ],
)
def test_calls_in_the_graph_are_the_decisions_of_a_pass(network, keys, names):
    model, rng = network(), np.random.default_rng(0)
    for gate in model.gates:
        for weight in gate.trainable_weights:
            weight.assign(rng.normal(0, 2, weight.shape))
    images = rng.normal(size=(16, 8)).astype("float32")
    cost = gated_macs(model)
    with tnn.gates.record_decisions() as decisions:
        outputs = np.array(model(images))
    assert [one.key for one in decisions] == [site.key for site in cost.sites] == keys
    assert [site.name for site in cost.sites] == names
    values = [np.array(one.values) for one in decisions]
    for sample in (0, 5):
        chosen = [value[sample % len(value)] for value in values]  # alike for all: one row
        small = tnn.materialize(model, gates=dict(zip(names, chosen, strict=True)))
        np.testing.assert_allclose(small(images)[sample], outputs[sample], rtol=1e-4, atol=1e-5)
        network_cost = cost.network(np.concatenate(chosen)[None])
        assert float(network_cost[0]) == count_macs(small)
