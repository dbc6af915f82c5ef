"""`throttle` hands every kind of gate what it says that it reads, and asks no gate in vain."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_tnn as tnn
from keras_tnn import gates

RNG = np.random.default_rng(1)
# Each image has colours of its own: gates that average over all positions tell them apart.
IMAGES = RNG.normal(size=(6, 8, 8, 3)) + RNG.normal(size=(6, 1, 1, 3)) * 2
IMAGES = IMAGES.astype("float32")


def assert_close(one, other):
    # Float32 sums of some hundred terms in another order.
    arrays = map(ops.convert_to_numpy, (one, other))
    np.testing.assert_allclose(*arrays, rtol=1e-4, atol=1e-4)


def resnet(depth=14):
    """Blocks with an identity shortcut, one to four of them."""
    keras.utils.set_random_seed(0)
    return tnn.models.ResNet((8, 8, 3), 4, depth=depth, width=4, throttled=False)


@keras.saving.register_keras_serializable(package="tests")
class Alternating(gates.Gate):
    """Opens a block if the one before it stayed closed and u is high: a walk over the blocks."""

    reads = ("utilization", "state")

    def open_groups(self, utilization, state=None, training=None):
        before = ops.zeros_like(utilization) if state is None else state
        opened = ops.cast(utilization > 0.5, "float32") * (1 - before)
        return ops.repeat(opened[:, None], self.num_groups, axis=1), opened


@keras.saving.register_keras_serializable(package="tests")
class Recurrent(gates.LearnedGate):
    """A cell that all gates could share reads each block's input and hands its state on."""

    reads = ("features", "state")

    def __init__(self, num_groups, **kwargs):
        super().__init__(num_groups, **kwargs)
        self.embedding = keras.layers.Dense(3, dtype="float32")
        self.cell = keras.layers.GRUCell(3, dtype="float32")
        self.output_logits = keras.layers.Dense(self.free_groups, dtype="float32")

    def build(self, utilization_shape, features_shape, state_shape=None):
        self.embedding.build((None, features_shape[-1]))
        self.cell.build((None, 3))
        self.output_logits.build((None, 3))
        self.built = True

    def logits(self, utilization, features, state=None, training=None):
        x = self.embedding(ops.mean(features, axis=(1, 2)))
        state = ops.zeros_like(x) if state is None else state
        output, (state,) = self.cell(x, [state])
        return self.output_logits(output), state


@keras.saving.register_keras_serializable(package="tests")
class Budgeted(gates.LearnedGate):
    """Reads the image and u once and decides for the whole network."""

    reads = ("utilization", "image")
    whole_network = True

    def __init__(self, num_groups, **kwargs):
        super().__init__(num_groups, **kwargs)
        self.output_logits = keras.layers.Dense(self.free_groups, dtype="float32")

    def build(self, utilization_shape, image_shape):
        self.output_logits.build((None, image_shape[-1] + 1))
        self.built = True

    def logits(self, utilization, image, training=None):
        x = ops.concatenate([ops.mean(image, axis=(1, 2)), utilization[:, None]], axis=-1)
        return self.output_logits(x)


def randomized(model):
    rng = np.random.default_rng(0)
    for gate in model.gates:
        for weight in gate.trainable_weights:
            weight.assign(rng.normal(0, 2, weight.shape))
    return model


def decided(model, *inputs):
    with gates.record_decisions() as decisions:
        model(*inputs)
    return {one.key: ops.convert_to_numpy(one.values) for one in decisions}


def test_a_state_walks_over_the_blocks():
    model = tnn.throttle(resnet(), axes=("depth",), gate=Alternating)
    chosen = decided(model, [IMAGES[:2], np.array([0.4, 1.0], "float32")])
    values = np.concatenate(list(chosen.values()), axis=1)
    assert values.tolist() == [[0, 0, 0, 0], [1, 0, 1, 0]]
    for u in (0.5, 1.0):  # what depends on u alone is cut, state and all
        small = tnn.materialize(model, u)
        masked = model([IMAGES, np.full(6, u, "float32")])
        assert_close(small(IMAGES), masked)
    given = dict(zip(chosen, ([0], [1], [1], [0]), strict=True))
    assert tnn.count_macs(tnn.materialize(model, gates=given)) == tnn.count_macs(model, 1.0)


def test_one_gate_may_walk_over_all_blocks():
    """The same object at every place: one cell, several calls."""
    shared = Alternating(1, name="walker")
    model = tnn.throttle(resnet(), axes=("depth",), gate=lambda **arguments: shared)
    assert model.gates == [shared]
    chosen = decided(model, IMAGES)
    assert list(chosen) == ["walker", "walker/2", "walker/3", "walker/4"]
    assert [value[0, 0] for value in chosen.values()] == [1, 0, 1, 0]
    cost = tnn.cost.gated_macs(model)
    row = np.array([[1.0, 0.0, 1.0, 0.0]], "float32")
    assert float(cost(ops.array(row))[0]) == tnn.count_macs(model, 1.0)


def test_the_gate_of_a_block_comes_before_the_gates_in_it():
    model = tnn.throttle(resnet(8), num_groups=2, gate=Alternating)
    order = [call.key for call in tnn.surgery.gate_calls(tnn.surgery.read_graph(model))]
    assert order.index("stage1_block1_add_open") < order.index("stage1_block1_1_conv_open")


@pytest.mark.parametrize("kind", [Recurrent, Budgeted])
def test_trains_ships_saves(kind, tmp_path):
    plain = resnet()
    model = randomized(tnn.throttle(plain, axes=("depth",), gate=kind))
    with model.gating(gates.AlwaysOn()):
        assert_close(model(IMAGES), plain(IMAGES))
    values = np.concatenate(list(decided(model, IMAGES).values()), axis=1)
    assert 0 < values.mean() < 1 and len(np.unique(values, axis=0)) > 1, "samples differ"

    share = tnn.losses.GateActivation(model)
    with gates.record_decisions() as decisions:
        model(IMAGES, training=True)
    assert share(decisions).shape == (6, 4)

    for batch in (6, 1):  # masked, and with `IF`s
        small = tnn.surgery.conditional(model, 0.5)
        assert_close(small(IMAGES[:batch]), model(IMAGES[:batch]))
    with pytest.raises(ValueError, match="depends on the data"):
        tnn.materialize(model, 0.5)

    model.compile("sgd", "sparse_categorical_crossentropy")
    towards = tnn.callbacks.BatchActivation(0.5, weight=10.0)
    history = model.fit(IMAGES, np.arange(6) % 4, verbose=0, callbacks=[towards]).history
    assert len(np.concatenate(list(history["gate_rates"][0].values()))) == 4
    model.save(tmp_path / "net.keras")
    again = keras.saving.load_model(tmp_path / "net.keras")
    assert_close(again(IMAGES), model(IMAGES))


def test_a_gate_for_the_whole_network_reads_u_beside_the_image():
    model = randomized(tnn.throttle(resnet(), axes=("depth",), gate=Budgeted))
    (low,), (high,) = (
        decided(model, [IMAGES, np.full(6, u, "float32")]).values() for u in (0.05, 1.0)
    )
    assert np.any(low != high)
    small = tnn.surgery.conditional(model, utilization=0.05)
    masked = model([IMAGES, np.full(6, 0.05, "float32")])
    assert_close(small(IMAGES), masked)


def test_a_function_makes_a_gate_for_each_place_and_no_other():
    made = []

    def gate(**arguments):
        made.append(gates.DataIndependent(**arguments))
        return made[-1]

    model = tnn.throttle(resnet(8), num_groups=4, gate=gate)
    assert {id(one) for one in made} == {id(one) for one in model.gates}
    made.clear()
    model = tnn.throttle(resnet(8), axes=("depth",), gate=gate)
    assert made == model.gates and len(made) == 1


def test_several_inputs_are_a_list_of_images():
    seen = []

    class Wide(gates.Gate):
        reads = ("image",)

        def open_groups(self, utilization, image, training=None):
            seen.append([tuple(one.shape) for one in image])
            return ops.ones((ops.shape(utilization)[0], self.num_groups))

    one, other = keras.Input((4,), name="one"), keras.Input((3,), name="other")
    x = keras.layers.Dense(4)(keras.layers.Concatenate()([one, other]))
    model = tnn.throttle(
        keras.Model({"one": one, "other": other}, keras.layers.Dense(2)(x)), 2, gate=Wide
    )
    model({"one": np.ones((5, 4)), "other": np.ones((5, 3))})
    assert seen[-1] == [(5, 4), (5, 3)]


def test_refuses_what_nobody_can_hand_to_it():
    class Guessing(gates.Gate):
        reads = ("weather",)

    with pytest.raises(ValueError, match=r"`reads` of Guessing.*\('weather',\)"):
        Guessing(2)
    with pytest.raises(ValueError, match=r"Expected the call argument `image`"):
        Budgeted(2)(1.0)
    layer = tnn.layers.ChannelGate(gate=Budgeted(2, name="budgeted"), name="held")
    with pytest.raises(ValueError, match=r"'held'.*'budgeted' reads \['image'\]"):
        layer([np.ones((1, 4), "float32"), np.ones(1, "float32")])
    with pytest.raises(ValueError, match="`gate`. Expected a class of keras_tnn.gates"):
        tnn.throttle(resnet(8), gate=lambda num_groups: gates.Nested(num_groups))
