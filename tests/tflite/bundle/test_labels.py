"""Names of classes go from `convert` to the device."""

import pytest

from tnn_tflite import Dispatcher, TensorSpec, convert
from tnn_tflite.bundle.labels import labels_by_output
from tnn_tflite.command import main

NAMES = ["cat", "dog", "emu", "fox"]
SCORES = TensorSpec("scores", (4,), "float32")
BOXES = TensorSpec("boxes", (9, 4), "float32")


def test_labels_reach_the_dispatcher_and_the_command(networks, images, tmp_path, capsys):
    import numpy as np

    convert(networks, tmp_path / "bundle", labels=NAMES, verbose=False)
    dispatcher = Dispatcher(tmp_path / "bundle")
    assert dispatcher.labels == tuple(NAMES)
    np.save(tmp_path / "image.npy", images[0])
    assert main(["run", str(tmp_path / "bundle"), str(tmp_path / "image.npy"), "--repeats=1"]) == 0
    best = NAMES[dispatcher(images[0]).argmax()]
    assert f"{best}:{dispatcher(images[0]).max():.4f}" in capsys.readouterr().out
    assert main(["levels", str(tmp_path / "bundle")]) == 0
    assert "labels of logits: cat, dog, emu, fox\n" in capsys.readouterr().out


def test_without_labels(dispatcher):
    assert dispatcher.labels is None
    assert dispatcher.bundle.labels == {}


def test_labels_of_several_outputs():
    assert labels_by_output({"scores": NAMES}, [SCORES, BOXES]) == {"scores": tuple(NAMES)}


@pytest.mark.parametrize(
    ("labels", "outputs", "message"),
    [
        (NAMES, [SCORES, BOXES], r"a mapping from names of outputs, \['scores', 'boxes'\]"),
        (NAMES[:3], [SCORES], "4 names for output 'scores'. Received: 3 names"),
        ("four", [SCORES], "a list of strings. Received: 'four'"),
        ([1, 2, 3, 4], [SCORES], "a list of strings"),
        ({"logits": NAMES}, [SCORES], r"names of outputs, \['scores'\]. Received: 'logits'"),
    ],
)
def test_wrong_labels(labels, outputs, message):
    with pytest.raises(ValueError, match=f"Invalid value for `labels`. Expected {message}"):
        labels_by_output(labels, outputs)


def test_wrong_labels_leave_no_bundle(networks, tmp_path):
    with pytest.raises(ValueError, match="4 names for output 'logits'"):
        convert(networks, tmp_path / "bundle", labels=NAMES[:2], verbose=False)
    assert list(tmp_path.iterdir()) == []
