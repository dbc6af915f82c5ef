"""A detector of blood cells gets a dial: keras-hub's RetinaNet on a ResNet of this package.

    python examples/detection.py --data bccd.npz --out detection_run

The detector is trained, throttled, and fine-tuned twice, with u uniform and with the sandwich rule,
each time by keras-hub's own loss. Tables and a figure in the form of Figure 5 of liu2022 show the
mean average precision at each level beside the plain detector, cut in the same way; a last one
tells what each level takes as a `.tflite` file on this device. The npz file
holds photos, `x_train`, and `boxes_train` as fractions (x0, y0, x1, y1) with classes `y_train`, -1
where there is no box; the same of a test set; and `class_names`. Needs the extra "detection".
"""

import contextlib
import io
import pathlib

import keras
import keras_hub
import numpy as np
import tensorflow as tf
from absl import app, flags
from keras import layers
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import keras_tnn as tnn
import tnn_tflite

DATA = flags.DEFINE_string("data", None, "An .npz with photos and boxes.", required=True)
OUT = flags.DEFINE_string("out", "detection_run", "Folder for weights, tables and figures.")
EPOCHS = flags.DEFINE_integer("epochs", 30, "Epochs of the detector without a dial.")
TUNE = flags.DEFINE_integer("tune_epochs", 24, "Epochs of fine-tuning.")
RATE = flags.DEFINE_float("rate", 1e-3, "First learning rate of fine-tuning.")
HELD_OUT = flags.DEFINE_integer("held_out", 0, "Training photos to test on, in place of the test.")
LEVELS = (0.25, 0.5, 0.625, 0.6875, 0.75, 1.0)
SIZE = (96, 128)  # height and width of a photo, in pixels
BATCH = 8


def pyramid() -> keras.Model:
    """ResNet features at a quarter, an eighth and a sixteenth of the image, added top down."""
    network = tnn.models.ResNet50(
        (*SIZE, 3), 1, num_groups=8, width=24, blocks=(2, 3, 3), throttled=False
    )
    sums, features = {2: "stage1_block2", 3: "stage2_block3", 4: "stage3_block3"}, {}
    for level in (4, 3, 2):
        x = network.get_layer(f"{sums[level]}_relu").output
        x = layers.Conv2D(256, 1, name=f"lateral_{level}")(x)  # the heads read 256 channels
        if features:
            above = layers.UpSampling2D(name=f"up_{level}")(features[f"P{level + 1}"])
            x = layers.Add(name=f"top_down_{level}")([x, above])
        features[f"P{level}"] = x
    for name, x in features.items():
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
        features[name] = layers.ReLU(name=f"{name}_relu")(x)
    backbone = keras.Model(network.input, dict(sorted(features.items())), name="pyramid")
    backbone.image_shape, backbone.min_level, backbone.max_level = (*SIZE, 3), 2, 4
    return backbone


def detector(num_classes: int) -> keras_hub.models.RetinaNetObjectDetector:
    """A RetinaNet with square anchors of 8 to 50 pixels, and heads of one convolution."""
    model = keras_hub.models.RetinaNetObjectDetector(
        pyramid(),
        num_classes,
        bounding_box_format="xyxy",
        anchor_generator=keras_hub.layers.AnchorGenerator("xyxy", 2, 4, 3, [1.0], anchor_size=2.0),
        pre_logits_num_conv_layers=0,
        prediction_decoder=keras_hub.layers.NonMaxSuppression(
            "xyxy", from_logits=True, confidence_threshold=0.02, max_detections=60
        ),
    )
    # At first no anchor holds an object (Lin et al. 2017, 4.1), and offsets are small.
    for head, bias in ((model.classification_head, -np.log(99)), (model.box_head, 0.0)):
        kernel, offset = head.prediction_layer.weights
        kernel.assign(0.2 * kernel)
        offset.assign(np.full(offset.shape, bias))
    return model


def compiled(model: keras.Model, rate: float, epochs: int, photos: int) -> keras.Model:
    steps = epochs * -(-photos // BATCH)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps)),
        box_loss=keras.losses.MeanAbsoluteError(reduction="sum"),
        jit_compile=False,
    )
    return model


def load():
    """Photos in [0, 1] and boxes in pixels with classes, of training and test; class names."""
    with np.load(DATA.value) as file:
        arrays = {name: file[name] for name in file}
    splits = []
    for split in ("train", "test"):
        photos = arrays[f"x_{split}"]
        photos = np.concatenate(
            [
                keras.ops.image.resize(part.astype("float32") / 255, SIZE, antialias=True)
                for part in np.array_split(photos, -(-len(photos) // 16))
            ]
        )
        boxes = arrays[f"boxes_{split}"] * np.float32([SIZE[1], SIZE[0]] * 2)
        splits.append((photos, {"boxes": boxes, "labels": arrays[f"y_{split}"].astype("float32")}))
    (x, y), test = splits
    if HELD_OUT.value:
        left = {name: value[: -HELD_OUT.value] for name, value in y.items()}
        held = {name: value[-HELD_OUT.value :] for name, value in y.items()}
        (x, y), test = (x[: -HELD_OUT.value], left), (x[-HELD_OUT.value :], held)
    return x, y, *test, [str(name) for name in arrays["class_names"]]


def batches(x, y) -> tf.data.Dataset:
    """Shuffled batches, each photo flipped at random along both axes."""

    def flipped(photo, truth):
        boxes, there = truth["boxes"], truth["labels"][:, None] >= 0
        for axis, size in ((0, SIZE[0]), (1, SIZE[1])):
            if tf.random.uniform(()) < 0.5:
                photo = tf.reverse(photo, [axis])
                low, high = 1 - axis, 3 - axis  # places of this axis in (x0, y0, x1, y1)
                mirrored = [boxes[:, i] for i in range(4)]
                mirrored[low], mirrored[high] = size - boxes[:, high], size - boxes[:, low]
                boxes = tf.where(there, tf.stack(mirrored, axis=1), 0.0)
        return photo, {"boxes": boxes, "labels": truth["labels"]}

    samples = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=0)
    return samples.map(flipped).batch(BATCH)


def mean_average_precision(model: keras.Model, x, y) -> dict[str, float]:
    """COCO's mean average precision, over IoUs of .5 to .95 ("mAP") and at .5 ("mAP50")."""
    found = model.predict(x, batch_size=len(x), verbose=0)  # NMS needs batches of one size
    truth = COCO()
    truth.dataset = {
        "images": [{"id": i} for i in range(len(x))],
        "categories": [{"id": int(c)} for c in np.unique(y["labels"][y["labels"] >= 0])],
        "annotations": [
            {"image_id": i, "category_id": int(c), "bbox": corner_and_size(box), "iscrowd": 0}
            | {"area": float(np.prod(box[2:] - box[:2]))}
            for i in range(len(x))
            for box, c in zip(y["boxes"][i], y["labels"][i], strict=True)
            if c >= 0
        ],
    }
    for number, one in enumerate(truth.dataset["annotations"], 1):
        one["id"] = number
    results = [
        {"image_id": i, "category_id": int(c), "bbox": corner_and_size(box), "score": float(score)}
        for i in range(len(x))
        for box, c, score in zip(
            found["boxes"][i], found["labels"][i], found["confidence"][i], strict=True
        )
        if score > 0
    ]
    if not results:
        return {"mAP": 0.0, "mAP50": 0.0}
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(results), "bbox")
        judge.evaluate(), judge.accumulate(), judge.summarize()
    return {"mAP": float(judge.stats[0]), "mAP50": float(judge.stats[1])}


def corner_and_size(box) -> list[float]:
    return [float(value) for value in (*box[:2], *(box[2:] - box[:2]))]


def figure_of(tables: dict[str, tnn.analysis.LevelTable], path):
    """mAP against u, as Figure 5 of liu2022, and against MACs."""
    from matplotlib.figure import Figure

    figure = Figure((9, 3.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for (name, table), style in zip(tables.items(), ("s--", "^-", "o-"), strict=True):
        macs = [row.macs / 1e6 for row in table.rows]
        axes[0].plot(
            [row.utilization for row in table.rows], table.values("mAP"), style, label=name
        )
        axes[1].plot(macs, table.values("mAP"), style)
    axes[0].set(xlabel="utilization u", ylabel="mAP [.5, .95]", xlim=(0, 1.03), ylim=(0, None))
    axes[1].set(xlabel="multiply-accumulates a photo (millions)")
    axes[1].set_xlim(left=0)
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=120)


def drawn(model, photos, names, path, levels=(0.25, 0.5, 1.0), threshold=0.4):
    """The boxes that are found in photos at some levels, a row for each photo."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    figure = Figure((3.4 * len(levels), 2.7 * len(photos)), layout="constrained")
    places = figure.subplots(len(photos), len(levels), squeeze=False)
    for column, u in enumerate(levels):
        found = model[u].predict(photos, verbose=0)
        for row, photo in enumerate(photos):
            axes = places[row, column]
            axes.imshow(photo)
            axes.set_axis_off()
            axes.set_title(f"u = {u:g}" if not row else "")
            for box, c, score in zip(
                found["boxes"][row], found["labels"][row], found["confidence"][row], strict=True
            ):
                if score >= threshold:
                    corner, size = box[:2] - 0.5, box[2:] - box[:2]
                    color = ("#ffd400", "#00b7ff", "#ff2d9b")[int(c) % 3]
                    axes.add_patch(Rectangle(corner, *size, fill=False, color=color, lw=1.2))
    figure.legend(
        handles=[Rectangle((0, 0), 1, 1, fill=False, color=color, label=name)
                 for name, color in zip(names, ("#ffd400", "#00b7ff", "#ff2d9b"), strict=False)],
        loc="outside lower center", ncols=3, frameon=False,
    )  # fmt: skip
    figure.savefig(path, dpi=110)


def device_times(model, calibration, bundle) -> str:
    """Median milliseconds of a photo at each level, and how many times as fast as the whole."""
    tnn_tflite.convert(model, bundle, levels=LEVELS, calibration_data=calibration)
    table = tnn_tflite.calibrate(tnn_tflite.Dispatcher(bundle), rounds=200)
    whole = table.levels[-1].milliseconds
    return "\n".join(
        f"u = {one.utilization:<6g} {one.milliseconds:6.2f} ms {whole / one.milliseconds:5.2f} x"
        for one in table.levels
    )


def main(argv):
    keras.utils.set_random_seed(0)
    out = pathlib.Path(OUT.value)
    out.mkdir(parents=True, exist_ok=True)
    x, y, x_test, y_test, names = load()

    def trained(model, name, rate, epochs, callbacks=()):
        """Trains a model, or loads its weights if that is done."""
        path = out / f"{name}.weights.h5"
        compiled(model, rate, epochs, len(x))
        if path.exists():
            model.load_weights(path)
        else:
            model.fit(batches(x, y), epochs=epochs, callbacks=list(callbacks), verbose=2)
            model.save_weights(path)
        return model

    plain = trained(detector(len(names)), "plain", 2e-3, EPOCHS.value)
    print("plain:", mean_average_precision(plain, x_test, y_test))

    # In batches: the pyramid of 292 photos at once takes 9 GB.
    calibration = tf.data.Dataset.from_tensor_slices(x).batch(32)
    ways = {
        "plain, cut": None,
        "u uniform": tnn.callbacks.UniformUtilization(),
        "sandwich rule": tnn.callbacks.SandwichRule(LEVELS),
    }
    tables = {}
    for name, way in ways.items():
        model = tnn.throttle(plain, num_groups=16, axes=("width",), channel_order="l1")
        if way:
            trained(model, name.replace(" ", "_"), RATE.value, TUNE.value, [way])
        # Where every sample has its own u, the statistics of training fit as they are.
        calibration_data = None if name == "u uniform" else calibration
        tables[name] = tnn.evaluate_levels(
            model,
            x_test,
            y_test,
            LEVELS,
            calibration_data=calibration_data,
            measure=mean_average_precision,
            verbose=False,
        )
        print(f"\n{name}\n{tables[name]}", flush=True)
        (out / f"{name.replace(' ', '_')}.txt").write_text(f"{tables[name]}\n")
    figure_of(tables, out / "map.png")
    levels = {u: tnn.materialize(model, u, calibration_data=calibration) for u in (0.25, 0.5, 1.0)}
    drawn(levels, x_test[:3], names, out / "boxes.png")
    model.save(out / "detector.keras")
    print(f"\non this device\n{device_times(model, calibration, out / 'bundle')}")


if __name__ == "__main__":
    app.run(main)
