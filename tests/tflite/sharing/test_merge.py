"""Levels as signatures of one file: what runtimes that read TFLite only give for each."""

import io

import keras
import numpy as np
import pytest
from keras import layers

from one_file_networks import IMAGES, outputs_of
from random_weights import randomized
from tnn_tflite.conversion.converter import level_content
from tnn_tflite.sharing.constants import TFLiteFile
from tnn_tflite.sharing.cut_level import cut_level
from tnn_tflite.sharing.merge import merge
from tnn_tflite.sharing.schema import load_schema
from tnn_tflite.sharing.share import share

FEW = IMAGES[:2]


@pytest.fixture(scope="module")
def merged(depth_contents):
    return share(depth_contents, "signatures")


@pytest.mark.parametrize("runtime", ["ai_edge_litert", "tensorflow"])
def test_each_signature_is_its_level(depth_contents, merged, runtime):
    for level in depth_contents:
        outputs = outputs_of(merged, FEW, runtime, f"u{level.utilization}")
        # Kernels may add in another order where several subgraphs share their weights.
        np.testing.assert_allclose(outputs, outputs_of(level.content, FEW), rtol=1e-5, atol=1e-5)


def test_each_signature_on_tflite_runtime(depth_contents, merged, run_alone, tmp_path):
    pytest.importorskip("tflite_runtime", reason="published for Python up to 3.11")
    (tmp_path / "merged.tflite").write_bytes(merged)
    np.save(tmp_path / "image.npy", FEW[:1])
    program = """
import sys
import numpy as np
from tflite_runtime.interpreter import Interpreter

folder = sys.argv[1]
image = np.load(folder + "/image.npy")
for key in sys.argv[2:]:
    interpreter = Interpreter(folder + "/merged.tflite")
    np.save(folder + "/" + key, interpreter.get_signature_runner(key)(image=image)["logits"])
"""
    keys = [f"u{level.utilization}" for level in depth_contents]
    done = run_alone(program, tmp_path, *keys)
    assert done.returncode == 0, done.stderr
    for level, key in zip(depth_contents, keys, strict=True):
        expected = outputs_of(level.content, FEW[:1])
        np.testing.assert_allclose(np.load(tmp_path / f"{key}.npy"), expected, rtol=1e-5, atol=1e-5)


def test_a_level_taken_from_it_is_its_own_file(depth_contents, merged):
    for index, level in enumerate(depth_contents):
        assert cut_level(io.BytesIO(merged), index, len(level.content)) == level.content


def test_the_plan_behind_it_stores_no_weight_again(depth_contents, merged):
    base = merge({level.utilization: level.content for level in depth_contents})
    assert merged.startswith(base)
    assert len(merged) < 1.05 * len(base)


def test_the_first_subgraph_is_the_highest_level(depth_contents, merged):
    """What a runtime without signatures runs."""
    low, full = (
        [k.shape for k, _ in TFLiteFile(x.content).graphs[0].kernels] for x in depth_contents
    )
    assert low != full == [kernel.shape for kernel, _ in TFLiteFile(merged).graphs[0].kernels]


def test_the_converter_says_of_itself_once(merged):
    model = load_schema().Model.GetRootAs(merged, 0)
    names = [model.Metadata(i).Name() for i in range(model.MetadataLength())]
    assert len(names) == len(set(names)) > 0


def test_equal_weights_are_stored_once():
    """Two levels with the same network: the second one adds a graph and no weight."""
    image = keras.Input((12, 12, 3), name="image")
    x = layers.Dense(64)(layers.Flatten()(image))
    model = randomized(keras.Model(image, layers.Dense(5, name="logits")(x)))
    content = level_content(model, 1.0).content
    weights = 4 * (12 * 12 * 3 * 64 + 64 * 5)
    assert len(merge({0.5: content, 1.0: content})) < len(content) + 4000 < 2 * weights


def test_buffers_are_aligned(merged):
    places = [x.constant.at for x in TFLiteFile(merged).tensors() if x.constant is not None]
    assert places and not [at for at in places if at % 16]


def test_subgraphs_of_an_if_move_with_their_level():
    """Each level has three subgraphs; the second level's `IF` must name its own."""
    import tensorflow as tf

    files = {}
    for utilization, factor in ((0.5, 10.0), (1.0, 100.0)):

        @tf.function(input_signature=[tf.TensorSpec((1, 2), tf.float32, name="image")])
        def serve(image, factor=factor):
            logits = tf.cond(tf.reduce_sum(image) > 0, lambda: image * factor, lambda: -image)
            return {"logits": logits}

        concrete = serve.get_concrete_function()
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())
        files[utilization] = converter.convert()
    merged = merge(files)
    images = np.array([[1, 2], [-1, -2]], "float32")
    for key, factor in (("u0.5", 10), ("u1.0", 100)):
        expected = [[factor, 2 * factor], [1, 2]]
        np.testing.assert_array_equal(outputs_of(merged, images, signature=key), expected)


def test_a_file_with_several_signatures(merged):
    with pytest.raises(ValueError, match="Expected one signature in each file. Received: 2"):
        merge({1.0: merged})
