"""A file with exits, split: in turn its parts are the whole, integer by integer."""

from collections import Counter

import keras
import numpy as np
import pytest

from keras_tnn.layers import ConditionalSum
from networks_with_exits import EXITS, SHAPE, head, images, make_network_with_exits
from tnn_tflite.conversion.keras_to_tflite import tflite_file
from tnn_tflite.dispatch.interpreter import find_runtime
from tnn_tflite.quantization.plan import plan_for
from tnn_tflite.sharing.schema import load_schema
from tnn_tflite.sharing.split import split_at_exits

DEQUANTIZE = 6  # in the schema
layers = keras.layers
DATA = images(20)


def run(content, inputs):
    runner = find_runtime().interpreter(content).get_signature_runner()
    return runner(**inputs)


def run_in_turn(files, image):
    made = []
    for file in files:
        handed = {name: made[index][output] for name, (index, output) in file.origins.items()}
        inputs = {name: handed.get(name, image) for name in file.inputs}
        made.append(run(file.content, inputs))
    return [outputs["scores"] for outputs in made]


@pytest.fixture(scope="module", params=[None, "float16", "dynamic", "int8", "int16x8"])
def whole(request):
    model = make_network_with_exits()
    data = DATA if request.param in ("int8", "int16x8") else None
    return tflite_file(model, plan_for(request.param, data, "float32", model)).content


def test_in_turn_the_parts_are_the_whole(whole, request):
    # Which kernels round activations in mode "dynamic" is up to the runtime, graph by graph.
    rounding = 5e-3 if "dynamic" in request.node.name else 0.0
    files = split_at_exits(whole, EXITS)
    for image in DATA[:3, np.newaxis]:
        expected = run(whole, {"image": image})
        found = run_in_turn(files, image)
        for name, one in zip(EXITS, found, strict=True):
            np.testing.assert_allclose(one, expected[name], rtol=0, atol=rounding)


def operators_of(content):
    model = load_schema().Model.GetRootAs(content, 0)
    return [
        model.OperatorCodes(graph.Operators(i).OpcodeIndex()).BuiltinCode()
        for graph in (model.Subgraphs(0),)
        for i in range(graph.OperatorsLength())
    ]


def test_each_operator_stands_in_one_part(whole):
    parts = [operators_of(file.content) for file in split_at_exits(whole, EXITS)]
    assert all(parts)
    found, expected = (Counter(codes) for codes in (sum(parts, []), operators_of(whole)))
    if found != expected:  # in float16 what unpacks the zeros of two biases, which are stored once
        assert found - expected == Counter({DEQUANTIZE: 1})
    assert expected <= found


def test_what_is_handed_on(whole):
    first, second, third = split_at_exits(whole, EXITS)
    assert (first.inputs, first.origins) == (("image",), {})
    assert first.outputs[0] == second.outputs[0] == third.outputs[0] == "scores"
    assert set(second.origins.values()) <= {(0, name) for name in first.outputs[1:]}
    assert {index for index, _ in third.origins.values()} <= {0, 1}
    handed = {(i, name) for i, one in enumerate((first, second)) for name in one.outputs[1:]}
    assert handed == {*second.origins.values(), *third.origins.values()}  # nothing for nobody


def test_scales_are_equal_at_both_ends():
    model = make_network_with_exits()
    files = split_at_exits(
        tflite_file(model, plan_for("int8", DATA, "float32", model)).content, EXITS
    )
    runners = [find_runtime().interpreter(f.content).get_signature_runner() for f in files]
    count = 0
    for file, runner in zip(files, runners, strict=True):
        for name, (index, output) in file.origins.items():
            here, there = runner.get_input_details(), runners[index].get_output_details()
            assert here[name]["dtype"] == there[output]["dtype"] == np.int8
            assert here[name]["quantization"] == there[output]["quantization"]
            count += 1
    assert count >= 3  # the inner layer's, the skip's, and what the last one reads


def test_exits_out_of_order():
    image = keras.Input(SHAPE, name="image")
    x = layers.Conv2D(4, 3, name="early")(image)
    content = tflite_file(keras.Model(image, [head(x, "scores"), x])).content
    with pytest.raises(ValueError, match="exits in order of depth.* Received: 'early'"):
        split_at_exits(content, ("scores", "early"))


def test_an_operator_that_runs_other_subgraphs():
    """Both sides of an IF go with it, to the segment that it stands in."""
    image = keras.Input(SHAPE, name="image")
    x = layers.Conv2D(4, 3, padding="same", name="early")(image)
    is_bright = keras.ops.mean(image, axis=(1, 2, 3)) > 0.0
    gates = keras.ops.reshape(keras.ops.cast(is_bright, "float32"), (-1, 1))
    inside = keras.Input((8, 8, 4))
    term = keras.Model(inside, layers.Conv2D(4, 3, padding="same")(inside))
    last = ConditionalSum([term], groups=[0])(x, gates=gates, base=x)
    model = keras.Model(image, [head(x, "first"), head(last, "scores")])
    content = tflite_file(model).content
    first, second = split_at_exits(content, ("first", "scores"))
    parts = [load_schema().Model.GetRootAs(one.content, 0) for one in (first, second)]
    assert [part.SubgraphsLength() for part in parts] == [1, 3]
    for x in (DATA[:1] + 1, DATA[:1] - 1):
        expected = run(content, {"image": x})
        np.testing.assert_array_equal(run_in_turn([first, second], x)[1], expected["scores"])
    assert np.any(run(content, {"image": DATA[:1] + 1})["scores"] != expected["scores"])


def test_names_that_are_taken():
    image = keras.Input((6,), name="handed_1")
    x = layers.Dense(4)(image)
    model = keras.Model(image, [layers.Dense(2, name="handed_2")(x), layers.Dense(2)(x)])
    first, second = split_at_exits(tflite_file(model).content, model.output_names)
    assert (first.outputs[1:], second.inputs) == (("handed_3",), ("handed_3",))
