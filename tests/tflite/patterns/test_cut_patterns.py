"""A pattern's file gives what the file with `IF`s gives, and has no `IF`."""

import itertools

import keras
import numpy as np
import pytest

from tnn_tflite.conversion.keras_to_tflite import keras_to_tflite
from tnn_tflite.dispatch.interpreter import find_runtime
from tnn_tflite.lint.operator_graph import read_operator_graph
from tnn_tflite.patterns.branched_file import BranchedFile
from tnn_tflite.patterns.flat import flattened
from tnn_tflite.patterns.flatbuffer import Table
from tnn_tflite.patterns.pattern_file import PatternFile
from tnn_tflite.sharing.merge import merge

SHAPE = (4, 4, 3)


def term(filters, name):
    x = keras.Input((*SHAPE[:2], filters))
    return keras.Model(x, keras.layers.Conv2D(filters, 3, padding="same", name=name)(x))


def network():
    """Two outputs, three conditions: two terms of one sum, and one that obeys the first gate."""
    from keras_tnn.layers import ConditionalSum

    keras.utils.set_random_seed(0)
    image, gates = keras.Input(SHAPE, name="image"), keras.Input((2,), name="gates")
    x = keras.layers.Conv2D(6, 3, padding="same")(image)
    y = ConditionalSum([term(6, "a"), term(6, "b")], [0, 1])(x, gates=gates, base=x)
    z = ConditionalSum([term(6, "c")], [0])(keras.layers.ReLU()(y), gates=gates, base=x)
    pooled = keras.layers.GlobalAveragePooling2D()(z)
    return keras.Model([image, gates], {"map": y, "scores": keras.layers.Dense(3)(pooled)})


def runner(content):
    """Runs a file with one signature: arrays by name in, arrays by name out."""
    interpreter = find_runtime().interpreter(content)
    return lambda **arrays: interpreter.get_signature_runner()(**arrays)


def load(content):
    run = runner(content)

    def ask(gates):
        found = run(gates=gates)
        return [found[str(column)] for column in range(len(found))]

    return ask


@pytest.fixture(scope="module")
def content():
    return merge({1.0: keras_to_tflite(network())[0]})


@pytest.fixture(scope="module")
def patterns(content):
    return PatternFile(content, "gates", load)


@pytest.mark.parametrize("gates", list(itertools.product((0, 1), repeat=2)))
def test_the_outputs_are_those_behind_ifs(content, patterns, gates):
    gates = np.array(gates, "float32")
    image = np.random.default_rng(0).normal(size=(1, *SHAPE)).astype("float32")
    cut = patterns.cut(gates)
    expected = runner(content)(image=image, gates=gates[np.newaxis])
    found = runner(cut)(image=image)
    assert found.keys() == expected.keys() == {"map", "scores"}
    for name, output in expected.items():
        np.testing.assert_array_equal(found[name], output)  # the same kernels in the same order
    graph = read_operator_graph(cut)
    names = [operator.name for operator in graph.operators]
    assert names.count("CONV_2D") == 1 + 2 * gates[0] + gates[1]
    assert {*names} <= {"CONV_2D", "ADD", "RELU", "MEAN", "FULLY_CONNECTED"}
    assert [tensor.name for tensor in graph.inputs] == ["image"]


def test_what_is_closed_is_not_in_the_file(content, patterns):
    weights = 4 * 9 * 6 * 6  # bytes of a term's kernel
    sizes = [len(patterns.cut(np.array(one, "float32"))) for one in ((0, 0), (0, 1), (1, 1))]
    # A bias of 24 bytes comes with it, and what describes an operator.
    assert weights < sizes[1] - sizes[0] < weights + 300
    assert 2 * weights < sizes[2] - sizes[1] < 2 * weights + 600
    assert sizes[2] < len(content) + 1000


def test_constants_stand_where_they_are_aligned(patterns):
    file = BranchedFile(patterns.cut(np.ones(2, "float32")))
    begins = [span[0] for span in file.spans if span]
    assert len(begins) > 6 and all(begin % 16 == 0 for begin in begins)


def test_a_cut_file_can_be_read_and_is_flat(patterns):
    file = BranchedFile(patterns.cut(np.ones(2, "float32")))
    assert flattened(file, lambda place: True).conditions == {}


def test_a_network_without_gates_is_refused():
    image = keras.Input(SHAPE, name="image")
    plain = keras.Model(image, keras.layers.Conv2D(2, 3)(image))
    content = merge({1.0: keras_to_tflite(plain)[0]})
    with pytest.raises(ValueError, match="no input 'gates'"):
        PatternFile(content, "gates", load)


def test_constants_among_subgraphs_are_refused(content):
    buffer = next(one for one in Table.root(content).tables(4) if one.span(0))
    begin, end = buffer.span(0)
    (place,) = (
        at
        for at in range(buffer.at, buffer.at + 16, 4)
        if at + int.from_bytes(content[at : at + 4], "little") == begin - 4
    )
    moved = (len(content) - place).to_bytes(4, "little")
    found = content[:place] + moved + content[place + 4 :] + content[begin - 4 : end]
    with pytest.raises(ValueError, match="constants that do not stand before all subgraphs"):
        BranchedFile(found)


def test_gates_that_are_used_otherwise_are_refused():
    from keras_tnn.layers import ConditionalSum

    image, gates = keras.Input(SHAPE, name="image"), keras.Input((1,), name="gates")
    x = ConditionalSum([term(3, "a")], [0])(image, gates=gates, base=image)
    x = keras.layers.Multiply()([keras.layers.Flatten()(x), gates])
    content = merge({1.0: keras_to_tflite(keras.Model([image, gates], x))[0]})
    with pytest.raises(ValueError, match="gates that are read by more than conditions"):
        PatternFile(content, "gates", load).cut(np.ones(1, "float32"))


def test_conditions_of_the_image_are_refused():
    from keras_tnn.layers import ConditionalSum

    image, gates = keras.Input(SHAPE, name="image"), keras.Input((1,), name="gates")
    mean = keras.layers.Dense(1)(keras.layers.GlobalAveragePooling2D()(image))
    both = keras.layers.Multiply()([mean, gates])
    x = ConditionalSum([term(3, "a")], [0])(image, gates=both, base=image)
    content = merge({1.0: keras_to_tflite(keras.Model([image, gates], x))[0]})
    with pytest.raises(ValueError, match="conditions that depend on more than the gates"):
        PatternFile(content, "gates", load)


def test_damage_gives_no_other_error(content):
    rng = np.random.default_rng(0)
    refused = 0
    for place in rng.integers(0, len(content), 1000):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        try:
            file = BranchedFile(bytes(damaged))
            flattened(file, lambda place: True)
        except ValueError:
            refused += 1
    assert refused
