"""The `keras-tnn` command as its users see it: output, one clear line for an error, status."""

import keras
import numpy as np
import pytest

import keras_tnn
from tnn_tflite import Dispatcher, read_bundle
from tnn_tflite.command import SUBCOMMANDS, main


@pytest.fixture
def image(tmp_path, images):
    np.save(tmp_path / "image.npy", images[0])
    return str(tmp_path / "image.npy")


@pytest.fixture
def saved_model(tmp_path):
    model = keras_tnn.models.VGG((8, 8, 3), 4, num_groups=2, filters=((4,),), dense_units=None)
    model.save(tmp_path / "net.keras")
    return str(tmp_path / "net.keras")


def user_error(capsys, *argv):
    """Runs a command that must fail and returns its one line."""
    assert main([str(word) for word in argv]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return line


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help(capsys, word):
    assert main([word]) == 0
    printed = capsys.readouterr().out
    assert "usage: keras-tnn SUBCOMMAND" in printed
    for name, summary in SUBCOMMANDS.items():
        assert f"{name} " in printed
        assert summary in printed


def test_nothing_given_shows_the_help(capsys):
    assert main([]) == 2
    assert "usage: keras-tnn SUBCOMMAND" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["convert", "levels", "run"])
def test_help_of_a_subcommand(capsys, name):
    assert main([name, "--help"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"usage: keras-tnn {name} ")
    assert "flags:\n  --" in printed
    assert max(map(len, printed.splitlines())) <= 110


def test_flags_do_not_leak_between_subcommands(capsys):
    main(["levels", "--help"])
    assert "--utilization" not in capsys.readouterr().out


def test_unknown_subcommand(capsys):
    line = user_error(capsys, "fly")
    assert line.startswith("keras-tnn: no subcommand 'fly'. Expected demo, throttle, evaluate,")


def test_levels(capsys, shared_bundle):
    assert main(["levels", str(shared_bundle)]) == 0
    header, *rows = (line.split() for line in capsys.readouterr().out.splitlines())
    assert header == ["u", "MACs", "parameters", "bytes", "file"]
    low = read_bundle(shared_bundle).levels[0]
    assert rows[0] == ["0.25", f"{low.macs:,}", f"{low.parameters}", f"{low.bytes:,}", low.file]
    assert [row[0] for row in rows] == ["0.25", "0.5", "1"]


def test_levels_measured(capsys, shared_bundle):
    assert main(["levels", str(shared_bundle), "--measure", "--repeats=3"]) == 0
    header, *rows = (line.split() for line in capsys.readouterr().out.splitlines())
    assert header[-2:] == ["ms", "file"]
    assert all(float(row[-2]) > 0 for row in rows)


def test_run(capsys, shared_bundle, image, images):
    assert main(["run", str(shared_bundle), image, "--utilization=0.6", "--top=2"]) == 0
    level, reason, latency, heading, row = capsys.readouterr().out.splitlines()
    assert "u=0.5 for utilization=0.6" in level
    assert reason == "reason    u=0.6, fixed by the caller"
    assert "ms a call, median of 20 on" in latency
    assert heading.split() == ["logits", "class:value,", "the", "2", "largest"]
    expected = Dispatcher(shared_bundle)(images[0], 0.6)
    best, second = np.argsort(expected)[::-1][:2]
    assert row.split() == ["0", f"{best}:{expected[best]:.4f}", f"{second}:{expected[second]:.4f}"]


def test_run_on_a_batch_saves_all_outputs(capsys, shared_bundle, tmp_path, images):
    many = np.concatenate([images] * 3)
    np.savez(tmp_path / "images.npz", many)
    output = tmp_path / "outputs.npz"
    argv = ["run", shared_bundle, tmp_path / "images.npz", "--repeats=1", f"--output={output}"]
    assert main([str(word) for word in argv]) == 0
    assert "and 5 more samples" in capsys.readouterr().out
    with np.load(output) as saved:
        np.testing.assert_array_equal(saved["logits"], Dispatcher(shared_bundle)(many))


def test_run_scales_pixels_and_resizes_pictures(capsys, shared_bundle, tmp_path):
    """A picture of one colour is that colour at any size."""
    Image = pytest.importorskip("PIL.Image")
    colour = (255, 51, 0)
    Image.new("RGB", (20, 12), colour).save(tmp_path / "colour.png")
    output = tmp_path / "outputs.npz"
    argv = ["run", shared_bundle, tmp_path / "colour.png", f"--output={output}", "--repeats=1"]
    assert main([str(word) for word in argv]) == 0
    x = np.broadcast_to(np.array([1.0, 0.2, 0.0], "float32"), (8, 8, 3))
    with np.load(output) as saved:
        # 51 / 255 is computed in float64 there and is 0.2 here: one rounding of float32.
        np.testing.assert_allclose(saved["logits"], Dispatcher(shared_bundle)(x), atol=1e-5)


def test_convert_and_dispatch(capsys, saved_model, tmp_path, images):
    np.savez(tmp_path / "train.npz", x=images, y=np.arange(5))
    bundle = tmp_path / "bundle"
    argv = ["convert", saved_model, bundle, "--levels=0.5,1"]
    assert main([str(word) for word in [*argv, f"--calibration={tmp_path / 'train.npz'}"]]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"wrote 2 levels to {bundle}"
    model = keras.saving.load_model(saved_model)
    small = keras_tnn.materialize(model, utilization=0.5, calibration_data=images)
    expected = small.predict(images, verbose=0)
    # float32 sums in another order than Keras; outputs are probabilities.
    np.testing.assert_allclose(Dispatcher(bundle)(images, 0.5), expected, atol=1e-5)


def test_convert_without_calibration_warns_in_one_line(capsys, saved_model, tmp_path):
    assert main(["convert", saved_model, str(tmp_path / "bundle"), "--levels=1"]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "keras-tnn" in line]
    assert len(lines) == 1
    assert lines[0].startswith("keras-tnn convert: warning: The model has batch normalization")


def test_user_errors_of_levels(capsys, shared_bundle, tmp_path):
    missing = tmp_path / "nothing"
    assert "Received: no such folder" in user_error(capsys, "levels", missing)
    assert "Expected BUNDLE. Received: nothing" in user_error(capsys, "levels")
    assert "Expected BUNDLE. Received: a b" in user_error(capsys, "levels", "a", "b")
    unknown = user_error(capsys, "levels", shared_bundle, "--colour")
    assert unknown.startswith("keras-tnn levels: Unknown command line flag 'colour'")
    assert "'keras-tnn levels --help'" in unknown
    assert "--repeats" in user_error(capsys, "levels", shared_bundle, "--repeats=0")
    assert "ai_edge_litert" in user_error(capsys, "levels", shared_bundle, "--runtime=other")


def test_user_errors_of_run(capsys, shared_bundle, image, tmp_path):
    assert "(0, 1]" in user_error(capsys, "run", shared_bundle, image, "--utilization=1.5")
    assert "--utilization=half" in user_error(
        capsys, "run", shared_bundle, image, "--utilization=half"
    )
    assert "No such file" in user_error(capsys, "run", shared_bundle, tmp_path / "no.npy")
    np.save(tmp_path / "wrong.npy", np.zeros((4, 4, 3), "float32"))
    assert "shape=(4, 4, 3)" in user_error(capsys, "run", shared_bundle, tmp_path / "wrong.npy")
    np.savez(tmp_path / "two.npz", a=np.zeros(1), b=np.zeros(1))
    line = user_error(capsys, "run", shared_bundle, tmp_path / "two.npz")
    assert "Expected the arrays image in" in line
    np.save(tmp_path / "pickled.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert "allow_pickle" in user_error(capsys, "run", shared_bundle, tmp_path / "pickled.npy")


def test_user_errors_of_convert(capsys, saved_model, tmp_path, images):
    bundle = tmp_path / "bundle"
    missing = tmp_path / "no.keras"
    assert "no such file" in user_error(capsys, "convert", missing, bundle)
    line = user_error(capsys, "convert", saved_model, bundle, "--levels=0.5,0.25")
    assert "Expected levels that rise" in line
    line = user_error(capsys, "convert", saved_model, bundle, "--levels=half")
    assert "Expected numbers between commas. Received: half" in line
    np.savez(tmp_path / "train.npz", images=images)
    line = user_error(
        capsys, "convert", saved_model, bundle, f"--calibration={tmp_path / 'train.npz'}"
    )
    assert "Expected an array 'x'" in line and "--key" in line


def test_reader_that_stops_early(shared_bundle, run_alone):
    """`keras-tnn levels bundle | head -0` ends quietly."""
    program = """
import os, sys
from tnn_tflite.command import main
read, write = os.pipe()
os.close(read)
os.dup2(write, 1)
sys.stdout.reconfigure(line_buffering=True)
status = main(["levels", sys.argv[1]])
print("status", status, file=sys.stderr)
"""
    result = run_alone(program, shared_bundle)
    assert result.stderr == "status 0\n"
