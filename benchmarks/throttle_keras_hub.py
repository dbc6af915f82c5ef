"""Vision networks of keras-hub under `throttle`, `materialize` and `convert`: MACs, differences.

    pip install keras-hub
    python benchmarks/throttle_keras_hub.py [NAME ...]

Small configurations with random weights, in width and in 8 groups: the share of MACs that is left
at u = 1/2 and 1/4; the largest difference between throttled and original outputs at u = 1, and
between the cut and the masked network at u = 1/2, both relative to the largest output; that of the
converted level on the interpreter; and what is kept whole, or why nothing can be gated. Backbones
have a pooling and a dense layer of 10 behind them.
"""

import shutil
import sys
import tempfile
import warnings

import keras
import numpy as np
from keras_hub_networks import NETWORKS
from throttle_applications import randomized

import keras_tnn as tnn
import tnn_tflite


def main(names):
    print(
        f"{'network':<22}{'MACs':>9}{'u=1/2':>8}{'u=1/4':>8}{'u=1 differs':>13}"
        f"{'cut differs':>13}{'converted':>11}  kept whole, or why not"
    )
    for name in names:
        keras.backend.clear_session()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                line = measured(NETWORKS[name]())
            except Exception as error:  # a benchmark goes on with the next network
                line = f"{type(error).__name__}: {error}"[:200].replace("\n", " ")
        said = [str(one.message)[:200] for one in caught if "No rule" in str(one.message)]
        print(f"{name:<22}{line}", *said[:1], flush=True)


def measured(network) -> str:
    plain = randomized(keras.Model(network.input, classified(network.output)))
    dialled = tnn.throttle(plain, num_groups=8, axes=("width",))
    small = tnn.materialize(dialled, 0.5)
    macs = tnn.count_macs(plain)
    half, quarter = (tnn.count_macs(dialled, u) / macs for u in (0.5, 0.25))
    rng = np.random.default_rng(1)
    x = [sample(one, rng) for one in keras.tree.flatten(network.input)]
    whole = difference(called(plain, x), called(dialled, [*x, np.ones(1, "float32")]))
    masked = called(dialled, [*x, np.full(1, 0.5, "float32")])
    cut = difference(called(small, x), masked)
    return (
        f"{macs / 1e6:>7.1f} M{half:>8.3f}{quarter:>8.3f}{whole:>13.1e}{cut:>13.1e}"
        f"{converted(dialled, x, masked):>11}"
    )


def sample(tensor, rng) -> np.ndarray:
    """A random image, or what else an input takes; six of what it takes any number of."""
    shape = [1, *(6 if size is None else size for size in tensor.shape[1:])]
    low, high = (-1, 1) if "float" in tensor.dtype else (1, 9)
    return rng.uniform(low, high, shape).astype(tensor.dtype)


def classified(features):
    """Backbones get a classifier, as what a model returns stays whole; others are as they are."""
    if not isinstance(features, keras.KerasTensor) or len(features.shape) < 3:
        return features
    pooled = keras.layers.GlobalAveragePooling1D() if len(features.shape) == 3 else None
    return keras.layers.Dense(10)((pooled or keras.layers.GlobalAveragePooling2D())(features))


def converted(dialled, x, masked) -> str:
    folder = tempfile.mkdtemp()
    try:
        tnn_tflite.convert(dialled, f"{folder}/bundle", levels=(0.5,))
        made = tnn_tflite.Dispatcher(f"{folder}/bundle")(
            x[0] if len(x) == 1 else x, utilization=0.5
        )
        made = [np.asarray(one) for one in keras.tree.flatten(made)]
        return f"{difference(made, masked):.0e}"
    except Exception as error:  # told in the table
        return f"{type(error).__name__}: {str(error)[:80]}".replace("\n", " ")
    finally:
        shutil.rmtree(folder)


def called(model, inputs) -> list:
    """The outputs, of inputs in the form in which the model takes them."""
    structure = keras.tree.pack_sequence_as(model.input, list(inputs))
    made = keras.tree.flatten(model(structure, training=False))
    return [keras.ops.convert_to_numpy(one) for one in made]


def difference(these, others) -> float:
    pairs = list(zip(these, others, strict=True))
    largest = max(np.abs(one).max() for one, _ in pairs)
    return max(np.abs(one - other.reshape(one.shape)).max() for one, other in pairs) / largest


if __name__ == "__main__":
    main(sys.argv[1:] or NETWORKS)
