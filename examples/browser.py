"""The network of the demo page: drawn digits, one file for all levels, int8.

    python examples/browser.py

It writes js/demo/bundle, which the page runs, and digits of the test set to look at. Pictures are
8x8, as scikit-learn has them; the bundle says that they are stretched to 16x16 and scaled.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

BUNDLE = Path(__file__).parents[1] / "js" / "demo" / "bundle"
LEVELS = (0.125, 0.25, 0.5, 0.75, 1.0)


def main(
    epochs: int = 10, copies: int = 5, levels: Sequence[float] = LEVELS, out: Path = BUNDLE
) -> None:
    import keras

    import keras_tnn as tnn
    import tnn_tflite

    (x_train, y_train), (x_test, y_test) = load_digits()
    x, y = np.repeat(x_train, copies, 0), np.repeat(y_train, copies, 0)
    x = keras.ops.convert_to_numpy(by_other_hands()(x, training=True))

    filters = ((24, 24), (48, 48))
    model = tnn.models.VGG((16, 16, 1), 10, num_groups=8, filters=filters, dense_units=None)
    rate = keras.optimizers.schedules.CosineDecay(3e-3, epochs * -(-len(x) // 64))
    model.compile(
        keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    sandwich = tnn.callbacks.SandwichRule(levels, random_levels=1, distillation=True)
    model.fit(x, y, batch_size=64, epochs=epochs, callbacks=[sandwich], verbose=2)

    tnn_tflite.convert(
        model,
        out,
        levels,
        calibration_data=x[:2000],
        quantization="int8",
        representative_data=x[::16],
        layout="single",
        labels=[str(digit) for digit in range(10)],
    )
    dispatcher = tnn_tflite.Dispatcher(out)
    write_examples(out.parent / "examples.json")
    for level in dispatcher.levels:
        right = dispatcher(x_test, level.utilization).argmax(-1) == y_test
        print(f"u={level.utilization:<6g} {level.macs:>10,} MACs  {right.mean():.4f} right")


def load_digits():
    """As `(train, test)`, images `(n, 16, 16, 1)` float32 in [0, 1]; every fifth is test."""
    from PIL import Image
    from sklearn import datasets

    digits = datasets.load_digits()
    pixels = (digits.images * (255 / 16)).round().astype("uint8")
    large = [Image.fromarray(one).resize((16, 16), Image.Resampling.BILINEAR) for one in pixels]
    x = np.stack([np.asarray(one) for one in large])[..., None].astype("float32") / 255
    test = np.arange(len(x)) % 5 == 0
    return (x[~test], digits.target[~test]), (x[test], digits.target[test])


def write_examples(path: Path) -> None:
    """The first test digit of each class, 64 pixels each."""
    from sklearn import datasets

    digits = datasets.load_digits()
    pixels, y = (digits.data[::5] * (255 / 16)).round().astype(int), digits.target[::5]
    firsts = [int(np.flatnonzero(y == digit)[0]) for digit in range(10)]
    examples = [{"digit": int(y[i]), "pixels": pixels[i].tolist()} for i in firsts]
    path.write_text("[\n" + ",\n".join(map(json.dumps, examples)) + "\n]\n")


def by_other_hands():
    """Layers that turn, stretch and move a digit a little."""
    import keras

    border = {"fill_mode": "constant", "fill_value": 0.0}
    return keras.Sequential(
        [
            keras.layers.RandomRotation(0.04, **border),
            keras.layers.RandomZoom((-0.1, 0.2), (-0.1, 0.3), **border),
            keras.layers.RandomTranslation(0.08, 0.08, **border),
        ]
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    main(**vars(parser.parse_args()))
