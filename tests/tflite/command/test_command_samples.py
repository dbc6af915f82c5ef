"""`keras-tnn throttle`, `evaluate`, `compare`, `plot` and `levels` with bounds."""

import json

import keras
import numpy as np
import pytest

import keras_tnn
import tnn_tflite
from tnn_tflite.command import main
from tnn_tflite.result_table import read_columns


def run(capsys, *argv, status=0):
    assert main([str(word) for word in argv]) == status
    captured = capsys.readouterr()
    return (captured.err if status == 2 else captured.out).splitlines()


@pytest.fixture
def samples(tmp_path, images, shared_bundle):
    """Images with the classes that the full level gives them: it is always right."""
    y = tnn_tflite.Dispatcher(shared_bundle)(images).argmax(-1)
    np.savez(tmp_path / "test.npz", x=images, y=y)
    return tmp_path / "test.npz"


@pytest.fixture
def plain(tmp_path):
    keras.utils.set_random_seed(0)
    x = image = keras.Input((8, 8, 3))
    for width in (8, 8):
        x = keras.layers.Conv2D(width, 3, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(4)(x))
    model.save(tmp_path / "plain.keras")
    return tmp_path / "plain.keras"


def test_throttle(capsys, plain, tmp_path, images):
    out = tmp_path / "dial.keras"
    (line,) = run(capsys, "throttle", plain, out, "--num_groups=4")
    throttled = keras.saving.load_model(out)
    macs = f"{keras_tnn.count_macs(throttled, 0.5):,} MACs at u=0.5"
    assert line.startswith(f"wrote {out}: {macs}")
    whole = keras.saving.load_model(plain).predict(images, verbose=0)
    np.testing.assert_allclose(throttled.predict(images, verbose=0), whole, atol=1e-6)


def test_throttle_keeps_the_compilation(capsys, plain, tmp_path):
    model = keras.saving.load_model(plain)
    model.compile("adam", "mse", metrics=["mae"])
    model.save(plain)
    run(capsys, "throttle", plain, tmp_path / "dial.keras")
    throttled = keras.saving.load_model(tmp_path / "dial.keras")
    assert throttled.loss == "mse"
    assert isinstance(throttled.optimizer, keras.optimizers.Adam)


def test_throttle_writes_keras_files_only(capsys, plain, tmp_path):
    (line,) = run(capsys, "throttle", plain, tmp_path / "dial.h5", status=2)
    assert "Expected OUT to end with .keras" in line


def test_evaluate_a_model_that_was_never_compiled(capsys, plain, tmp_path, samples):
    run(capsys, "throttle", plain, tmp_path / "dial.keras", "--num_groups=4")
    argv = ["evaluate", tmp_path / "dial.keras", samples, "--levels=0.5,1"]
    header, *rows = run(capsys, *argv, f"--save={tmp_path / 'levels.csv'}")
    assert header.split()[-1] == "accuracy" and len(rows) == 2
    columns = read_columns(tmp_path / "levels.csv")
    assert columns["utilization"] == [0.5, 1.0]
    model = keras.saving.load_model(tmp_path / "dial.keras")
    with np.load(samples) as file:
        right = model.predict(file["x"], verbose=0).argmax(-1) == file["y"]
    assert columns["accuracy"][-1] == pytest.approx(right.mean())
    assert columns["macs"][-1] == keras_tnn.count_macs(model, 1.0)


def test_evaluate_a_bundle_and_draw_it(capsys, shared_bundle, samples, tmp_path):
    saved = tmp_path / "levels.json"
    header, *rows = run(capsys, "evaluate", shared_bundle, samples, f"--save={saved}")
    assert header.split() == ["u", "MACs", "parameters", "bytes", "ms", "accuracy", "file"]
    assert rows[-1].split()[5] == "1.0000"
    columns = json.loads(saved.read_text())
    assert columns["accuracy"][-1] == 1.0
    assert columns["bytes"] == [one.bytes for one in tnn_tflite.read_bundle(shared_bundle).levels]
    picture = tmp_path / "levels.png"
    assert run(capsys, "plot", saved, picture) == [f"wrote {picture}"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    (line,) = run(capsys, "plot", saved, picture, "--metric=loss", status=2)
    assert "metric='loss'" in line


def test_which_u_fits(capsys, shared_bundle, samples, tmp_path):
    table = tmp_path / "levels.csv"
    table.write_text("utilization,accuracy,milliseconds\n0.25,0.5,1\n0.5,0.8,2\n1.0,0.9,5\n")
    asked = ["levels", shared_bundle, f"--table={table}"]
    assert run(capsys, *asked, "--accuracy", "0.7")[-1] == "fits: u=0.5, 1; the cheapest is u=0.5"
    assert run(capsys, *asked, "--accuracy=0.7", "--ms=4")[-1] == "fits: u=0.5"
    low, middle, _ = tnn_tflite.read_bundle(shared_bundle).levels
    size = f"--bytes={(middle.bytes - 1) / 1000}k"  # a byte less than the middle level takes
    assert run(capsys, *asked, size)[-1] == "fits: u=0.25"
    assert run(capsys, *asked, size, "--accuracy=0.7", status=1)[-1] == "fits: none"
    assert run(capsys, "levels", shared_bundle, f"--bytes={low.bytes}")[-1] == "fits: u=0.25"


def test_which_u_fits_by_what_the_device_knows(capsys, bundle, samples):
    (line,) = run(capsys, "levels", bundle, "--accuracy=0.9", status=2)
    assert "The accuracy of the levels is not known. Expected --table" in line
    run(capsys, "calibrate", bundle, f"--labelled={samples}", "--rounds=3")
    header, *rows, fits = run(capsys, "levels", bundle, "--accuracy=0.99", "--ms=1000")
    assert header.split()[-3:] == ["ms", "accuracy", "file"]
    assert fits.startswith("fits: u=") and fits.split("=")[1].split("; ")[0].endswith("1")
    (line,) = run(capsys, "levels", bundle, "--bytes=much", status=2)
    assert "Invalid value for --bytes. Expected a number such as 80000, 200k or 1.5M" in line


def test_compare_with_the_model(capsys, plain, tmp_path, samples):
    run(capsys, "throttle", plain, tmp_path / "dial.keras", "--num_groups=4")
    run(capsys, "convert", tmp_path / "dial.keras", tmp_path / "bundle", "--levels=0.5,1")
    argv = ["compare", tmp_path / "bundle", tmp_path / "dial.keras", samples]
    header, *rows = run(capsys, *argv, f"--save={tmp_path / 'compared.csv'}")
    assert "Keras accuracy" in header and len(rows) == 2
    assert read_columns(tmp_path / "compared.csv")["agreement"] == [1.0, 1.0]


def test_compare_two_bundles(capsys, shared_bundle, controlled_bundle, samples):
    header, *rows = run(capsys, "compare", shared_bundle, controlled_bundle, samples)
    assert header.split()[:4] == ["u", "agreement", "output", "error"]
    assert [row.split()[:3] for row in rows] == [
        [u, "1.0000", "0.0e+00"] for u in ("0.25", "0.5", "1")
    ]


def test_compare_float32_with_int8(networks, shared_bundle, tmp_path, images):
    directory = tmp_path / "int8"
    tnn_tflite.convert(
        networks,
        directory,
        quantization="int8",
        representative_data=images,
        inference_type="int8",
        verbose=False,
    )
    first, second = tnn_tflite.Dispatcher(shared_bundle), tnn_tflite.Dispatcher(directory)
    table = tnn_tflite.compare_bundles(first, second, images)
    assert [row.utilization for row in table.rows] == [0.25, 0.5, 1.0]
    assert all(0 < row.output_error < 0.1 for row in table.rows)  # a few steps of 1 / 256
    assert all(row.accuracy is None for row in table.rows)


def test_bundles_without_a_common_level(shared_bundle, networks, tmp_path, images):
    tnn_tflite.convert({0.75: networks[1.0]}, tmp_path / "other", verbose=False)
    first, second = (tnn_tflite.Dispatcher(x) for x in (shared_bundle, tmp_path / "other"))
    with pytest.raises(ValueError, match=r"Expected a level of the first bundle, \[0.25, 0.5"):
        tnn_tflite.compare_bundles(first, second, images)
