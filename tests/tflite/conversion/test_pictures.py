"""A bundle says how a picture becomes an input, and everybody who runs it obeys."""

import keras
import numpy as np
import pytest

import keras_tnn
from tnn_tflite import Dispatcher, Preprocessing, convert
from tnn_tflite.command import main
from tnn_tflite.conversion.pictures import preprocessing_of

BRIGHT = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3)).astype("uint8")


def network(*first, channels=3):
    """What `first` makes of pictures, averaged: its answer tells what it has read."""
    image = keras.Input((8, 8, channels), name="image")
    x = image
    for layer in first:
        x = layer(x)
    return keras.Model(image, keras.layers.GlobalAveragePooling2D(name="mean")(x))


def normalization(data):
    layer = keras.layers.Normalization()
    layer.adapt(data)
    return layer


PIXELS, SHARES = BRIGHT.astype("float32"), BRIGHT / np.float32(255)


@pytest.mark.parametrize(
    ("first", "scale"),
    [
        ([keras.layers.Rescaling(1 / 255)], 1),
        ([keras.layers.Rescaling(1 / 127.5, offset=-1)], 1),
        ([keras.layers.Rescaling(2, offset=-1)], 1 / 255),
        ([keras.layers.RandomFlip(), keras.layers.Rescaling(1 / 255)], 1),
        ([keras.layers.Rescaling(1 / 255), normalization(SHARES)], 1),
        ([normalization(PIXELS)], 1),
        ([normalization(SHARES)], 1 / 255),
    ],
)
def test_the_layers_that_normalise_tell_the_scale(first, scale):
    found = preprocessing_of(network(*first), None, None)
    assert found == {"image": Preprocessing((scale,) * 3, (0.0,) * 3)}


@pytest.mark.parametrize(("x", "scale"), [(PIXELS, 1), (SHARES, 1 / 255), (SHARES - 0.5, None)])
def test_data_tell_the_scale_better(x, scale):
    found = preprocessing_of(network(keras.layers.Rescaling(1 / 255)), None, [x])
    assert found == ({} if scale is None else {"image": Preprocessing((scale,) * 3, (0.0,) * 3)})


def test_nothing_is_said_of_what_nobody_knows():
    assert preprocessing_of(network(keras.layers.ReLU()), None, None) == {}
    features = keras.Input((8, 8, 5))
    model = keras.Model(features, keras.layers.Rescaling(1 / 255)(features))
    assert preprocessing_of(model, None, None) == {}


def test_a_throttled_network_says_what_the_network_said(tmp_path):
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(8, 3)(keras.layers.Rescaling(1 / 255)(image))
    plain = keras.Model(image, keras.layers.Dense(4)(keras.layers.GlobalMaxPooling2D()(x)))
    bundle = convert(keras_tnn.throttle(plain, 2), tmp_path / "b", (0.5, 1.0), verbose=False)
    assert bundle.preprocessing["image"].scale == (1.0,) * 3


def picture(tmp_path, size=(8, 8)):
    Image = pytest.importorskip("PIL.Image")
    path = tmp_path / "picture.png"
    Image.new("RGB", size, (255, 51, 0)).save(path)
    return path


def run(bundle, path, *flags):
    output = path.with_suffix(".npz")
    assert main(["run", str(bundle), str(path), f"--output={output}", "--repeats=1", *flags]) == 0
    with np.load(output) as saved:
        return saved["mean"]


# A network that normalises inside was once given pixels divided by 255 all the same.
@pytest.mark.parametrize("layout", ["files", "single"])
def test_a_picture_is_what_training_saw(tmp_path, layout):
    model = network(keras.layers.Rescaling(1 / 255))
    convert({1.0: model}, tmp_path / "bundle", layout=layout, verbose=False)
    np.testing.assert_allclose(run(tmp_path / "bundle", picture(tmp_path)), [1, 0.2, 0], atol=1e-6)


def test_the_scale_of_the_command_goes_before_the_bundles(tmp_path):
    convert({1.0: network(keras.layers.Rescaling(1 / 255))}, tmp_path / "bundle", verbose=False)
    found = run(tmp_path / "bundle", picture(tmp_path), "--scale=255")
    np.testing.assert_allclose(found, [1 / 255, 0.2 / 255, 0], atol=1e-8)


def test_without_a_word_in_the_bundle_the_command_warns(tmp_path, caplog):
    convert({1.0: network(keras.layers.ReLU())}, tmp_path / "bundle", verbose=False)
    np.testing.assert_allclose(run(tmp_path / "bundle", picture(tmp_path)), [1, 0.2, 0], atol=1e-6)
    assert "does not say how pixels become its input" in caplog.text


def test_colours_offsets_and_the_middle(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    wide = np.zeros((8, 24, 3), "uint8")
    wide[:, 8:16] = (255, 51, 0)  # in the middle third
    path = tmp_path / "wide.png"
    Image.fromarray(wide).save(path)
    steps = Preprocessing(1 / 255, (0.0, 0.0, 1.0), "BGR", "crop")
    convert({1.0: network()}, tmp_path / "bundle", preprocessing=steps, verbose=False)
    np.testing.assert_allclose(run(tmp_path / "bundle", path), [0, 0.2, 2], atol=1e-6)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_integers_are_pictures_too(tmp_path, dtype):
    model = network(keras.layers.ReLU())
    colours = np.linspace(0, 1, 16, dtype="float32")[:, None, None, None]
    convert(
        {1.0: model},
        tmp_path / "bundle",
        quantization="int8",
        representative_data=np.tile(colours, (1, 8, 8, 3)),
        inference_type=dtype,
        verbose=False,
    )
    found = run(tmp_path / "bundle", picture(tmp_path))
    np.testing.assert_allclose(found, [1, 0.2, 0], atol=1.6 / 255)  # steps of 1 / 255, both ends


def test_the_dispatcher_takes_pixels(tmp_path):
    convert({1.0: network(keras.layers.Rescaling(1 / 255))}, tmp_path / "bundle", verbose=False)
    dispatcher = Dispatcher(tmp_path / "bundle")
    np.testing.assert_array_equal(dispatcher(BRIGHT), dispatcher(PIXELS))
    with pytest.raises(ValueError, match="float32.*Received: dtype=int64"):
        dispatcher(BRIGHT.astype("int64"))
    with pytest.raises(ValueError, match="Expected shape.*Received: shape=\\(8, 9, 3\\)"):
        dispatcher(np.zeros((8, 9, 3), "uint8"))


def test_calibrate_scales_labelled_pixels(tmp_path, capsys):
    """All samples are of the class that is brightest, which unscaled data would not change; but
    their type would be refused."""
    convert({1.0: network(keras.layers.Rescaling(1 / 255))}, tmp_path / "bundle", verbose=False)
    classes = BRIGHT.mean(axis=(1, 2)).argmax(-1)
    np.savez(tmp_path / "labelled.npz", x=BRIGHT, y=classes)
    labelled = f"--labelled={tmp_path / 'labelled.npz'}"
    assert main(["calibrate", str(tmp_path / "bundle"), labelled, "--rounds=3"]) == 0
    assert "1.0000" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"picture": Preprocessing(1, 0)}, r"by name, which are \['image'\]"),
        ({"image": 255}, "Received: 255"),
        (Preprocessing((1.0, 1.0), 0), "one for each of 3 channels"),
        (Preprocessing(1, 0, resize="pad"), "'stretch' or 'crop'"),
        (Preprocessing(1, 0, "grey"), "colours among"),
    ],
)
def test_what_cannot_be_said(given, message):
    with pytest.raises(ValueError, match=f"Invalid value for `preprocessing`.*{message}"):
        preprocessing_of(network(), given, None)
