"""Objects from boxes and scores, against a slow reference that is written from the definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnn_tflite.outputs.detection import (
    DetectedObject,
    decoded_boxes,
    detected_objects,
    intersection_over_union,
    read_detections,
)


def slow_overlap(a, b):
    height = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    width = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    shared = height * width
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union > 0 else 0.0


def slow_objects(boxes, scores, threshold, overlap):
    """Takes the best box again and again, and strikes out what it covers."""
    found = []
    for index in range(scores.shape[1]):
        left = [i for i in range(len(boxes)) if scores[i, index] >= threshold]
        while left:
            best = max(left, key=lambda i: (scores[i, index], -i))
            found.append((tuple(boxes[best]), index, scores[best, index]))
            left = [i for i in left if i != best and slow_overlap(boxes[best], boxes[i]) <= overlap]
    return found


@given(st.integers(0, 12), st.integers(1, 3), st.integers(0, 10**6), st.floats(0.0, 1.0))
def test_against_the_slow_reference(count, classes, seed, overlap):
    random = np.random.default_rng(seed)
    corners = np.sort(random.integers(0, 8, (count, 2, 2)), axis=1)  # small: many overlaps
    boxes = corners.reshape(count, 4).astype("float64")
    scores = random.integers(0, 6, (count, classes)) / 5  # many equal scores
    found = detected_objects(boxes, scores, threshold=0.4, overlap=overlap)
    expected = slow_objects(boxes, scores, 0.4, overlap)
    assert sorted((one.box, one.index, one.score) for one in found) == sorted(expected)
    assert [one.score for one in found] == sorted((s for *_, s in expected), reverse=True)


def test_decoded_boxes_are_what_keras_makes_of_offsets():
    keras = pytest.importorskip("keras")
    random = np.random.default_rng(0)
    anchors = np.sort(random.random((20, 2, 2)).astype("float32") * 50, axis=1).reshape(20, 4)
    offsets = random.normal(0, 0.3, (20, 4)).astype("float32")
    expected = keras.utils.bounding_boxes.decode_deltas_to_boxes(
        anchors, offsets, anchor_format="xyxy", box_format="xyxy", encoded_format="center_xywh"
    )
    np.testing.assert_allclose(decoded_boxes(anchors, offsets), expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match=r"offsets of shape \(3, 4\), anchors of shape \(20, 4\)"):
        decoded_boxes(anchors, offsets[:3])


def test_overlap_of_two_boxes():
    """Two by two, shifted by one: 2 shared of 4 + 4 - 2."""
    box = np.array([0.0, 0.0, 2.0, 2.0])
    others = np.array([[0.0, 1.0, 2.0, 3.0], [0.0, 0.0, 2.0, 2.0], [2.0, 2.0, 3.0, 3.0]])
    np.testing.assert_allclose(intersection_over_union(box, others), [1 / 3, 1.0, 0.0])


def test_classes_do_not_suppress_each_other():
    boxes = np.array([[0.0, 0.0, 1.0, 1.0]] * 2)
    scores = np.array([[0.9, 0.0], [0.0, 0.8]])
    assert [one.index for one in detected_objects(boxes, scores)] == [0, 1]


def test_most():
    boxes = np.array([[i, i, i + 1, i + 1] for i in range(9)], "float32")
    scores = np.linspace(0.6, 0.9, 9, dtype="float32")[:, np.newaxis]
    found = detected_objects(boxes, scores, most=2)
    assert [one.box[0] for one in found] == [8.0, 7.0]


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"Expected shape \(boxes, 4\).*boxes of shape \(2, 4\)"):
        detected_objects(np.zeros((2, 4)), np.zeros((3, 1)))


def test_outputs_of_the_operator():
    """As TFLite_Detection_PostProcess fills them: what lies behind `count` is left over."""
    boxes = np.arange(16.0).reshape(4, 4)
    found = read_detections(
        boxes, np.array([2.0, 0, 1, 1]), np.array([0.9, 0.3, 0.6, 0.9]), np.array([3.0]), 0.5
    )
    assert found == [
        DetectedObject((0.0, 1.0, 2.0, 3.0), 2, 0.9),
        DetectedObject((8.0, 9.0, 10.0, 11.0), 1, 0.6),
    ]
