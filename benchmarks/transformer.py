"""A vision transformer as a dial on CIFAR-10: heads, feed-forward networks and embedding at once.

    python benchmarks/transformer.py --data cifar10.npz --out transformer_run --test

A network of plain Keras layers on images of 16x16 is trained, throttled in width and fine-tuned by
the sandwich rule; beside it the same network is trained on for as many epochs. Both are converted
in float32 and int8 and run by the dispatcher. Without `--test` the images are 5,000 of the training
images, which are kept from training either way. A stopped run goes on where it stopped; `--data`
and `--out` are those of learned_gates.py.
"""

import pathlib

import keras
from absl import app, flags
from keras import layers
from learned_gates import OUT, load
from two_phases import Small, fit, halved, stage

import keras_tnn as tnn
import tnn_tflite

BEFORE = flags.DEFINE_integer("epochs_before", 8, "Epochs of the plain network.")
AFTER = flags.DEFINE_integer("epochs_after", 6, "Epochs of the dial, and of the network beside it.")
PATCH = flags.DEFINE_integer("patch", 4, "Pixels of a patch.")
TEST = flags.DEFINE_bool("test", False, "Whether the test images are looked at.")
HELD_OUT = 5000
LEVELS = (0.25, 0.5, 0.75, 1.0)
WIDTH, HEADS, DEPTH, HIDDEN = 64, 4, 4, 128


def network() -> keras.Model:
    """A ViT whose position embedding is a depthwise convolution of the patches."""
    image = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(WIDTH, PATCH.value, PATCH.value, name="patches")(image)
    x = layers.Add()([x, layers.DepthwiseConv2D(3, padding="same", name="positions")(x)])
    x = layers.Reshape((-1, WIDTH))(x)  # (batch, patches, width)
    for i in range(DEPTH):
        y = layers.LayerNormalization()(x)
        y = layers.MultiHeadAttention(HEADS, WIDTH // HEADS, name=f"attention_{i}")(y, y)
        x = layers.Add()([x, y])
        y = layers.Dense(HIDDEN, "gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(WIDTH)(y)])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(image, layers.Dense(10, "softmax")(x), name="vit")


def plain(x, y) -> keras.Model:
    model = network()
    fit(model, Small(x, y, 0), BEFORE.value, 1.5e-3)
    return model


def further(model: keras.Model, x, y) -> keras.Model:
    fit(model, Small(x, y, 1), AFTER.value, 1e-3)
    return model


def dial(model: keras.Model, x, y) -> keras.Model:
    dialled = tnn.throttle(model, HEADS, ("width",), channel_order="l1")
    rule = tnn.callbacks.SandwichRule(LEVELS, random_levels=1, distillation=True)
    fit(dialled, Small(x, y, 1), AFTER.value, 1e-3, [rule])
    return dialled


def main(argv):
    pathlib.Path(OUT.value).mkdir(exist_ok=True)
    x, y, *test = load()
    held_out = x[-HELD_OUT:], y[-HELD_OUT:]
    x, y = x[:-HELD_OUT], y[:-HELD_OUT]
    before = stage("plain", lambda: plain(x, y))
    dialled = stage("dial", lambda: dial(before, x, y))
    beside = stage("beside", lambda: further(before, x, y))
    images, labels = test if TEST.value else held_out
    images, given = halved(images), halved(x[:2000])
    for quantization in (None, "int8"):
        for name, model in (("dial", dialled), ("beside", {1.0: beside})):
            folder = pathlib.Path(OUT.value) / f"{name}_{quantization}"
            options = {"levels": LEVELS} if name == "dial" else {}
            options |= {"representative_data": given} if quantization else {}
            tnn_tflite.convert(model, folder, quantization=quantization, verbose=False, **options)
            print(f"\n{name}, {quantization}")
            print(tnn_tflite.compare(model, folder, images, labels), flush=True)


if __name__ == "__main__":
    app.run(main)
