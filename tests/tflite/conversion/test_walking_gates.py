"""Networks of gates that remember (wang2019), from Keras to the interpreter."""

import time

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import keras_tnn as tnn
import tnn_tflite
from keras_tnn import gates
from tnn_tflite import Dispatcher
from tnn_tflite.lint import lint

SHAPE = (16, 16, 3)


def images(count=12):
    rng = np.random.default_rng(1)
    scale, shift = rng.uniform(0.5, 2, (2, count, 1, 1, 1))  # so that gates see a difference
    return (scale * rng.normal(size=(count, *SHAPE)) + shift - 1).astype("float32")


@pytest.fixture(scope="module")
def model():
    """Three blocks with two groups of channels each; every gate opens for half of the images."""
    keras.utils.set_random_seed(0)
    model = tnn.models.ResNet(
        SHAPE,
        4,
        depth=8,
        width=16,
        num_groups=2,
        axis=("depth", "width"),
        gate={"depth": gates.Recurrent, "width": gates.Convolutional},
    )
    rng = np.random.default_rng(2)
    for gate in model.learned_gates:
        kernel, bias = gate.output_logits.kernel, gate.output_logits.bias
        kernel.assign(rng.normal(0, 3, kernel.shape))
        with gates.record_decisions() as decisions:
            model(images())
        p = np.asarray(next(one.probabilities for one in decisions if one.gate is gate))
        bias.assign(np.asarray(bias) - np.median(np.log(p / (1 - p)), axis=0))
    head = model.get_layer("predictions")
    head.kernel.assign(5 * head.kernel)  # so that probabilities differ by sample
    return model


@pytest.fixture(scope="module")
def bundle(model, tmp_path_factory):
    directory = tmp_path_factory.mktemp("walking") / "bundle"
    tnn_tflite.convert(model, directory, levels=(1.0,), verbose=False)
    return directory


def opened(model):
    """What each gate opens for each image."""
    with gates.record_decisions() as decisions:
        model(images())
    return np.concatenate([np.asarray(one.values) for one in decisions], axis=1)


def test_file_and_keras_agree(model, bundle):
    assert len(np.unique(opened(model), axis=0)) > 4  # samples differ, so the file must branch
    masked = model.predict(images(), gating=0.5, verbose=0)
    # Float32 sums in another order than Keras.
    np.testing.assert_allclose(Dispatcher(bundle)(images()), masked, rtol=1e-3, atol=1e-4)


def test_channel_gates_and_groups_stand_inside_their_blocks(bundle):
    (path,) = bundle.glob("*.tflite")
    file, kinds = schema.Model.GetRootAs(path.read_bytes()), schema.BuiltinOperator
    graphs = [file.Subgraphs(i) for i in range(file.SubgraphsLength())]
    main, *branches = (
        [
            file.OperatorCodes(graph.Operators(i).OpcodeIndex()).BuiltinCode()
            for i in range(graph.OperatorsLength())
        ]
        for graph in graphs
    )
    assert main.count(kinds.IF) == 3 and sum(one.count(kinds.IF) for one in branches) == 3 * 2
    assert main.count(kinds.CONV_2D) == 3  # the stem, and two shortcuts that change shape
    # In a block the convolution of its gate, and for each group its part of both.
    assert sum(one.count(kinds.CONV_2D) for one in branches) == 3 * (1 + 2 * 2)
    plain = {kinds.TANH, kinds.LOGISTIC, kinds.MEAN, kinds.FULLY_CONNECTED}
    assert plain <= set(main), "the LSTM is a few plain operators"
    assert kinds.UNIDIRECTIONAL_SEQUENCE_LSTM not in main and kinds.LSTM not in main


def fastest_run(directory, runs=40):
    dispatcher, seconds = Dispatcher(directory), []
    for _ in range(runs):
        start = time.perf_counter()
        dispatcher(images(1))
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def test_closed_blocks_take_no_time(model, tmp_path):
    """The same network twice, with the bias of the layer gate far to one side."""
    bias, seconds = model.get_layer("open_blocks").output_logits.bias, {}
    before = bias.numpy()
    for name, shift in (("open", 1e3), ("closed", -1e3)):
        bias.assign(before + shift)
        tnn_tflite.convert(model, tmp_path / name, levels=(1.0,), verbose=False)
        seconds[name] = fastest_run(tmp_path / name)
    bias.assign(before)
    # By far the most MACs are in the blocks; calling the interpreter takes its time either way.
    assert seconds["closed"] < 0.8 * seconds["open"], seconds


def test_int8(model, tmp_path):
    directory = tmp_path / "bundle"
    arguments = {"quantization": "int8", "representative_data": images()}
    tnn_tflite.convert(model, directory, levels=(1.0,), verbose=False, **arguments)
    outputs, masked = Dispatcher(directory)(images()), model.predict(images(), verbose=0)
    # Rounding may flip a gate whose logit is near zero: of each image most gates are far from it.
    wrong = np.abs(outputs - masked).max(axis=1)
    assert np.median(wrong) < 0.03 and np.ptp(masked, axis=0).max() > 0.3
    report = lint(directory, "micro")
    assert not report.failed, str(report)


@pytest.mark.parametrize(("mode", "tolerance"), [(None, 1e-4), ("int8", 0.1)])
def test_exits_on_top_of_gates(model, tmp_path, mode, tolerance):
    """Segments from exit to exit, with an IF a block inside (wang2019, III-C).

    In integers a gate near 1/2 may fall to the other side: half of the images are alike at least.
    """
    dual = tnn.add_exits(model, at=["stage1_block1_relu", "stage2_block1_relu"])
    data = {"quantization": mode, "representative_data": images()} if mode else {}
    tnn_tflite.convert(dual, tmp_path / "bundle", levels=(1.0,), verbose=False, **data)
    answers = list(Dispatcher(tmp_path / "bundle").anytime(images()))
    assert [answer.exit for answer in answers] == list(dual.exit_names)
    for answer, expected in zip(
        answers, dual.predict(images(), gating=0.5, verbose=0), strict=True
    ):
        differ = np.abs(answer.outputs - expected).max(axis=1) > tolerance
        assert differ.sum() <= (6 if mode else 0)
