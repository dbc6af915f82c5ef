"""`throttle(gate=...)`: where learned gates stand, what they decide on, and that cuts are exact."""

import warnings
from functools import partial

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_tnn as tnn
from keras_tnn import gates
from random_networks import HEADS, STEPS, network

# Float32 sums of some hundred terms in another order.
TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}
IMAGES = np.random.default_rng(1).normal(size=(3, 8, 8, 3)).astype("float32")


def resnet(**arguments):
    """Six layers of 8 to 16 channels: a stem, an identity block and a projection block."""
    keras.utils.set_random_seed(0)
    return tnn.models.ResNet((8, 8, 3), 4, depth=8, width=8, throttled=False, **arguments)


def structure(model):
    return {gate.name: (gate.num_groups, gate.min_groups) for gate in model.learned_gates}


def sure(model, seed: int) -> dict[str, list[int]]:
    """Makes data-independent gates all but certain, at random; returns their patterns."""
    rng, patterns = np.random.default_rng(seed), {}
    for gate in model.learned_gates:
        pattern = np.ones(gate.num_groups, int)
        pattern[gate.free] = rng.integers(0, 2, gate.free_groups)
        logits = np.where(pattern[gate.free], 30.0, -30.0)
        gate.pairs.assign(np.stack([-logits / 2, logits / 2], axis=-1))
        patterns[gate.name] = pattern.tolist()
    return patterns


def test_every_family_and_every_block_has_a_gate():
    model = tnn.throttle(resnet(), num_groups=4, gate=gates.DataIndependent)
    assert structure(model) == {
        "stem_conv_open": (4, 1),  # what the stem and the first block add up
        "stage1_block1_1_conv_open": (4, 0),  # the block may be skipped, so all may close
        "stage1_block1_add_open": (1, 0),
        "stage2_block1_1_conv_open": (4, 1),  # a projection makes no skippable block
        "stage2_block1_2_conv_open": (4, 1),
        "stage3_block1_1_conv_open": (4, 1),
        "stage3_block1_2_conv_open": (4, 1),
    }


def test_granularity_is_channels_a_gate():
    model = tnn.throttle(resnet(), axes=("width",), granularity=3, gate=gates.DataIndependent)
    assert structure(model)["stem_conv_open"] == (3, 1)  # 8 channels: 3, 3 and 2
    by_name = {"stem_conv": 2, "stage2_block1_1_conv": 16}
    model = tnn.throttle(
        resnet(), 4, axes=("width",), granularity=by_name, gate=gates.DataIndependent
    )
    assert structure(model)["stem_conv_open"] == (4, 1)
    assert structure(model)["stage3_block1_1_conv_open"] == (4, 1)  # not named: 4 groups
    # One group that must stay open leaves nothing to decide: no gate.
    assert "stage2_block1_1_conv_open" not in structure(model)


def test_joined_channels_obey_the_gate_of_each_own_layer():
    image = keras.Input((8, 8, 3))
    one, other = (keras.layers.Conv2D(n, 3, name=f"wide{n}")(image) for n in (4, 6))
    x = keras.layers.Concatenate(name="joined")([one, other])
    plain = keras.Model(image, keras.layers.Conv2D(2, 1)(x))
    model = tnn.throttle(plain, granularity=2, gate=gates.DataIndependent)
    gate = model.get_layer("joined_gate")  # 2 groups of the first layer, then 3 of the second
    assert gate.num_groups == 5 and gate.channel_groups is None  # that is, 0 0 1 1 2 2 3 3 4 4
    model = tnn.throttle(plain, granularity=3, gate=gates.DataIndependent)
    gate = model.get_layer("joined_gate")
    assert gate.channel_groups == [0, 0, 1, 1, 2, 2, 2, 3, 3, 3]


def test_locked_layers_of_one_shape_share_a_gate():
    model = tnn.throttle(
        resnet(), num_groups=4, axes=("width",), gate=gates.DataIndependent, locked=True
    )
    # In stages 2 and 3 the inner and the outer channels have one shape.
    assert len(structure(model)) == 4
    patterns = sure(model, 0)
    np.testing.assert_allclose(
        tnn.materialize(model, gates=patterns)(IMAGES), model(IMAGES), **TOLERANCE
    )


def test_a_data_dependent_gate_sees_what_its_layer_reads():
    plain = resnet()
    model = tnn.throttle(plain, num_groups=4, gate=gates.DataDependent)
    # What several layers add up is decided too late for the first of them: it stays whole.
    assert structure(model) == {
        "stage1_block1_1_conv_open": (4, 0),
        "stage1_block1_add_open": (1, 0),
        "stage2_block1_1_conv_open": (4, 1),
        "stage3_block1_1_conv_open": (4, 1),
    }
    gate = model.get_layer("stage2_block1_1_conv_open")
    features = plain.get_layer("stage2_block1_1_conv").input
    seen = keras.Model(plain.input, features)(IMAGES)
    with gates.record_decisions() as decisions:
        model(IMAGES)
    found = next(one for one in decisions if one.gate is gate)
    expected = gate.estimator.probabilities(gate.logits(None, seen))
    np.testing.assert_allclose(found.probabilities[:, 1:], expected, rtol=1e-4)


@pytest.mark.parametrize("branch_first", [False, True])
def test_the_gate_of_a_block_sees_its_shortcut(branch_first):
    image = keras.Input((8, 8, 3))
    branch = keras.layers.Conv2D(3, 3, padding="same")(image)
    terms = [branch, image] if branch_first else [image, branch]
    plain = keras.Model(image, keras.layers.Add(name="add")(terms))
    model = tnn.throttle(plain, axes=("depth",), gate=gates.DataDependent)
    gate = model.get_layer("add_open")
    gate.pairs.kernel.assign(np.random.default_rng(0).normal(size=gate.pairs.kernel.shape))
    with gates.record_decisions() as decisions:
        model(IMAGES)
    expected = gate.estimator.probabilities(gate.logits(None, IMAGES))
    np.testing.assert_allclose(decisions[0].probabilities, expected, rtol=1e-4)


@pytest.mark.parametrize("gate", [gates.DataIndependent, gates.DataDependent, gates.Blind])
def test_with_all_gates_open_it_is_the_network(gate):
    plain = resnet()
    model = tnn.throttle(plain, num_groups=4, gate=gate)
    with model.gating(gates.AlwaysOn()):
        np.testing.assert_array_equal(model(IMAGES), plain(IMAGES))
    copies = {layer.name: layer.get_weights() for layer in plain.layers}
    for name, weights in copies.items():
        for ours, theirs in zip(model.get_layer(name).get_weights(), weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("gate", [gates.Nested, gates.Independent])
def test_a_gate_that_is_not_learned_opens_a_share_of_the_blocks(gate):
    plain = tnn.models.ResNet((8, 8, 3), 4, depth=14, width=4, throttled=False)
    model = tnn.throttle(plain, axes=("depth",), gate=gate)
    blocks = [layer.index for layer in model.layers if isinstance(layer, tnn.layers.ResidualGate)]
    assert blocks == [0, 1, 2, 3]
    with gates.record_decisions() as decisions:
        model([IMAGES, np.array([0.25, 0.5, 1.0], "float32")], training=True)
    (decision,) = decisions
    # d = floor(5 u) of four blocks
    np.testing.assert_array_equal(np.asarray(decision.values).sum(axis=1), [1, 2, 4])
    small = tnn.materialize(model, 0.5)
    np.testing.assert_allclose(small(IMAGES), model([IMAGES, np.full(3, 0.5)]), **TOLERANCE)


class Bright(gates.Gate):
    """Not learned, and reads the data: open where the features are above zero on average."""

    reads = ("features",)

    def open_groups(self, utilization, features, training=None):
        mean = keras.ops.mean(features, axis=(1, 2, 3))
        return keras.ops.repeat(mean[:, None] > 0, self.num_groups, axis=1)


def test_a_gate_that_reads_the_data_has_each_block_for_itself():
    plain = tnn.models.ResNet((8, 8, 3), 4, depth=14, width=4, throttled=False)
    model = tnn.throttle(plain, axes=("depth",), gate=Bright)
    assert [gate.num_groups for gate in model.gates] == [1, 1, 1, 1]
    np.testing.assert_allclose(model(IMAGES), plain(IMAGES), **TOLERANCE)  # behind a ReLU: open


def test_blind_gate_decides_for_the_whole_network():
    model = tnn.throttle(resnet(), num_groups=4, gate=partial(gates.Blind, open_probability=0.5))
    (gate,) = model.learned_gates
    assert gate.num_groups == 6 * 4 + 1 and gate.always_open == [0, 8, 12, 16, 20]
    (block,) = [one for one in model.layers if isinstance(one, tnn.layers.ResidualGate)]
    assert block.index == 6 * 4  # after the groups of all families
    rng = np.random.default_rng(0)
    for weight in gate.weights:
        weight.assign(rng.normal(0, 1, weight.shape))
    patterns = set()
    for u in (0.1, 0.5, 1.0):  # every level is a plain network
        small = tnn.materialize(model, u)
        masked = model([IMAGES, np.full(3, u, "float32")])
        np.testing.assert_allclose(small(IMAGES), masked, **TOLERANCE)
        patterns.add(gate.pattern(u).tobytes())
    assert len(patterns) > 1, "u decides"


@settings(max_examples=25)
@given(STEPS, HEADS, st.integers(0, 100))
def test_what_gates_close_is_cut_exactly(steps, head, seed):
    model = tnn.throttle(network(steps, head), num_groups=4, gate=gates.DataIndependent)
    patterns = sure(model, seed)
    masked = model(IMAGES)  # the threshold decides as the pattern does
    # Left to Keras, a norm behind a preprocessing layer would take up that layer's training=True.
    for cut in (tnn.materialize(model, 1.0), tnn.materialize(model, gates=patterns)):
        np.testing.assert_allclose(cut(IMAGES, training=False), masked, **TOLERANCE)


@settings(max_examples=10)
@given(STEPS, HEADS)
def test_any_network_takes_data_dependent_gates(steps, head):
    plain = network(steps, head)
    try:
        model = tnn.throttle(plain, num_groups=4, gate=gates.DataDependent)
    except ValueError as error:  # every family is made by several layers
        assert "no channels that `gate` may close" in str(error)
        return
    with model.gating(gates.AlwaysOn()):
        np.testing.assert_allclose(model(IMAGES), plain(IMAGES, training=False), **TOLERANCE)


@pytest.mark.parametrize("gate", [gates.DataIndependent, gates.DataDependent, gates.Blind])
def test_saves_and_loads(gate, tmp_path):
    model = tnn.throttle(resnet(), num_groups=4, gate=gate)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(IMAGES, np.arange(3), verbose=0)
    model.save(tmp_path / "net.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = keras.saving.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(again(IMAGES), model(IMAGES))
    assert structure(again) == structure(model)
    again.fit(IMAGES, np.arange(3), verbose=0)


def test_refuses_what_does_not_fit():
    plain = resnet()
    with pytest.raises(ValueError, match="`granularity` or `locked`. Expected them with `gate`"):
        tnn.throttle(plain, granularity=4)
    with pytest.raises(ValueError, match="`granularity`. Expected a positive number"):
        tnn.throttle(plain, granularity=0, gate=gates.DataIndependent)
    with pytest.raises(ValueError, match="`granularity`. Expected names of layers"):
        tnn.throttle(plain, granularity={"stem": 4}, gate=gates.DataIndependent)
    with pytest.raises(ValueError, match="`locked`. A data-dependent gate decides for one layer"):
        tnn.throttle(plain, locked=True, gate=gates.DataDependent)
    with pytest.raises(ValueError, match="`gate`. Expected a class of keras_tnn.gates"):
        tnn.throttle(plain, gate="learned")
    with pytest.raises(ValueError, match="`gate`. Expected a class of keras_tnn.gates"):
        tnn.throttle(plain, gate=keras.layers.Dense)
    image = keras.Input((8, 8, 3))
    x = keras.layers.Add()(
        [keras.layers.Conv2D(8, 1)(image), keras.layers.Conv2D(8, 3, padding="same")(image * 2)]
    )
    two_makers = keras.Model(image, keras.layers.Conv2D(2, 1)(x))
    with pytest.raises(ValueError, match="no channels that `gate` may close"):
        tnn.throttle(two_makers, num_groups=4, gate=gates.DataDependent)
