import keras
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import keras_tnn as tnn
from keras_tnn import gates, layers
from random_weights import randomized

# Masked and cut network do the same sums in another order; float32, about ten layers.
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}


def same(model, u, shape=(16, 16, 3)):
    """Asserts that the cut model equals the masked one; returns the cut model."""
    x = np.random.default_rng(1).normal(size=(4, *shape)).astype("float32")
    small = tnn.materialize(model, u)
    np.testing.assert_allclose(small(x), model([x, np.full(4, u, "float32")]), **TOLERANCE)
    return small


def inputs(*shape):
    return keras.Input(shape, name="image"), keras.Input((), name="utilization", optional=True)


ARCHITECTURES = {
    "vgg": lambda: tnn.models.VGG(
        (16, 16, 3), 10, num_groups=4, filters=((8, 8), (16,)), dense_units=32
    ),
    "vgg_independent": lambda: tnn.models.VGG(
        (16, 16, 3), 10, 4, filters=((8, 8), (16,)), dense_units=32, gate=gates.Independent
    ),
    "resnet": lambda: tnn.models.ResNet((16, 16, 3), 10, depth=14),
    "resnet_depth": lambda: tnn.models.ResNet((16, 16, 3), 10, depth=14, axis="depth"),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_equals_the_masked_model(name):
    model = randomized(ARCHITECTURES[name]())
    sizes = [same(model, u).count_params() for u in (0.01, 0.25, 0.4, 0.5, 0.75, 1.0)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1] / 2
    assert sizes[-1] == model.count_params()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_leaves_the_model_alone_and_is_plain(name, tmp_path):
    model = ARCHITECTURES[name]()
    before = model.get_weights()
    small = tnn.materialize(model, 0.5)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert {type(x).__module__.split(".")[0] for x in small.layers} == {"keras"}
    assert [x.name for x in small.inputs] == ["image"]
    small.save(tmp_path / "small.keras")
    x = np.ones((2, 16, 16, 3), "float32")
    again = keras.saving.load_model(tmp_path / "small.keras")
    np.testing.assert_array_equal(again(x), small(x))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_says_of_each_weight_what_it_is_a_slice_of(name):
    model = randomized(ARCHITECTURES[name]())
    whole = {weight.path: weight for weight in model.weights}
    cut = tnn.surgery.cut_out(model, 0.5)
    assert {id(one.target) for one in cut.slices} == {id(weight) for weight in cut.model.weights}
    for one in cut.slices:
        expected = np.asarray(whole[one.origin])[np.ix_(*one.kept)]
        np.testing.assert_array_equal(one.target, expected)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("pool", [keras.layers.MaxPooling2D, keras.layers.AveragePooling2D])
def test_zeros_before_a_norm_are_constants_after_it(padding, activation, pool):
    """Gate, then norm: what the gate closes is folded, or put back where padding matters."""
    image, u = inputs(16, 16, 3)
    x = layers.ThrottleableConv2D(8, 3, num_groups=4)([image, u])
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Activation(activation)(x)
    x = layers.ThrottleableConv2D(8, 3, num_groups=2, padding=padding)([x, u])
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.DepthwiseConv2D(3, padding=padding, depth_multiplier=2)(x)
    x = pool(2)(keras.layers.ZeroPadding2D(1)(x))
    x = layers.ThrottleableSeparableConv2D(8, 3, num_groups=4, padding=padding)([x, u])
    x = keras.layers.Flatten()(keras.layers.BatchNormalization()(x))
    model = tnn.ThrottledModel([image, u], keras.layers.Dense(3)(x))
    for level in (0.25, 0.5, 1.0):
        same(randomized(model), level)


def test_every_layer_of_ours_is_cut():
    image, u = inputs(16, 16, 8)
    x = layers.ThrottleableDepthwiseConv2D(3, num_groups=4, padding="same")([image, u])
    x = keras.layers.Conv2D(24, 1, groups=8)(x)
    x = layers.GroupedSum(num_groups=4)([x, u])
    x = keras.layers.Concatenate()([x, layers.ChannelGate(num_groups=2)([image, u])])
    branch = layers.ResidualGate()([keras.layers.Conv2D(14, 3, padding="same")(x), u])
    x = keras.layers.Add()([x, branch])
    x = layers.ChannelGate(gate=gates.Nested(7, min_groups=1, normalize=True))([x, u])
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = layers.ThrottleableDense(8, num_groups=4, activation="sigmoid")([x, u])
    model = tnn.ThrottledModel([image, u], keras.layers.Dense(3, activation="softmax")(x))
    sizes = [same(randomized(model), v, (16, 16, 8)).count_params() for v in (0.2, 0.4, 0.6, 1.0)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1]


@pytest.mark.parametrize("rank", [1, 3])
def test_convolutions_of_other_ranks(rank):
    conv = {1: layers.ThrottleableConv1D, 3: layers.ThrottleableConv3D}[rank]
    shape = (6,) * rank + (3,)
    image, u = inputs(*shape)
    x = conv(8, 3, num_groups=4)([image, u])
    x = conv(8, 3, num_groups=2, padding="same")([x, u])
    model = tnn.ThrottledModel([image, u], keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    same(randomized(model), 0.5, shape)


def test_a_layer_without_a_rule_keeps_its_input_whole():
    @keras.saving.register_keras_serializable(package="test")
    class Reverse(keras.layers.Layer):
        def call(self, x):
            return x[..., ::-1]

    image, u = inputs(8, 8, 3)
    x = layers.ThrottleableConv2D(8, 3, num_groups=4)([image, u])
    x = keras.layers.Conv2D(4, 3)(Reverse()(x))
    model = tnn.ThrottledModel([image, u], keras.ops.mean(x, axis=(1, 2)) * 2.0)
    small = same(randomized(model), 0.5, (8, 8, 3))
    assert small.layers[1].filters == 4  # the convolution before it is cut all the same


def test_a_user_teaches_a_layer_of_theirs():
    @keras.saving.register_keras_serializable(package="test")
    class Scale(keras.layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=(shape[-1],), initializer="ones")

        def call(self, x):
            return x * self.scale

    @tnn.surgery.rule(Scale)
    class ScaleRule(tnn.surgery.PerChannel):
        def fill(self, call, fill):
            return fill * call.operation.scale.numpy()

    image, u = inputs(8, 8, 3)
    x = Scale(name="scale")(layers.ThrottleableConv2D(8, 3, num_groups=4)([image, u]))
    model = tnn.ThrottledModel([image, u], keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    model.get_layer("scale").scale.assign(np.arange(1.0, 9))
    assert same(model, 0.5, (8, 8, 3)).get_layer("scale").scale.shape == (4,)


def test_a_shared_layer_is_cut_once_for_each_way_it_is_used():
    image, u = inputs(8, 8, 4)
    shared = keras.layers.Conv2D(8, 3, padding="same", name="shared")
    first = layers.ChannelGate(num_groups=4)([shared(image), u])
    second = layers.ChannelGate(num_groups=2, gate=gates.Nested(2, order=[1, 0]))(
        [shared(layers.ChannelGate(num_groups=2)([image, u])), u]
    )
    x = keras.layers.Flatten()(keras.layers.Concatenate()([first, second]))
    model = tnn.ThrottledModel([image, u], keras.layers.Dense(2)(x))
    small = same(randomized(model), 0.5, (8, 8, 4))
    assert sorted(x.name for x in small.layers if "shared" in x.name) == ["shared", "shared_1"]
    assert sum("shared" in x.name for x in same(model, 1.0, (8, 8, 4)).layers) == 1


STEPS = st.one_of(
    st.tuples(st.just("conv"), st.sampled_from(["same", "valid"])),
    st.tuples(
        st.just("gate"), st.sampled_from([2, 4, 8]).flatmap(lambda d: st.permutations(range(d)))
    ),
    st.tuples(st.sampled_from(["norm", "add", "concat", "depthwise"]), st.none()),
)


def network(steps):
    """A network of gated convolutions, branches, sums and concatenations."""
    image, u = inputs(8, 8, 3)
    x = keras.layers.Conv2D(8, 3, padding="same")(image)
    for kind, how in steps:
        if kind == "conv":
            x = layers.ThrottleableConv2D(8, 2, num_groups=4, padding=how)([x, u])
        elif kind == "norm":
            x = keras.layers.Activation("softplus")(keras.layers.BatchNormalization()(x))
        elif kind == "gate":
            gate = gates.Nested(len(how), min_groups=1, order=how)
            x = layers.ChannelGate(gate=gate)([x, u])
        elif kind == "add":
            branch = keras.layers.Conv2D(8, 3, padding="same")(x)
            x = keras.layers.Add()([x, layers.ResidualGate()([branch, u])])
        elif kind == "concat":
            other = layers.ThrottleableConv2D(4, 1, num_groups=2)([x, u])
            x = keras.layers.Conv2D(8, 1)(keras.layers.Concatenate()([other, x]))
        else:
            x = keras.layers.DepthwiseConv2D(2, padding="same")(x)
    x = layers.ChannelGate(num_groups=8)([x, u])
    x = keras.layers.Dense(3)(keras.layers.Flatten()(x))
    return tnn.ThrottledModel([image, u], x)


@settings(max_examples=25, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=4), st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9]))
def test_random_networks(steps, u):
    model = randomized(network(steps))
    try:
        tnn.materialize(model, u)
    except ValueError as error:  # gates in different orders may leave no group open in both
        assert "Nothing is left" in str(error)
        assume(False)
    less, more = same(model, u, (8, 8, 3)), same(model, 1.0, (8, 8, 3))
    assert tnn.count_macs(less) <= tnn.count_macs(more)


@pytest.mark.parametrize("u", [0, 1.5, -1, float("nan"), "half", None])
def test_refuses_invalid_utilization(u):
    with pytest.raises(ValueError, match=r"Expected a float in \(0, 1\]. Received: utilization="):
        tnn.materialize(ARCHITECTURES["vgg"](), u)


@pytest.mark.parametrize("threshold", [0, 1, "half"])
def test_refuses_an_invalid_threshold(threshold):
    with pytest.raises(ValueError, match=r"Expected a float in \(0, 1\). Received: threshold="):
        tnn.materialize(ARCHITECTURES["vgg"](), threshold=threshold)


def test_refuses_models_without_a_dial():
    plain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="has no throttled layer"):
        tnn.materialize(plain, 0.5)
    image, u = inputs(4)
    unused = keras.Model([image, u], keras.layers.Dense(2)(image))
    with pytest.raises(ValueError, match="has no throttled layer"):
        tnn.materialize(unused, 0.5)

    class Subclassed(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="has no graph of layers to follow"):
        tnn.materialize(Subclassed(), 0.5)


def test_refuses_to_leave_nothing():
    image, u = inputs(4)
    x = layers.ThrottleableDense(8, num_groups=4, min_groups=0)([image, u])
    model = tnn.ThrottledModel([image, u], keras.layers.Dense(2)(x))
    with pytest.raises(
        ValueError, match="Nothing is left of the network before .* Raise `min_groups`"
    ):
        tnn.materialize(model, 0.01)


def test_refuses_gates_that_depend_on_the_data():
    image, u = inputs(4)
    x = keras.layers.Dense(8)(image)
    x = layers.ChannelGate(num_groups=4)([x, keras.layers.Dense(4)(image)])
    x = layers.ChannelGate(num_groups=4)([x, u])
    model = tnn.ThrottledModel([image, u], keras.layers.Dense(2)(x))
    with pytest.raises(ValueError, match="depends on the data"):
        tnn.materialize(model, 0.5)


def test_a_tensor_without_a_channel_axis_passes_through():
    image, u = inputs(8, 8, 3)
    x = layers.ThrottleableConv2D(8, 3, num_groups=4)([image, u])
    model = tnn.ThrottledModel([image, u], keras.ops.mean(x, axis=(1, 2, 3)) + 1.0)
    same(randomized(model), 0.5, (8, 8, 3))
