"""Objects from the boxes and scores of a detection network."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class DetectedObject:
    """A box with a class.

    Args:
        box: Two opposite corners, `(y_min, x_min, y_max, x_max)`, in the units of the network.
        index: Of the class.
        score: As the network gives it.
    """

    box: tuple[float, float, float, float]
    index: int
    score: float


def decoded_boxes(anchors: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Returns the boxes of one image from what a network says of each anchor (ren2015, Eq. 2).

    Offsets of the centre are in sizes of the anchor, those of the size are logarithms. Both stand
    in the order of the axes of the corners: `(y, x, height, width)` for `(y_min, x_min, y_max,
    x_max)`, or x first in both.

    Args:
        anchors: Shape `(boxes, 4)`: two opposite corners, the smaller two first.
        offsets: Shape `(boxes, 4)`: of the centre, two, and of the size, two.

    Example:

    >>> anchors = np.array([[0.0, 0.0, 4.0, 8.0]])
    >>> decoded_boxes(anchors, np.array([[0.25, 0.0, np.log(2), 0.0]])).tolist()
    [[-1.0, 0.0, 7.0, 8.0]]
    """
    if anchors.shape != offsets.shape or anchors.ndim != 2 or anchors.shape[1] != 4:
        raise ValueError(
            "Invalid value for `offsets`. Expected shape (boxes, 4), as `anchors`. Received: "
            f"offsets of shape {offsets.shape}, anchors of shape {anchors.shape}"
        )
    low, size = anchors[:, :2], anchors[:, 2:] - anchors[:, :2]
    center = low + size / 2 + offsets[:, :2] * size
    size = size * np.exp(offsets[:, 2:])
    return np.concatenate([center - size / 2, center + size / 2], axis=1)


def detected_objects(
    boxes: np.ndarray,
    scores: np.ndarray,
    *,
    threshold: float = 0.5,
    overlap: float = 0.5,
    most: int = 100,
) -> list[DetectedObject]:
    """Returns the objects of one image, the highest score first.

    In each class a box is dropped that overlaps a better one: non-maximum suppression.

    Args:
        boxes: Shape `(boxes, 4)`: `(y_min, x_min, y_max, x_max)`. Any one convention of corners
            does, the smaller two first.
        scores: Shape `(boxes, classes)`.
        threshold: Least score of an object.
        overlap: Most intersection over union of two boxes of a class, in [0, 1].
        most: Most objects that are returned.

    Example:

    >>> boxes = np.array([[0, 0, 2, 2], [0, 0, 2, 1.9], [5, 5, 6, 6]])
    >>> scores = np.array([[0.8], [0.9], [0.6]])
    >>> [found.score for found in detected_objects(boxes, scores)]
    [0.9, 0.6]
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.shape[:1] != boxes.shape[:1]:
        raise ValueError(
            "Invalid value for `boxes`. Expected shape (boxes, 4), and (boxes, classes) for "
            f"`scores`. Received: boxes of shape {boxes.shape}, scores of shape {scores.shape}"
        )
    found = [
        DetectedObject(tuple(map(float, boxes[place])), index, float(scores[place, index]))
        for index in range(scores.shape[1])
        for place in _suppressed(boxes, scores[:, index], threshold, overlap)
    ]
    return sorted(found, key=lambda one: -one.score)[:most]


def read_detections(
    boxes: np.ndarray, classes: np.ndarray, scores: np.ndarray, count: np.ndarray, threshold: float
) -> list[DetectedObject]:
    """Reads the four outputs of the operator TFLite_Detection_PostProcess, for one image.

    The operator has suppressed overlapping boxes itself.

    Args:
        boxes: Shape `(boxes, 4)`.
        classes: Shape `(boxes,)`, floats.
        scores: Shape `(boxes,)`.
        count: How many of them are filled, one number of any shape.
        threshold: Least score of an object.
    """
    filled = int(np.asarray(count).reshape(-1)[0])
    return [
        DetectedObject(tuple(map(float, box)), int(index), float(score))
        for box, index, score in zip(boxes[:filled], classes, scores, strict=False)
        if score >= threshold
    ]


def _suppressed(
    boxes: np.ndarray, scores: np.ndarray, threshold: float, overlap: float
) -> list[int]:
    """Returns the places of the boxes of one class that stay."""
    order = np.argsort(-scores.astype("float64"), kind="stable")
    left = order[scores[order] >= threshold]
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(int(best))
        left = left[intersection_over_union(boxes[best], boxes[left]) <= overlap]
    return kept


def intersection_over_union(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns the shared part of a box and each of the others, in [0, 1].

    Args:
        box: Shape `(4,)`: two opposite corners, the smaller one first.
        others: Shape `(boxes, 4)`.
    """
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    union = np.prod(box[2:] - box[:2]) + areas - shared
    # Two boxes without an area share nothing.
    return np.divide(shared, union, out=np.zeros_like(shared, "float64"), where=union > 0)
