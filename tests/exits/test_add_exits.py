"""Where exits stand, what their heads are, and that the model's own answer stays as it is."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_tnn as tnn
from composites import Stack
from networks import CLASSES, chain, chain_with_exits, dialled, samples
from random_weights import randomized


def features_of(model: keras.Model) -> list[str]:
    """The layer in front of the head of each early exit."""
    calls = tnn.surgery.read_graph(model).calls
    made_by = {id(x): call for call in calls for x in call.outputs}
    heads = [name for name in model.exit_names[:-1]]
    first = [next(c for c in calls if c.name.startswith(f"{name}_1_")) for name in heads]
    return [made_by[id(call.inputs[0])].name for call in first]


def test_the_last_exit_answers_as_the_model():
    x, _ = samples()
    model = chain()
    expected = model.predict(x, verbose=0)
    with_exits = tnn.add_exits(model)
    np.testing.assert_array_equal(with_exits.predict(x, verbose=0)[-1], expected)
    assert with_exits.exit_names[-1] == "classes"
    assert with_exits.get_layer("conv1") is model.get_layer("conv1")


@pytest.mark.parametrize("blocks", [1, 2, 8])
def test_exits_stand_at_a_quarter_and_three_quarters_of_each_stage(blocks):
    network = tnn.models.ResNet((8, 8, 3), CLASSES, depth=6 * blocks + 2, width=2, throttled=False)
    # Blocks from 1; of one block alone both are the first, which in stage 3 is the model's last.
    numbers = {1: [1], 2: [1, 2], 8: [2, 6]}[blocks]
    expected = [f"stage{s}_block{b}_relu" for s in (1, 2, 3) for b in numbers]
    expected = [name for name in expected if name != f"stage3_block{blocks}_relu"]
    assert features_of(tnn.add_exits(network)) == expected


def stack() -> keras.Model:
    """Four residual blocks, each inside a layer, and all of them inside one."""
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", name="stem")(image)
    x = layers.GlobalAveragePooling2D()(Stack(8, name="stack")(x))
    return keras.Model(image, layers.Dense(CLASSES, name="classes")(x))


INSIDE = {
    "by default": (None, ["stack_0", "stack_2"]),
    "by name": (["stack_3_block_norm", "stack_1"], ["stack_1", "stack_3"]),
}


@pytest.mark.parametrize("places", INSIDE)
def test_exits_stand_inside_layers(places, tmp_path):
    x, _ = samples()
    at, expected = INSIDE[places]
    plain = randomized(stack())
    model = tnn.add_exits(plain, at=at)
    found = [name.removeprefix("stack_").split("_")[0] for name in features_of(model)]
    assert [f"stack_{number}" for number in found] == expected
    answers = model.predict(x, verbose=0)
    np.testing.assert_allclose(answers[-1], plain.predict(x, verbose=0), rtol=1e-5)
    assert model.exit_costs()["exit1"] < tnn.count_macs(plain)
    model.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    for one, other in zip(answers, loaded.predict(x, verbose=0), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_a_place_that_is_not_inside_a_layer_asks_for_no_copies():
    plain = stack()
    model = tnn.add_exits(plain, at="stem")
    assert model.get_layer("stack") is plain.get_layer("stack")
    assert features_of(model) == ["stem"]


def test_in_a_densenet_exits_stand_behind_the_concatenation():
    network = tnn.models.DenseNet(
        (8, 8, 3), CLASSES, growth=2, layers_per_block=(4, 4), throttled=False
    )
    expected = [f"block{b}_layer{i}_concat" for b in (1, 2) for i in (1, 3)]
    assert features_of(tnn.add_exits(network)) == expected


@pytest.mark.parametrize("axis", ["width", "depth"])
def test_gates_are_no_way_past_an_exit(axis):
    network = tnn.models.ResNet((8, 8, 3), CLASSES, depth=14, width=4, num_groups=2, axis=axis)
    plain = tnn.models.ResNet((8, 8, 3), CLASSES, depth=14, width=4, throttled=False)
    places = [name.replace("_gate", "_relu") for name in features_of(tnn.add_exits(network))]
    assert places == features_of(tnn.add_exits(plain))


def test_gates_that_read_the_features_are_no_way_past_either():
    plain = tnn.models.ResNet((8, 8, 3), CLASSES, depth=14, width=4, throttled=False)
    gate = tnn.gates.DataDependent
    gated = tnn.throttle(plain, num_groups=2, axes=("depth",), gate=gate, check=False)
    assert features_of(tnn.add_exits(gated)) == features_of(tnn.add_exits(plain))


def test_of_a_network_of_keras_applications():
    network = keras.applications.MobileNetV2((32, 32, 3), weights=None, classes=CLASSES, alpha=0.35)
    model = tnn.add_exits(network)
    assert features_of(model)[0] == "block_2_add"
    assert all(x.shape == (None, CLASSES) for x in model.outputs)


def test_named_layers_in_order_of_depth():
    model = tnn.add_exits(chain(), at=["conv2", "conv1"])
    assert features_of(model) == ["conv1", "conv2"]
    assert model.exit_names == ("exit1", "exit2", "classes")


def test_a_name_in_front_of_a_gate_is_behind_it():
    network = tnn.models.ResNet((8, 8, 3), CLASSES, depth=8, width=4, num_groups=2)
    model = tnn.add_exits(network, at=["stage1_block1_relu"])
    assert features_of(model) == ["stage1_block1_gate"]


def test_a_fine_map_is_pooled_down_to_the_last_one():
    """8x8 down to 2x2 takes two poolings, each of which doubles the channels."""
    x = image = keras.Input((8, 8, 3))
    for name, strides in (("fine", 1), ("coarse", 4)):
        x = layers.Conv2D(4, 3, strides, padding="same", name=name)(x)
    outputs = layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x))
    model = tnn.add_exits(keras.Model(image, outputs), at=["fine"])
    shapes = [model.get_layer(f"exit1_{i}_conv").output.shape[1:] for i in (1, 2)]
    assert shapes == [(4, 4, 8), (2, 2, 16)]
    way, kernels = 8 * 8 * 9 * 3 * 4, (4 * 4 * 9 * 4 * 8, 2 * 2 * 9 * 8 * 16)
    assert model.exit_costs()["exit1"] == way + sum(kernels) + 16 * CLASSES


def test_the_head_ends_as_the_model():
    x = layers.Conv2D(4, 3)(image := keras.Input((8, 8, 3)))
    features = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(x))
    logits = layers.Dense(CLASSES, use_bias=False)(features)
    model = tnn.add_exits(keras.Model(image, layers.Softmax(name="classes")(logits)))
    assert isinstance(model.get_layer("exit1"), layers.Softmax)
    assert not model.get_layer("exit1_dense").use_bias
    x, _ = samples()
    for answers in model.predict(x, verbose=0):
        np.testing.assert_allclose(answers.sum(-1), 1, rtol=1e-5)


def test_vectors_have_a_dense_layer_alone():
    network = keras.Sequential(
        [keras.Input((5,)), *(layers.Dense(4, "relu") for _ in range(4)), layers.Dense(2)]
    )
    model = tnn.add_exits(network)
    assert len(model.exit_names) == 3
    assert model.exit_costs()["exit1"] == 5 * 4 + 4 * 2


@pytest.mark.parametrize("rank", [1, 3])
def test_series_and_volumes(rank):
    conv = {1: layers.Conv1D, 3: layers.Conv3D}[rank]
    mean = {1: layers.GlobalAveragePooling1D, 3: layers.GlobalAveragePooling3D}[rank]
    x = image = keras.Input((*(6,) * rank, 2))
    for _ in range(2):
        x = conv(2, 3, padding="same")(x)
    model = tnn.add_exits(keras.Model(image, layers.Dense(CLASSES)(mean()(x))))
    assert [x.shape for x in model.outputs] == [(None, CLASSES)] * 2


def test_a_head_of_the_users():
    def head(features, name):
        return layers.Dense(CLASSES)(layers.Flatten()(features))

    def named(features, name):
        return layers.Dense(CLASSES, name=name)(layers.Flatten()(features))

    for one in (head, named):
        model = chain_with_exits(head=one)
        assert model.exit_names == ("exit1", "exit2", "classes")
        assert model.exit_costs()["exit1"] == 8 * 8 * 9 * 3 * 4 + 8 * 8 * 4 * CLASSES


def test_layers_of_nested_models_get_exits_and_run_once():
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3, name="inside")])
    x = layers.Conv2D(4, 3)(inner(image := keras.Input((8, 8, 3))))
    network = keras.Model(image, layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x)))
    x, _ = samples()
    expected = network.predict(x, verbose=0)
    model = tnn.add_exits(network, at=["inside"])
    np.testing.assert_array_equal(model.predict(x, verbose=0)[-1], expected)
    assert sum(call.name == "inside" for call in tnn.surgery.read_graph(model).calls) == 1
    assert model.up_to("exit1").get_layer("inside") is inner.get_layer("inside")


def test_heads_obey_the_dial():
    costs = [dialled().exit_costs(utilization=u) for u in (0.25, 0.5, 1.0)]
    for low, high in zip(costs, costs[1:], strict=False):
        assert all(low[name] < high[name] / 1.8 for name in low)


def test_what_cannot_be():
    model = chain()
    with pytest.raises(ValueError, match=r"names of layers of 'chain'. Received: \['conv9'\]"):
        tnn.add_exits(model, at=["conv9"])
    with pytest.raises(ValueError, match=r"before the output of 'chain'.*Received: \['classes'\]"):
        tnn.add_exits(model, at=["conv1", "classes"])
    for none_or_twice in ([], ["conv1", "conv1"]):
        with pytest.raises(ValueError, match="Expected one or more names of layers, each once"):
            tnn.add_exits(model, at=none_or_twice)
    with pytest.raises(ValueError, match=r"a tensor of shape \(None, 3\).*for 'exit1'"):
        tnn.add_exits(model, head=lambda features, name: features)
    with pytest.raises(ValueError, match="has exits already"):
        tnn.add_exits(chain_with_exits())
    two = keras.Model(model.input, [model.output, model.get_layer("pool").output])
    with pytest.raises(ValueError, match="Expected a model with one output"):
        tnn.add_exits(two)
    maps = keras.Model(model.input, model.get_layer("conv4").output)
    with pytest.raises(ValueError, match="Invalid value for `head`. A branch classifier ends"):
        tnn.add_exits(maps)
    one_block = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.Dense(2)])
    tnn.add_exits(one_block, at=[one_block.layers[0].name])
    with pytest.raises(ValueError, match="has no place for an exit by default"):
        tnn.add_exits(keras.Sequential([keras.Input((4,)), layers.Dense(2)]))


def test_a_model_without_a_graph():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match="has no graph of layers to follow"):
        tnn.add_exits(Own())


def test_outputs_are_a_list_of_one_shape():
    model = chain()
    for outputs in (model.output, [model.output], [model.output, model.get_layer("pool").output]):
        with pytest.raises(ValueError, match="Expected a list of two tensors of one shape or more"):
            tnn.exits.ExitsModel(model.input, outputs)
