import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_tnn as tnn
from keras_tnn.throttling import throttle

IMAGES = np.random.default_rng(0).normal(size=(3, 16, 16, 3)).astype("float32")


def residual_network(blocks=(2, 3), width=8):
    """A pre-trained-looking network: stages of identity blocks, each after a strided layer."""
    image = keras.Input((16, 16, 3), name="photo")
    x = image
    for stage, count in enumerate(blocks):
        x = layers.Conv2D(width * (stage + 1), 3, 2, padding="same", name=f"enter{stage}")(x)
        for block in range(count):
            branch = layers.Conv2D(x.shape[-1], 3, padding="same", name=f"conv{stage}{block}")(x)
            branch = layers.BatchNormalization()(branch)
            x = layers.ReLU()(layers.Add(name=f"add{stage}{block}")([x, branch]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(4, name="classes")(x), name="mine")


def gates_of(model, kind):
    return [x for x in model.layers if isinstance(x, kind)]


def test_keeps_weights_names_and_outputs():
    model = residual_network()
    dialled = throttle(model, num_groups=4)
    np.testing.assert_array_equal(dialled(IMAGES), model(IMAGES))
    assert dialled.name == "mine"
    assert [x.name for x in dialled.inputs] == ["photo", "utilization"]
    assert dialled.output_names == model.output_names == ["classes"]
    assert {x.name for x in model.layers} < {x.name for x in dialled.layers}
    dialled.get_layer("conv00").kernel.assign(dialled.get_layer("conv00").kernel * 0)
    assert np.any(model.get_layer("conv00").kernel)  # the weights are copies


def test_depth_opens_blocks_in_the_papers_order():
    """Stages from output to input, the block nearest the input first (hostetler2019, 5.2)."""
    dialled = throttle(residual_network((2, 3)), axes=("depth",))
    assert dialled.get_layer("open_blocks").order == list(tnn.gates.depthwise_order((2, 3)))
    assert [g.name for g in gates_of(dialled, tnn.layers.ResidualGate)] == [
        "add00_gate", "add01_gate", "add10_gate", "add11_gate", "add12_gate"
    ]  # fmt: skip
    assert not gates_of(dialled, tnn.layers.ChannelGate)
    kept = [
        sum(x.name.startswith("conv") for x in tnn.materialize(dialled, u).layers)
        for u in (0.01, 0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    assert kept == [0, 1, 2, 3, 4, 5]


def test_a_projection_shortcut_is_no_identity():
    image = keras.Input((8, 8, 4))
    x = layers.Conv2D(8, 3, padding="same")(image)
    add = layers.Add()([layers.Conv2D(8, 1)(x), layers.Conv2D(8, 3, padding="same")(x)])
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(add)))
    assert not gates_of(throttle(model, 4), tnn.layers.ResidualGate)
    with pytest.raises(ValueError, match="no residual block .* Expected 'width' among them"):
        throttle(model, 4, axes=("depth",))


def test_what_is_added_up_is_narrowed_alike():
    small = tnn.materialize(throttle(residual_network((2,)), 4, axes=("width",)), 0.5)
    assert [small.get_layer(name).filters for name in ("enter0", "conv00", "conv01")] == [4, 4, 4]


def test_groups_that_do_not_divide_the_channels_differ_by_one():
    image = keras.Input((6,))
    x = layers.Dense(10, name="hidden")(image)
    dialled = throttle(keras.Model(image, layers.Dense(2)(x)), num_groups=4)
    units = [tnn.materialize(dialled, u).get_layer("hidden").units for u in (0.25, 0.5, 0.75, 1)]
    assert units == [3, 5, 8, 10]  # ceil(10 k / 4)


def test_a_u_between_two_steps_opens_what_the_step_below_opens():
    dialled = throttle(residual_network(), num_groups=4, axes=("width",))
    macs = [tnn.count_macs(dialled, u) for u in (0.5, 0.55, 0.6, 0.75)]
    assert macs[0] == macs[1] and macs[2] == macs[3] > macs[1]  # floor(0.6 * 5) = 3 = 0.75 * 4


def test_min_groups_and_skip():
    model = residual_network()
    dialled = throttle(model, 4, min_groups=2, skip=["enter0"])
    small = tnn.materialize(dialled, 0.01)
    assert small.get_layer("enter0").filters == 8  # its residual stream stays whole with it
    assert small.get_layer("enter1").filters == 8  # two of four groups of 16
    assert "conv10" in {
        x.name for x in tnn.materialize(throttle(model, skip="conv10"), 0.01).layers
    }


def test_l1_order_opens_the_heaviest_channels_first():
    image = keras.Input((4,))
    hidden = layers.Dense(8, use_bias=False, name="hidden")
    model = keras.Model(image, layers.Dense(1, use_bias=False, name="out")(hidden(image)))
    weights = np.array([1, -8, 3, 6, -2, 7, 5, 4], "float32")
    model.get_layer("out").kernel.assign(weights[:, None])
    x = np.ones((2, 4), "float32")
    dialled = throttle(model, num_groups=4, channel_order="l1")
    np.testing.assert_array_equal(dialled(x), model(x))
    kept = tnn.materialize(dialled, 0.5).get_layer("out").kernel
    assert sorted(np.abs(kept[:, 0])) == [5, 6, 7, 8]


def test_l1_order_goes_through_layers_without_weights_that_mix():
    left, right = keras.Input((8,)), keras.Input((8,))
    x, y = layers.Dense(8)(left), layers.Dense(8)(right)
    outputs = layers.Dense(2)(layers.Concatenate()([layers.Dot(1)([x, y]), layers.Dense(8)(x)]))
    model = keras.Model([left, right], outputs)
    dialled = throttle(model, num_groups=4, channel_order="l1")
    data = list(np.random.default_rng(6).normal(size=(2, 3, 8)).astype("float32"))
    np.testing.assert_array_equal(dialled(data), model(data))
    masked = dialled([*data, np.full(3, 0.5, "float32")])
    np.testing.assert_allclose(tnn.materialize(dialled, 0.5)(data), masked, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [layers.MultiHeadAttention, layers.GroupQueryAttention])
def test_l1_order_sums_over_all_projections_of_attention(kind):
    features = keras.Input((5, 4))
    x = layers.Dense(8, use_bias=False)(features)
    size = {"output_shape": 3} if kind is layers.MultiHeadAttention else {"num_key_value_heads": 2}
    attention = kind(2, 2, **size, name="attention")
    model = keras.Model(features, layers.Dense(3)(attention(x, x)))
    heavy = np.zeros((8, 1, 1), "float32")
    for weight, channels in zip(attention.weights[:5:2], ([0, 3], [3, 5], [6]), strict=True):
        heavy[:] = 0.01
        heavy[channels] = 1
        weight.assign(np.broadcast_to(heavy, weight.shape))
    dialled = throttle(model, num_groups=4, channel_order="l1")
    kept = tnn.materialize(dialled, 0.5).get_layer("attention").weights
    biggest = np.max([np.max(weight, axis=(1, 2)) for weight in kept[:5:2]], axis=0)
    np.testing.assert_array_equal(biggest, 1)  # channels 0, 3, 5 and 6


@pytest.mark.parametrize("order", [None, "l1"])
def test_a_shared_layer_is_cut_in_one_way(order):
    left, right = keras.Input((6,)), keras.Input((6,))
    shared = layers.Dense(8, name="shared")
    x = shared(layers.Dense(8, name="left")(left))
    y = shared(layers.Dense(8, name="right")(right))
    outputs = layers.Concatenate()([layers.Dense(3)(x), layers.Dense(3)(y)])
    dialled = throttle(keras.Model([left, right], outputs), num_groups=4, channel_order=order)
    small = tnn.materialize(dialled, 0.5)
    assert [x.name for x in small.layers if x.name.startswith("shared")] == ["shared"]
    assert small.get_layer("shared").kernel.shape == (4, 4)


def test_several_inputs_and_outputs_keep_their_structure():
    left, right = keras.Input((8,), name="left"), keras.Input((8,), name="right")
    x = layers.Dense(8, activation="relu")(left)
    y = layers.Dense(8)(layers.Subtract()([x, layers.Dense(8)(right)]))
    outputs = {
        "first": layers.Dense(3, name="first")(x),
        "second": layers.Dot(1, name="dot")([x, y]),
    }
    model = keras.Model({"left": left, "right": right}, outputs)
    dialled = throttle(model, num_groups=4)
    data = {name: np.random.default_rng(1).normal(size=(5, 8)) for name in ("left", "right")}
    small = tnn.materialize(dialled, 0.5)
    wanted = dialled.predict(data, utilization=0.5, verbose=0)
    for name, value in small.predict(data, verbose=0).items():
        np.testing.assert_allclose(value, wanted[name], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(dialled(data)[name], model(data)[name])
    assert small.count_params() < model.count_params()


def test_preprocessing_stays():
    image = keras.Input((16, 16, 3))
    normalize = layers.Normalization(name="normalize")
    normalize.adapt(np.random.default_rng(2).normal(3, 2, (9, 16, 16, 3)))
    x = layers.RandomFlip(name="flip")(normalize(layers.Rescaling(1 / 255, name="scale")(image)))
    x = layers.GlobalMaxPooling2D()(layers.Conv2D(8, 3)(x))
    model = keras.Model(image, layers.Dense(2)(x))
    dialled = throttle(model, num_groups=4, strict=True)
    inference = dialled.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0)
    np.testing.assert_array_equal(*inference)  # called directly, RandomFlip flips
    small = tnn.materialize(dialled, 0.5)
    assert {"normalize", "flip", "scale"} <= {x.name for x in small.layers}
    wanted = dialled.predict(IMAGES, utilization=0.5, verbose=0)
    np.testing.assert_allclose(small.predict(IMAGES, verbose=0), wanted, rtol=1e-5, atol=1e-6)


def test_a_sequential_model_and_a_nested_one():
    body = keras.Sequential([keras.Input((16, 16, 3)), layers.Conv2D(8, 3), layers.ReLU()])
    model = keras.Sequential([keras.Input((16, 16, 3)), body, layers.Flatten(), layers.Dense(2)])
    dialled = throttle(model, num_groups=4)
    np.testing.assert_array_equal(dialled(IMAGES), model(IMAGES))
    assert tnn.count_macs(dialled, 0.5) * 2 == tnn.count_macs(model)


def test_layers_that_return_several_tensors_stay_whole():
    sequence = keras.Input((6, 4))
    x = layers.Dense(8, name="narrow")(layers.Dense(8)(sequence))
    steps, last, _ = layers.LSTM(5, return_sequences=True, return_state=True)(x)
    y = layers.Concatenate()([layers.Flatten()(layers.Dense(8)(steps)), last])
    model = keras.Model(sequence, layers.Dense(2)(y))
    dialled = throttle(model, num_groups=4, strict=True)
    x = np.random.default_rng(3).normal(size=(2, 6, 4)).astype("float32")
    small = tnn.materialize(dialled, 0.5)
    wanted = dialled.predict(x, utilization=0.5, verbose=0)
    np.testing.assert_allclose(small(x), wanted, rtol=1e-5, atol=1e-6)
    assert small.get_layer("narrow").kernel.shape == (4, 8)  # its input is cut, its output not


@keras.saving.register_keras_serializable(package="test")
class Sorted(layers.Layer):
    """A kind of layer that nobody knows: which channel is where depends on the data."""

    def call(self, x):
        return ops.take_along_axis(x, ops.argsort(x, axis=-1), axis=-1)


def with_unknown_layers():
    image = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, name="before")(image)
    x = layers.Conv2D(8, 3, name="after")(Sorted(name="one")(Sorted(name="two")(x)))
    return keras.Model(image, layers.Dense(2)(layers.Flatten()(x)))


def test_stops_short_of_layers_it_does_not_know_and_says_so_once():
    model = with_unknown_layers()
    message = r"No rule is known for the layers 'two' \(Sorted\): .*Register a rule"
    with pytest.warns(UserWarning, match=message) as warned:
        dialled = throttle(model, num_groups=4)
    assert len(warned) == 1 and warned[0].filename == __file__
    small = tnn.materialize(dialled, 0.5)
    assert [small.get_layer(name).filters for name in ("before", "after")] == [8, 4]
    with pytest.raises(ValueError, match=r"No rule is known for the layers 'two' \(Sorted\)"):
        throttle(model, num_groups=4, strict=True)


def test_a_subclass_with_a_call_of_its_own_is_another_kind():
    class Doubled(layers.ReLU):
        def call(self, x):
            return super().call(x) + ops.cast(ops.argsort(x, axis=-1), x.dtype)

    image = keras.Input((8,))
    x = Doubled(name="doubled")(layers.Dense(8)(image))
    model = keras.Model(image, layers.Dense(2)(layers.Dense(8)(x)))
    with pytest.warns(UserWarning, match=r"'doubled' \(Doubled\)"):
        dialled = throttle(model, num_groups=4)
    x = np.random.default_rng(4).normal(size=(3, 8)).astype("float32")
    wanted = dialled.predict(x, utilization=0.5, verbose=0)
    np.testing.assert_allclose(tnn.materialize(dialled, 0.5)(x), wanted, rtol=1e-5, atol=1e-6)


def test_fine_tuning_with_the_sandwich_rule_runs_the_cut_levels():
    dialled = throttle(residual_network(), num_groups=4)
    dialled.compile("adam", "mse")
    y = np.random.default_rng(5).normal(size=(3, 4))
    callbacks = [tnn.callbacks.SandwichRule()]
    history = dialled.fit(IMAGES, y, epochs=8, verbose=0, callbacks=callbacks).history["loss"]
    assert history[-1] < history[0]


def test_it_is_a_throttled_model_like_any_other(tmp_path):
    dialled = throttle(residual_network(), num_groups=4)
    dialled.compile("sgd", "mse", metrics=["mae"])
    y = np.zeros((3, 4))
    annealed = tnn.callbacks.AnnealedUtilization(start=0.5, low=0.5)
    dialled.fit(IMAGES, y, verbose=0, callbacks=[annealed])
    table = tnn.evaluate_levels(dialled, IMAGES, y, (0.5, 1.0), calibration_data=IMAGES, verbose=0)
    assert table.rows[0].macs < table.rows[1].macs
    dialled.save(tmp_path / "dialled.keras")
    again = keras.saving.load_model(tmp_path / "dialled.keras")
    np.testing.assert_array_equal(again(IMAGES), dialled(IMAGES))


def only_outputs():
    image = keras.Input((4,))
    return keras.Model(image, layers.Dense(16)(image))


def test_each_layer_says_why_its_channels_stay():
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, name="skipped")(image)
    x = layers.LSTM(4, name="states")(layers.Reshape((36, 8))(x))
    model = keras.Model(image, layers.Dense(3, name="last")(x))
    with pytest.raises(ValueError, match="no channels that may close") as found:
        throttle(model, skip=("skipped",), axes=("width",))
    assert [line for line in str(found.value).splitlines() if line[0] == "-"] == [
        "- channels of 'skipped': 'skipped' is in `skip`",
        "- channels of 'states': 'states' (LSTM) needs them whole",
        "- channels of 'last': they are outputs of the model",
    ]


class Subclassed(keras.Model):
    def call(self, x):
        return x


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: throttle(Subclassed()), "no graph of layers .* keras.Model\\(inputs, outputs\\)"),
        (lambda: throttle(keras.Sequential([layers.Dense(2)])), "no graph .* keras.Input first"),
        (lambda: throttle(tnn.models.ResNet((8, 8, 3), 2, 8)), "'utilization' already"),
        (
            lambda: throttle(residual_network(), 1000),
            "at most 16, the most channels .* num_groups=1000",
        ),
        (lambda: throttle(only_outputs()), "no channels that may close"),
        (lambda: throttle(residual_network(), 0), "Expected a positive integer.*num_groups=0"),
        (
            lambda: throttle(residual_network(), axes="width"),
            r"Expected \('width',\).*axes='width'",
        ),
        (lambda: throttle(residual_network(), axes=("height",)), "axes=\\('height',\\)"),
        (lambda: throttle(residual_network(), axes=()), "Invalid value for `axes`"),
        (lambda: throttle(residual_network(), skip=["nobody"]), r"names of layers .*\['nobody'\]"),
        (
            lambda: throttle(residual_network(), min_groups=0),
            r"in \[1, 8\]. Received: min_groups=0",
        ),
        (lambda: throttle(residual_network(), min_groups=9), r"Received: min_groups=9"),
        (lambda: throttle(residual_network(), channel_order="l2"), "Expected None or 'l1'"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_summary_says_what_is_gated_and_what_it_is_connected_to():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(8, 3, name="first")(image)
    x = keras.layers.Activation("relu")(keras.layers.BatchNormalization()(x))
    x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Conv2D(8, 3, activation="relu", name="second")(x)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Dropout(0.5)(x))
    model = throttle(keras.Model(image, keras.layers.Dense(4)(x)), num_groups=4)
    assert [layer.name for layer in model.layers if isinstance(layer, tnn.layers.ChannelGate)] == [
        "first_gate",
        "second_gate",
    ]
    lines = []
    model.summary(print_fn=lines.append)
    assert "Connected to" in "\n".join(lines)
