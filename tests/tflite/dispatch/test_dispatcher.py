"""The dispatcher picks the right level and gives what the network gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnn_tflite import Dispatcher, Level, TensorSpec
from tnn_tflite.utilization import level_index

LEVELS = (0.25, 0.5, 1.0)

# float32 sums in another order than Keras; values are below 10.
TOLERANCE = 1e-5


@pytest.mark.parametrize("utilization", LEVELS)
def test_equals_the_keras_network(dispatcher, networks, images, utilization):
    expected = networks[utilization].predict(images, verbose=0)
    np.testing.assert_allclose(dispatcher(images, utilization), expected, atol=TOLERANCE)


def test_levels_differ(dispatcher, images):
    """Without this the test above could pass on three equal networks."""
    outputs = [dispatcher(images, utilization) for utilization in LEVELS]
    assert not np.allclose(outputs[0], outputs[1], atol=0.01)
    assert not np.allclose(outputs[1], outputs[2], atol=0.01)


def test_default_is_the_full_network(dispatcher, images):
    np.testing.assert_array_equal(dispatcher(images), dispatcher(images, 1.0))


def test_one_sample_has_no_batch_axis(dispatcher, images):
    one = dispatcher(images[0])
    assert one.shape == (4,)
    np.testing.assert_array_equal(one, dispatcher(images[:1])[0])


@pytest.mark.parametrize("batch_size", [0, 1, 5])
def test_batch_of_any_size(dispatcher, images, batch_size):
    outputs = dispatcher(images[:batch_size], 0.5)
    assert outputs.shape == (batch_size, 4)
    assert outputs.dtype == np.float32
    for image, output in zip(images, outputs, strict=False):
        np.testing.assert_array_equal(output, dispatcher(image, 0.5))


def test_takes_arrays_that_are_not_contiguous(dispatcher, images):
    flipped = images[:, ::-1, ::-1]
    expected = dispatcher(np.ascontiguousarray(flipped))
    np.testing.assert_array_equal(dispatcher(flipped), expected)


def test_takes_a_dictionary(dispatcher, images):
    np.testing.assert_array_equal(dispatcher({"image": images}), dispatcher(images))


def test_results_belong_to_the_caller(dispatcher, images):
    """A view into the interpreter would change with the next call, and forbid it."""
    first = dispatcher(images[0])
    kept = first.copy()
    dispatcher(images[1])
    np.testing.assert_array_equal(first, kept)
    first[:] = 0
    np.testing.assert_array_equal(dispatcher(images[0]), kept)


@pytest.mark.parametrize(
    ("utilization", "expected"),
    [
        (0.01, 0.25),  # below the lowest level: the lowest level
        (0.25, 0.25),
        (0.4999, 0.25),
        (0.5, 0.5),
        (0.99, 0.5),
        (1.0, 1.0),
        (1, 1.0),
        (np.float32(0.5), 0.5),
    ],
)
def test_level_for(dispatcher, utilization, expected):
    level = dispatcher.level_for(utilization)
    assert isinstance(level, Level)
    assert level.utilization == expected


def test_the_level_that_runs_is_level_for(dispatcher, images):
    for utilization in (0.1, 0.3, 0.7):
        level = dispatcher.level_for(utilization).utilization
        expected = dispatcher(images, level)
        np.testing.assert_array_equal(dispatcher(images, utilization), expected)


@given(
    st.lists(st.floats(1e-3, 1), min_size=1, max_size=9, unique=True).map(sorted),
    st.floats(1e-3, 1),
)
def test_highest_level_not_above(utilizations, utilization):
    index = level_index(utilizations, utilization)
    # 1e-6 is the rounding that `level_index` forgives.
    assert index == 0 or utilizations[index] <= utilization + 1e-6
    assert index == len(utilizations) - 1 or utilizations[index + 1] > utilization


def test_float32_rounding_does_not_drop_a_level():
    tenths = [k / 10 for k in range(1, 11)]
    assert [level_index(tenths, float(np.float32(u))) for u in tenths] == list(range(10))


def test_levels(dispatcher):
    assert isinstance(dispatcher.levels, tuple)
    assert tuple(level.utilization for level in dispatcher.levels) == LEVELS


def test_a_level_is_read_when_first_needed(bundle, images):
    dispatcher = Dispatcher(bundle)
    dispatcher(images, 0.5)
    for path in bundle.glob("*.tflite"):
        path.unlink()
    dispatcher(images, 0.5)
    with pytest.raises(ValueError, match="no such file"):
        dispatcher(images, 1.0)


def test_warm_up_reads_all_levels(bundle, images):
    dispatcher = Dispatcher(bundle)
    dispatcher.warm_up()
    for path in bundle.glob("*.tflite"):
        path.unlink()
    for utilization in LEVELS:
        dispatcher(images, utilization)


def test_opens_after_the_working_directory_changed(bundle, images, monkeypatch):
    monkeypatch.chdir(bundle.parent)
    dispatcher = Dispatcher("bundle")
    monkeypatch.chdir("/")
    assert dispatcher(images).shape == (5, 4)


def test_bundle_and_runtime_can_be_read(dispatcher):
    assert dispatcher.bundle.inputs == (TensorSpec("image", (8, 8, 3), "float32"),)
    assert dispatcher.runtime in ("ai_edge_litert", "tflite_runtime", "tensorflow")
