"""Batches in which each sample has its own utilization."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnn_tflite.dispatch.per_sample import samples_by_level
from tnn_tflite.utilization import level_index

LEVELS = (0.25, 0.5, 1.0)


@pytest.mark.parametrize("kind", [np.array, list, tuple])
def test_each_sample_runs_at_its_own(dispatcher, images, kind):
    utilization = [1.0, 0.3, 0.5, 0.1, 1.0]
    outputs = dispatcher(images, utilization=kind(utilization))
    assert outputs.shape == (5, 4)
    for image, u, output in zip(images, utilization, outputs, strict=True):
        np.testing.assert_array_equal(output, dispatcher(image, u))
    # Without this the test could pass on a dispatcher that ignores utilization.
    assert not np.allclose(outputs[1], dispatcher(images[1], 1.0), atol=0.01)


def test_float32_and_integers(dispatcher, images):
    tenths = np.full(5, 0.5, "float32")
    np.testing.assert_array_equal(dispatcher(images, tenths), dispatcher(images, 0.5))
    np.testing.assert_array_equal(dispatcher(images, np.ones(5, int)), dispatcher(images, 1.0))


def test_empty_batch(dispatcher, images):
    assert dispatcher(images[:0], utilization=[]).shape == (0, 4)


@given(st.lists(st.floats(1e-3, 1.0), max_size=30))
def test_groups_hold_each_sample_once_at_its_level(utilization):
    groups = list(samples_by_level(LEVELS, utilization, len(utilization)))
    places = np.concatenate([np.zeros(0, int), *(places for _, places in groups)])
    assert sorted(places) == list(range(len(utilization)))
    for index, places in groups:
        assert all(level_index(LEVELS, utilization[place]) == index for place in places)
    indices = [index for index, _ in groups]
    assert indices == sorted(set(indices))


@pytest.mark.parametrize(
    ("utilization", "received"),
    [
        ([0.5] * 4, r"utilization of shape \(4,\)"),
        ([[0.5] * 5], r"utilization of shape \(1, 5\)"),
        ([0.5, 0.5, 0, 0.5, 2], r"utilization\[2\]=0.0 and 1 more"),
        ([0.5, float("nan"), 1, 1, 1], r"utilization\[1\]=nan and 0 more"),
        (["0.5"] * 5, "utilization of dtype <U3"),
        ([True] * 5, "utilization of dtype bool"),
        ([1j] * 5, "utilization of dtype complex128"),
        ([[0.5], 0.5, 1, 1, 1], r"utilization=\[\[0.5\], 0.5"),
    ],
)
def test_what_is_refused(dispatcher, images, utilization, received):
    expected = r"a float in \(0, 1\], or an array of 5, one for each sample. Received: "
    with pytest.raises(ValueError, match=expected + received):
        dispatcher(images, utilization)


def test_one_sample_has_one_utilization(dispatcher, images):
    with pytest.raises(ValueError, match=r"Expected a float in \(0, 1\]. Received: utilization of"):
        dispatcher(images[0], [0.5])


def test_run_takes_one_utilization(dispatcher, images):
    with pytest.raises(ValueError, match=r"Expected a float in \(0, 1\]"):
        dispatcher.run(images, [0.5] * 5)
