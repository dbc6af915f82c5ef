"""`keras-tnn convert` with the flags of quantization."""

import keras
import numpy as np
import pytest

import keras_tnn
from tnn_tflite import read_bundle
from tnn_tflite.command import main


@pytest.fixture
def saved(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras_tnn.models.VGG((8, 8, 3), 4, num_groups=2, filters=((4,),), dense_units=None)
    model.save(tmp_path / "net.keras")
    x = np.random.default_rng(0).normal(size=(16, 8, 8, 3)).astype("float32")
    np.savez(tmp_path / "train.npz", x=x)
    return tmp_path


def test_integers_end_to_end(saved, capsys):
    data = saved / "train.npz"
    argv = ["convert", saved / "net.keras", saved / "bundle", "--levels=0.5,1"]
    argv += [f"--calibration={data}", f"--representative={data}", "--quantization=int8"]
    (saved / "names.txt").write_text("cat\ndog\nemu\nfox\n")
    argv += ["--inference_type=uint8", "--layout=files", f"--labels={saved / 'names.txt'}"]
    assert main([str(word) for word in argv]) == 0
    bundle = read_bundle(saved / "bundle")
    assert list(bundle.labels.values()) == [("cat", "dog", "emu", "fox")]
    assert [spec.dtype for spec in bundle.inputs + bundle.outputs] == ["uint8", "uint8"]
    assert all(level.input_quantization[0].scale > 0 for level in bundle.levels)
    assert "wrote 2 levels" in capsys.readouterr().out


def test_missing_samples_are_one_clear_line(saved, capsys):
    argv = ["convert", saved / "net.keras", saved / "bundle", "--quantization=int8"]
    assert main([str(word) for word in argv]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "Invalid value for `representative_data`. Expected samples" in line
