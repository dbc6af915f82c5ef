"""What needs no network, against Python's own: quantization, pictures, scores, JSON."""

from dataclasses import asdict

import numpy as np
import pytest

from dispatcher_in_node import call
from tnn_tflite import Preprocessing, Quantization, quantize, top_classes
from tnn_tflite.dispatch.pixels import from_pixels
from tnn_tflite.utilization import level_index

QUANTIZED = "quantized_values.js"


def test_real_numbers_become_the_same_integers():
    """Those that lie in the middle of two steps, too, for scales that float32 rounds."""
    calls, expected = [], []
    for scale in (0.1, *np.random.default_rng(0).uniform(0.003, 0.3, 20).tolist()):
        form = Quantization(scale=scale, zero_point=-3)
        middles = np.arange(-40.5, 40) * np.float32(scale)
        x = np.concatenate([middles, middles * 0.7, [1e9, -1e9]]).astype("float32")
        javascript = {"scale": form.scale, "zeroPoint": form.zero_point}
        for dtype in ("int8", "uint8", "int16"):
            calls.append([QUANTIZED, "quantize", {"float32": x.tolist()}, javascript, dtype])
            expected.append(quantize(x, form, dtype).tolist())
    assert call(calls) == expected


def test_utilizations_have_the_same_levels():
    levels = [0.25, 0.5, 0.7, 1.0]
    asked = [0.01, 0.25, 0.4999999, 0.499, float(np.float32(0.7)), 0.99, 1.0]
    found = call([["utilization.js", "levelIndex", levels, u] for u in asked])
    assert found == [level_index(levels, u) for u in asked]


def test_scores_have_the_same_order():
    scores = np.array([0.1, 0.4, 0.4, 0.05, 0.05], "float32")
    names = ["a", "b", "c", "d", "e"]
    (found,) = call([["index.js", "topClasses", {"float32": scores.tolist()}, 3, names]])
    assert found == [asdict(one) for one in top_classes(scores, 3, names)]


@pytest.mark.parametrize("how", ["stretch", "crop"])
@pytest.mark.parametrize(
    ("mode", "channels"), [("L", 1), ("RGB", 1), ("RGB", 3), ("RGBA", 1), ("RGBA", 3), ("L", 3)]
)
def test_pictures_are_resized_as_by_pillow(mode, channels, how):
    """To the byte: smaller, larger, and one side only."""
    Image = pytest.importorskip("PIL.Image")
    ImageOps = pytest.importorskip("PIL.ImageOps")
    rng = np.random.default_rng(0)
    calls, expected = [], []
    for width, height, columns, rows in (
        (31, 17, 8, 8),
        (5, 6, 16, 9),
        (8, 20, 8, 8),
        (8, 8, 8, 8),
    ):
        size = (height, width, len(mode)) if len(mode) > 1 else (height, width)
        pixels = rng.integers(0, 256, size, dtype="uint8")
        picture = Image.fromarray(pixels).convert({1: "L", 3: "RGB"}[channels])
        bilinear = Image.Resampling.BILINEAR
        if how == "crop":
            picture = ImageOps.fit(picture, (columns, rows), bilinear)
        else:
            picture = picture.resize((columns, rows), bilinear)
        expected.append(np.asarray(picture).reshape(-1).tolist())
        data = {"uint8": pixels.reshape(-1).tolist()}
        given = {"data": data, "width": width, "height": height}
        calls.append(["dispatch/picture.js", "pixelsOf", given, [rows, columns, channels], how])
    assert call(calls) == expected


@pytest.mark.parametrize("colours", ["RGB", "BGR"])
def test_pixels_become_the_same_numbers(colours):
    steps = Preprocessing((0.017, 1 / 255, 0.3), (-2.1, 0.0, 0.7), colours)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype="uint8")
    given = {"uint8": pixels.reshape(-1).tolist()}
    (found,) = call([["dispatch/pixels.js", "fromPixels", given, asdict(steps)]])
    expected = from_pixels(pixels, steps)
    assert np.array(found, "float32").tolist() == expected.reshape(-1).tolist()


def test_a_key_stands_once():
    good = r'{"a": [{"b": 1}, {"b": 2}], "c": "\"a\":", "b": {"a": 1}}'
    found = call(
        [
            ["bundle/json.js", "parseJson", text]
            for text in (good, '{"a": 1, "\\u0061": 2}', '{"a":')
        ]
    )
    assert found[0] == {"a": [{"b": 1}, {"b": 2}], "c": '"a":', "b": {"a": 1}}
    assert found[1] == {"error": 'SyntaxError: the key "a" stands there twice'}
    assert found[2]["error"].startswith("SyntaxError")
