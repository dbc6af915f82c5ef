"""What each output learns from the full level, by hand."""

import keras
import numpy as np
import pytest
from keras import layers, losses

from keras_tnn.losses import LevelDistillation

RNG = np.random.default_rng(0)
TEACHER, STUDENT = RNG.normal(size=(2, 5, 4)).astype("float32")
LOGITS = losses.SparseCategoricalCrossentropy(from_logits=True)


def network(*widths):
    x = keras.Input((3,))
    heads = [layers.Dense(width, name=f"head{i}")(x) for i, width in enumerate(widths)]
    return keras.Model(x, heads if len(heads) > 1 else heads[0])


def softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def of_classes(teacher, student):
    return float(-(softmax(teacher) * np.log(softmax(student))).sum(-1).mean())


def of_yes_and_no(teacher, student):
    p, q = sigmoid(teacher), sigmoid(student)
    return float(-(p * np.log(q) + (1 - p) * np.log(1 - q)).mean())


def squared(teacher, student):
    return float(np.mean((teacher - student) ** 2))


@pytest.mark.parametrize(
    ("own", "values", "expected"),
    [
        (LOGITS, lambda x: x, of_classes),
        ([LOGITS], lambda x: x, of_classes),
        ({"head0": LOGITS}, lambda x: x, of_classes),
        ("sparse_categorical_crossentropy", softmax, of_classes),
        (losses.categorical_crossentropy, softmax, of_classes),
        (losses.KLDivergence(), softmax, of_classes),
        ("crossentropy", softmax, of_classes),
        ("binary_crossentropy", sigmoid, of_yes_and_no),
        (losses.BinaryCrossentropy(from_logits=True), lambda x: x, of_yes_and_no),
        (losses.BinaryFocalCrossentropy(), sigmoid, of_yes_and_no),
        ("mse", lambda x: x, squared),
        (losses.Huber(), lambda x: x, squared),
    ],
)
def test_fits_the_loss_of_an_output(own, values, expected):
    model = network(4)
    model.compile(loss=own)
    found = LevelDistillation(model).judge(values(TEACHER), values(STUDENT))
    assert float(found) == pytest.approx(expected(TEACHER, STUDENT), rel=1e-4)  # float32


@pytest.mark.parametrize("own", ["binary_crossentropy", "crossentropy"])
def test_one_yes_or_no_output(own):
    model = network(1)
    model.compile(loss=own)
    found = LevelDistillation(model).judge(sigmoid(TEACHER[:, :1]), sigmoid(STUDENT[:, :1]))
    assert float(found) == pytest.approx(of_yes_and_no(TEACHER[:, :1], STUDENT[:, :1]), rel=1e-4)


@pytest.mark.parametrize(
    "own", [[LOGITS, "mse", None], {"head0": LOGITS, "head1": "mse", "head2": None}]
)
def test_several_outputs_with_weights(own):
    model = network(4, 2, 3)
    weights = (
        [2.0, 10.0, 1.0] if isinstance(own, list) else {"head0": 2.0, "head1": 10.0, "head2": 1.0}
    )
    model.compile(loss=own, loss_weights=weights)
    teacher, student = ([x, x[:, :2], x[:, :3]] for x in (TEACHER, STUDENT))
    expected = 2 * of_classes(TEACHER, STUDENT) + 10 * squared(TEACHER[:, :2], STUDENT[:, :2])
    found = LevelDistillation(model).judge(teacher, student)
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_sample_weights_count():
    model = network(4)
    model.compile(loss="mse")
    weights = np.array([1.0, 0, 0, 0, 0], "float32")
    found = LevelDistillation(model).judge(TEACHER, STUDENT, weights)
    assert float(found) == pytest.approx(squared(TEACHER[:1], STUDENT[:1]) / 5, rel=1e-4)


def test_a_loss_of_the_users_own_needs_one_for_distillation():
    model = network(4)
    model.compile(loss=lambda y, y_pred: keras.ops.mean(y_pred - y))
    with pytest.raises(ValueError, match="Invalid value for `distillation`"):
        LevelDistillation(model)
    found = LevelDistillation(model, losses.MeanAbsoluteError()).judge(TEACHER, STUDENT)
    assert float(found) == pytest.approx(np.mean(np.abs(TEACHER - STUDENT)), rel=1e-4)
