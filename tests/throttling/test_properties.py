"""Laws that hold for any network that is throttled, tried on random ones."""

import warnings

import keras
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_tnn as tnn
from random_networks import HEADS, STEPS, network
from tnn_tflite import Dispatcher, convert

# Float32 sums of some hundred terms in another order.
TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}
IMAGES = np.random.default_rng(1).normal(size=(3, 8, 8, 3)).astype("float32")


@settings(max_examples=50)
@given(STEPS, HEADS, st.sampled_from([None, "l1"]), st.sampled_from([0.1, 0.25, 0.5, 0.7]))
def test_masked_equals_materialized_and_costs_less(steps, head, order, u):
    model = network(steps, head)
    dialled = tnn.throttle(model, num_groups=4, channel_order=order)
    np.testing.assert_allclose(dialled(IMAGES), model(IMAGES), rtol=0, atol=1e-6)
    macs = []
    for level in (u, 1.0):
        small = tnn.materialize(dialled, level)
        masked = dialled([IMAGES, np.full(3, level, "float32")])
        np.testing.assert_allclose(small(IMAGES), masked, **TOLERANCE)
        macs.append(tnn.count_macs(small))
    assert macs[0] < macs[1] == tnn.count_macs(model)


@settings(max_examples=30)
@given(STEPS, HEADS, st.data())
def test_any_pattern_of_gates_is_exact(steps, head, data):
    """Patterns that are not nested, each gate's own: tied channels need not agree."""
    dialled = tnn.throttle(network(steps, head), num_groups=4)
    pattern = st.lists(st.integers(0, 1), min_size=4, max_size=4).filter(any)
    names = [x.name for x in dialled.layers if isinstance(x, tnn.layers.ChannelGate)]
    gates = {name: data.draw(pattern) for name in names}
    small = tnn.materialize(dialled, gates=gates)
    masked = masked_by(dialled, gates)([IMAGES, np.ones(3, "float32")])
    np.testing.assert_allclose(small(IMAGES), masked, **TOLERANCE)


def masked_by(model, gates):
    """The model with a product in place of each gate, as numpy spreads its pattern."""

    def call(layer, *args, **kwargs):
        if layer.name not in gates:
            return layer(*args, **kwargs)
        features, pattern = args[0][0], np.array([*gates[layer.name], 1.0])  # -1: always open
        default = np.repeat(np.arange(4), features.shape[-1] // 4)
        groups = default if layer.channel_groups is None else layer.channel_groups
        return features * pattern[groups].astype("float32")

    return keras.models.clone_model(model, clone_function=lambda x: x, call_function=call)


@settings(max_examples=10)
@given(STEPS, HEADS)
def test_saved_and_loaded_it_answers_the_same(tmp_path_factory, steps, head):
    folder = tmp_path_factory.mktemp("saved")
    dialled = tnn.throttle(network(steps, head), num_groups=4)
    small = tnn.materialize(dialled, 0.5)
    dialled.save(folder / "dialled.keras")
    small.save(folder / "small.keras")
    dialled = keras.saving.load_model(folder / "dialled.keras")
    again = keras.saving.load_model(folder / "small.keras")
    np.testing.assert_allclose(again(IMAGES), small(IMAGES), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(
        tnn.materialize(dialled, 0.5)(IMAGES), small(IMAGES), rtol=1e-6, atol=1e-6
    )


@settings(max_examples=6)
@given(STEPS, HEADS)
def test_converted_it_answers_the_same(tmp_path_factory, steps, head):
    bundle = tmp_path_factory.mktemp("converted") / "bundle"
    dialled = tnn.throttle(network(steps, head), num_groups=4)
    with warnings.catch_warnings():  # about statistics, which do not matter here
        warnings.simplefilter("ignore", UserWarning)
        convert(dialled, bundle, levels=(0.5,), verbose=False)
    masked = dialled([IMAGES, np.full(3, 0.5, "float32")])
    np.testing.assert_allclose(Dispatcher(bundle)(IMAGES), masked, **TOLERANCE)
