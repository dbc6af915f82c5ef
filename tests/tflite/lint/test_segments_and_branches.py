"""Bundles without levels: segments, some with an `IF` for each block, on tflite-micro's kernels."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

import keras_tnn as tnn
from tnn_tflite import convert
from tnn_tflite.command.lint import main
from tnn_tflite.lint import lint, read_operator_graph

ARENA = 1_000_000  # bytes, more than this network needs
X = np.random.default_rng(0).normal(size=(32, 8, 8, 3)).astype("float32")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A block that may be skipped, an exit behind the next one."""
    keras.utils.set_random_seed(0)
    plain = tnn.models.ResNet((8, 8, 3), 4, depth=8, width=4, throttled=False)
    gated = tnn.throttle(plain, axes=("depth",), gate=tnn.gates.Recurrent)
    for gate in gated.learned_gates:  # so that some samples open the block, and some do not
        kernel = gate.output_logits.kernel
        kernel.assign(np.random.default_rng(1).normal(0, 4, kernel.shape))
        gate.output_logits.bias.assign([0.3])  # in the middle of what these samples give
    model = tnn.add_exits(gated, at=["stage2_block1_relu"])
    arguments = {"quantization": "int8", "representative_data": X, "verbose": False}
    return convert(model, tmp_path_factory.mktemp("b") / "b", levels=(1.0,), **arguments)


def test_segments_with_branches_are_linted(bundle, capsys):
    names = [
        one.name for one in read_operator_graph(bundle.read_level(bundle.segments[0])).operators
    ]
    assert "IF" in names
    report = lint(bundle.directory, "micro")
    assert (report.failed, report.levels, report.kind) == (False, 2, "programs")
    assert main([str(bundle.directory), "--target=coral"]) == 1
    printed = capsys.readouterr().out
    row = next(line for line in printed.splitlines() if " IF " in line)
    assert row.split()[0] == bundle.segments[0].name and " operator  fails " in row
    assert "coral: 2 programs, " in printed
    with pytest.raises(ValueError, match="Invalid value for `order`. Expected none without levels"):
        lint(bundle.directory, "micro", order=(0.5,))


def test_they_run_on_tflite_micro(bundle):
    """Exit after exit, with the integers handed on by name as the bundle's edges say."""
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    origins = {(one.target, one.input): (one.source, one.output) for one in bundle.edges}
    contents = {one.name: bundle.read_level(one) for one in bundle.segments}
    micro = {k: runtime.Interpreter.from_bytes(v, arena_size=ARENA) for k, v in contents.items()}
    kernels = {"experimental_op_resolver_type": OpResolverType.BUILTIN_REF}
    other = {k: Interpreter(model_content=v, **kernels) for k, v in contents.items()}
    for x in X[:6]:
        made, expected = {}, {}
        for segment in bundle.segments:
            graph = read_operator_graph(contents[segment.name])
            given = {s.name: origins.get((segment.name, s.name)) for s in segment.inputs}
            for place, tensor in enumerate(graph.inputs):
                origin = given[tensor.name]
                micro[segment.name].set_input(x[None] if origin is None else made[origin], place)
            micro[segment.name].invoke()
            run = other[segment.name].get_signature_runner()
            found = run(**{k: x[None] if o is None else expected[o] for k, o in given.items()})
            for place, tensor in enumerate(graph.outputs):
                made[segment.name, tensor.name] = micro[segment.name].get_output(place).copy()
                expected[segment.name, tensor.name] = found[tensor.name]
            answer = (segment.name, segment.outputs[0].name)
            # Probabilities in steps of 1/256, of kernels that round near a tie otherwise.
            np.testing.assert_allclose(made[answer], expected[answer], atol=2.01 / 256)
