"""One file for all levels of real networks: small, and its levels compute what they should."""

import io

import keras
import numpy as np
from keras import layers

import keras_tnn as tnn
from one_file_networks import contents_of, in_float, outputs_of, own_files
from random_weights import randomized
from tnn_tflite.conversion.converter import level_content
from tnn_tflite.sharing.constants import TFLiteFile
from tnn_tflite.sharing.cut_level import cut_level
from tnn_tflite.sharing.plan import read_entry
from tnn_tflite.sharing.share import share


def entries(contents):
    shared = io.BytesIO(share(contents))
    return [read_entry(shared, i, len(level.content)) for i, level in enumerate(contents)]


def test_levels_compute_what_their_own_files_do(contents):
    for level, file in zip(contents, own_files(contents), strict=True):
        assert len(file) == len(level.content)
        expected = outputs_of(level.content)
        # The folded kernels are rounded once more: 1e-7 each.
        np.testing.assert_allclose(outputs_of(file), expected, rtol=1e-5, atol=1e-5)
    assert file == level.content  # the highest one bit by bit


def test_every_kernel_of_every_kind_is_shared(contents):
    """What lower levels add is biases, factors and the graph: no kernel."""
    for level, entry in zip(contents[:-1], entries(contents)[:-1], strict=True):
        kernels = [tensor for tensor, _ in TFLiteFile(level.content).graphs[0].kernels]
        sliced = {hole.at for hole in entry.holes if hole.source == "base"}
        large = [tensor for tensor in kernels if tensor.constant.array.nbytes >= 128]
        assert len(kernels) == 7 and len(large) >= 5
        assert {tensor.constant.at for tensor in large} <= sliced


def test_a_shared_file_runs_as_it_is(contents):
    """On every runtime that is installed; tflite-runtime needs a process of its own."""
    content = share(contents)
    for runtime in ("ai_edge_litert", "tensorflow"):
        expected = outputs_of(contents[-1].content, runtime=runtime)
        np.testing.assert_array_equal(outputs_of(content, runtime=runtime), expected)


def test_int8_weights_are_slices_of_the_full_level(int8_contents):
    for level, entry in zip(int8_contents[:-1], entries(int8_contents)[:-1], strict=True):
        (graph,) = TFLiteFile(level.content).graphs
        places = {hole.at: hole for hole in entry.holes}
        assert len(graph.kernels) == 7
        for kernel, uses in graph.kernels:
            assert kernel.type == "int8"
            if kernel.constant.array.size < 32:
                continue  # too small to be worth a hole
            assert places[kernel.constant.at].source == "base"
            assert places[kernel.scales.at].source == "base"
            for use in uses:
                assert places[graph.tensors[use.bias].scales.at].source == "level"


def test_layers_that_share_a_bias_of_zeros_share_their_weights():
    x = image = keras.Input((12, 12, 3), name="image")
    for number in range(3):
        x = layers.Conv2D(16, 3, activation="relu", name=f"conv{number}")(x)  # zeros as a bias
    outputs = layers.Dense(5, use_bias=False, name="logits")(layers.GlobalAveragePooling2D()(x))
    model = tnn.throttle(keras.Model(image, outputs), num_groups=4)
    contents = contents_of(model, (0.5, 1.0), "int8")
    low = TFLiteFile(contents[0].content)
    biases = [uses[0].bias for _, uses in low.graphs[0].kernels[:3]]
    buffers = [low.graphs[0].tensors[bias].buffer for bias in biases]
    assert len(set(buffers)) < len(buffers), "the converter stores the zeros once"
    (entry, _) = entries(contents)
    sliced = {hole.at for hole in entry.holes if hole.source == "base"}
    assert {kernel.constant.at for kernel, _ in low.graphs[0].kernels[:3]} <= sliced


def test_int8_is_as_close_to_float_as_by_its_own_scales(int8_contents):
    errors = []
    for level, file in zip(int8_contents, own_files(int8_contents), strict=True):
        reals = outputs_of(level.float_content)
        errors.append([rms(outputs_of(x) - reals) for x in (level.content, file)])
    own, regridded = np.array(errors).T
    assert (regridded < 1.5 * own).all() and regridded.mean() < 1.2 * own.mean()


def rms(x):
    return np.sqrt(np.mean(np.square(x)))


def test_depth_levels_store_their_weights_once(depth_contents):
    low, full = depth_contents
    assert len(low.content) < len(full.content)
    assert len(share(depth_contents)) < 1.1 * len(full.content)


def test_models_of_a_mapping_that_share_nothing():
    """Always correct, only larger."""
    smalls = [randomized(dense_network(units), seed=units) for units in (8, 16)]
    contents = [level_content(small, u) for small, u in zip(smalls, (0.5, 1.0), strict=True)]
    for level, file in zip(contents, own_files(contents), strict=True):
        assert file == level.content


def dense_network(units):
    image = keras.Input((12, 12, 3), name="image")
    x = layers.Dense(units, activation="relu")(layers.Flatten()(image))
    return keras.Model(image, layers.Dense(5, name="logits")(x))


def test_pruned_levels_take_rows_that_lie_apart():
    """Channels 0-3 and 8-11 of 16: runs of indices, without batch norms bit by bit."""
    image = keras.Input((12, 12, 3), name="image")
    x = layers.Conv2D(16, 3, activation="relu")(image)
    x = layers.Conv2D(16, 3, activation="relu")(x)
    plain = keras.Model(image, layers.Dense(5, name="logits")(layers.GlobalMaxPooling2D()(x)))
    model = tnn.throttle(plain, num_groups=4, gate=tnn.gates.DataIndependent)
    gates = {gate.name: [1, 0, 1, 0] for gate in model.learned_gates}
    smalls = {0.5: tnn.materialize(model, gates=gates), 1.0: plain}
    contents = [level_content(small, u) for u, small in smalls.items()]
    half, _ = entries(contents)
    runs = {hole.take for hole in half.holes if hole.source == "base"}
    assert any(take[0] == ((0, 4), (8, 4)) == take[-1] for take in runs)
    assert own_files(contents) == [level.content for level in contents]


def test_shared_kernels_with_batch_norms_of_their_own():
    """One convolution behind which two norms are folded: two kernels that look alike."""
    image = keras.Input((12, 12, 3), name="image")
    shared = layers.Conv2D(16, 3, padding="same", use_bias=False)
    narrow = layers.Conv2D(3, 1)
    a = layers.BatchNormalization()(shared(narrow(image)))
    b = layers.BatchNormalization()(shared(layers.ReLU()(narrow(image))))
    x = layers.GlobalAveragePooling2D()(layers.Add()([layers.ReLU()(a), layers.ReLU()(b)]))
    model = tnn.throttle(
        randomized(keras.Model(image, layers.Dense(5, name="logits")(x))), num_groups=4
    )
    int8 = contents_of(model, (0.5, 1.0), "int8")
    for contents, tolerance in ((in_float(int8), 1e-5), (int8, 0.1)):
        for level, file in zip(contents, own_files(contents), strict=True):
            reals = outputs_of(level.float_content or level.content)
            atol = tolerance * np.abs(reals).max()
            np.testing.assert_allclose(outputs_of(file), reals, rtol=0, atol=atol)


def test_cut_reads_only_the_rows_that_it_takes(contents):
    shared = share(contents)

    class Counted(io.BytesIO):
        count = 0

        def read(self, size=-1):
            result = super().read(size)
            Counted.count += len(result)
            return result

    cut_level(Counted(shared), 0, len(contents[0].content))
    assert Counted.count < len(contents[-1].content) / 2
