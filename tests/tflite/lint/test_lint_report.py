"""The report of a bundle: what is printed, in which order, and the exit status."""

import keras
import pytest

from tiny_files import convolutions_file, layers_file
from tnn_tflite import BundleError, read_bundle
from tnn_tflite.bundle.program_content import LevelContent
from tnn_tflite.bundle.programs import TensorSpec
from tnn_tflite.bundle.writer import write_bundle
from tnn_tflite.command.lint import main
from tnn_tflite.lint import TARGETS, lint, lint_graphs, read_operator_graph

IMAGE = TensorSpec("image", (8, 8, 4), "int8")


def bundle_of(directory, contents, output):
    levels = [
        LevelContent(content, (IMAGE,), (output,), macs=1, parameters=1, utilization=utilization)
        for utilization, content in contents.items()
    ]
    return write_bundle(directory, levels).directory


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    content = convolutions_file()
    directory = tmp_path_factory.mktemp("lint") / "clean"
    features = TensorSpec("features", (12,), "int8")
    return bundle_of(directory, {0.25: content, 0.5: content, 1.0: content}, features)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """The upper level has an activation that the Edge TPU does not have."""
    convolution = keras.layers.Conv2D(4, 3, padding="same")
    levels = {
        0.5: layers_file(convolution),
        1.0: layers_file(convolution, keras.layers.LeakyReLU()),
    }
    directory = tmp_path_factory.mktemp("lint") / "faulty"
    return bundle_of(directory, levels, TensorSpec("image", (8, 8, 4), "int8"))


@pytest.mark.parametrize("target", sorted({*TARGETS} - {"web"}))  # which takes no int8 at its ends
def test_a_clean_bundle(clean, target, capsys):
    assert main([str(clean), f"--target={target}"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"{target}: 3 levels, 0 failures, 0 notes\n")
    assert "Not known from the files alone: " in printed


def test_a_failure(faulty, capsys):
    assert main([str(faulty), "--target=coral"]) == 1
    heading, row, *_ = capsys.readouterr().out.splitlines()
    assert heading.split() == ["u", "operators", "rule", "what", "to", "do"]
    assert row.split()[:6] == ["1", "LEAKY_RELU", "at", "1", "operator", "fails"]
    assert "Replace the layer" in row


def test_one_advice_is_said_once(tmp_path):
    """A float32 bundle breaks one rule at every operator of every level."""
    content = convolutions_file(quantization=None)
    image = TensorSpec("image", (8, 8, 4), "float32")
    levels = [
        LevelContent(content, (image,), (TensorSpec("y", (12,), "float32"),), 1, 1, utilization=u)
        for u in (0.5, 1.0)
    ]
    report = lint(write_bundle(tmp_path / "floats", levels).directory, "coral")
    assert len(report.findings) == 8
    assert str(report).count("Convert with quantization='int8'") == 1
    (cells,) = report.lines()[1:]
    assert cells[:4] == ["0.5, 1", "4 CONV_2D, 2 MAX_POOL_2D, 2 MEAN", "8-bit", "fails"]
    assert " and others: is float32" in cells[4]
    assert len(report.to_dict()["advice"]) == 8


def test_the_command_for_the_compiler(clean, capsys):
    main([str(clean), "--target=coral"])
    files = [f"{clean}/u{u}.tflite" for u in (0.25, 0.5, 1.0)]
    assert f"  edgetpu_compiler -s -o compiled {' '.join(files)}" in capsys.readouterr().out


def test_the_most_used_level_comes_first(clean, capsys):
    main([str(clean), "--target=coral", "--order=0.5,1,0.25"])
    files = [f"{clean}/u{u}.tflite" for u in (0.5, 1.0, 0.25)]
    assert f"-o compiled {' '.join(files)}\n" in capsys.readouterr().out


def test_findings_follow_the_order(faulty):
    bundle = read_bundle(faulty)
    graph = read_operator_graph(bundle.read_level(bundle.levels[-1]))
    found = lint_graphs({1.0: graph, 0.5: graph}, TARGETS["coral"])
    assert [finding.utilization for finding in found] == [1.0, 0.5]


@pytest.mark.parametrize("order", [(0.5,), (0.25, 0.5, 0.75), (0.25, 0.5, 1.0, 1.0)])
def test_an_order_of_other_levels(clean, order):
    with pytest.raises(ValueError, match="Expected the levels 0.25, 0.5, 1.0, each once"):
        lint(clean, "coral", order)


def test_wrong_arguments(clean, tmp_path):
    with pytest.raises(ValueError, match="Expected one of coral, micro, web, xnnpack"):
        lint(clean, "tpu")
    with pytest.raises(ValueError, match="Expected --target, one of coral, micro, web, xnnpack"):
        main([str(clean)])
    with pytest.raises(ValueError, match="Invalid value for --order. Expected numbers"):
        main([str(clean), "--target=coral", "--order=half"])
    with pytest.raises(BundleError, match="no such folder"):
        lint(tmp_path / "nothing", "coral")


def test_every_rule_names_its_document():
    for target in TARGETS.values():
        names = [rule.name for rule in target.rules]
        assert len(set(names)) == len(names)
        assert all(len(rule.source) > 10 and "http" not in rule.source for rule in target.rules)


def test_light(clean, run_alone):
    """Reading bundles takes neither Keras nor TensorFlow."""
    program = """
import sys
from tnn_tflite.lint import lint
assert not lint(sys.argv[1], "micro").failed
print([name for name in ("keras", "tensorflow", "keras_tnn") if name in sys.modules])
"""
    assert run_alone(program, clean).stdout == "[]\n"
