import numpy as np
import pytest

from keras_tnn.losses import InPlaceDistillation


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("from_logits", [True, False])
def test_is_the_cross_entropy_of_the_teacher(temperature, from_logits):
    rng = np.random.default_rng(0)
    teacher, student = rng.normal(size=(2, 5, 4)).astype("float32")
    expected = -(softmax(teacher / temperature) * np.log(softmax(student / temperature))).sum(-1)
    if not from_logits:
        teacher, student = softmax(teacher), softmax(student)
    loss = InPlaceDistillation(from_logits, temperature)
    np.testing.assert_allclose(loss(teacher, student), expected.mean(), rtol=1e-5)  # float32


def test_refuses_a_temperature_of_zero():
    with pytest.raises(ValueError, match="`temperature`. Expected a positive float"):
        InPlaceDistillation(temperature=0)
