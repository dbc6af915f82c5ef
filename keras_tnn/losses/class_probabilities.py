"""What a classifier's outputs say of classes, whichever loss it learns by."""

import keras
import numpy as np
from keras import losses, ops

from keras_tnn.losses.level_distillation import BINARY, BY_FUNCTION, CATEGORICAL
from keras_tnn.losses.outputs_model import BY_SHAPE

MEASURES = ("probability", "margin")  # of how sure an answer is


def class_probabilities(model: keras.Model):
    """Returns the function that turns a model's outputs into class probabilities.

    Args:
        model: a compiled model with one output, `(batch, classes)`, or `(batch, 1)` for yes and
            no, and one of Keras' cross-entropies as its loss.

    Returns:
        A function from outputs, probabilities or logits as the loss takes them, to probabilities,
        a tensor of shape `(batch, classes)`; yes and no are two classes.

    Raises:
        ValueError: if the model is not compiled or is no such classifier.

    Example:

    >>> image = keras.Input((3,))
    >>> model = keras.Model(image, keras.layers.Dense(1, activation="sigmoid")(image))
    >>> model.compile(loss="binary_crossentropy")
    >>> class_probabilities(model)(np.array([[0.25]])).numpy().tolist()
    [[0.75, 0.25]]
    """
    loss = model.loss if model.compiled else None
    one = isinstance(model.output, keras.KerasTensor) and len(model.output.shape) == 2
    if not one or not judges_classes(loss):
        raise ValueError(
            f"Model '{model.name}' says nothing of how sure it is. Expected a compiled classifier: "
            "one output of shape (batch, classes), and one of Keras' cross-entropies as its loss. "
            f"Received: loss={loss!r} for outputs {model.output}"
        )
    from_logits = isinstance(loss, losses.Loss) and loss.get_config().get("from_logits", False)
    if model.output.shape[-1] > 1:
        return ops.softmax if from_logits else ops.convert_to_tensor

    def of_yes(outputs):
        yes = ops.sigmoid(outputs) if from_logits else ops.convert_to_tensor(outputs)
        return ops.concatenate([1 - yes, yes], axis=-1)

    return of_yes


def class_numbers(y):
    """The classes that labels name, integers `(batch,)`.

    Args:
        y: class numbers, `(batch,)` or `(batch, 1)`, or one-hot rows `(batch, classes)`.
    """
    y = ops.convert_to_tensor(y)
    one_hot = len(y.shape) == 2 and y.shape[-1] > 1
    return ops.cast(ops.argmax(y, axis=-1) if one_hot else ops.reshape(y, (-1,)), "int32")


def certainty_of_answers(probabilities: np.ndarray, measure: str = "probability") -> np.ndarray:
    """How sure an answer is, floats in [0, 1] of the shape `(...)`.

    Args:
        probabilities: of the classes, floats `(..., classes)`.
        measure: "probability", that of the answer, or "margin", by how much it is above the next
            class.

    Raises:
        ValueError: if `measure` is neither.
    """
    check_measure(measure)
    if measure == "probability":
        return probabilities.max(-1)
    ranked = np.sort(probabilities, axis=-1)
    return ranked[..., -1] - ranked[..., -2]


def check_measure(measure: str):
    """Raises ValueError if `measure` is none of `MEASURES`."""
    if measure not in MEASURES:
        raise ValueError(
            f"Invalid value for `measure`. Expected one of {MEASURES}. "
            f"Received: measure={measure!r}"
        )


def judges_classes(loss) -> bool:
    """Whether a loss, as `compile` takes it, is a cross-entropy."""
    if isinstance(loss, str):
        if loss.lower() in BY_SHAPE:
            return True
        loss = losses.get(loss)
    return isinstance(loss, (*CATEGORICAL, *BINARY)) or loss in BY_FUNCTION
