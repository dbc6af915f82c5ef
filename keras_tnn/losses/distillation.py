"""In-place distillation: a level learns from the full level's outputs in the same step."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_tnn")
class InPlaceDistillation(keras.losses.Loss):
    """Cross-entropy of a level's class probabilities against those of the full level.

    Yu and Huang (2019), "Universally slimmable networks and improved training techniques", 3.4.

    Args:
        from_logits: whether both outputs are logits; else they are probabilities.
        temperature: positive float that divides the logits; 1 in the paper. Probabilities are
            turned into logits by their logarithm first.

    Call arguments:
        y_true: outputs of the full level, `(batch, classes)`.
        y_pred: outputs of the level that learns, `(batch, classes)`.

    Raises:
        ValueError: if `temperature` is not positive.

    Example:

    >>> loss = InPlaceDistillation()
    >>> round(float(loss(np.array([[0.5, 0.5]]), np.array([[0.5, 0.5]]))), 4)  # ln 2
    0.6931
    """

    def __init__(self, from_logits=False, temperature=1.0, name="in_place_distillation", **kwargs):
        super().__init__(name=name, **kwargs)
        if not temperature > 0:
            raise ValueError(
                "Invalid value for `temperature`. Expected a positive float. "
                f"Received: temperature={temperature!r}"
            )
        self.from_logits = from_logits
        self.temperature = temperature

    def logits(self, outputs):
        if not self.from_logits:
            outputs = ops.log(ops.clip(outputs, keras.config.epsilon(), 1.0))
        return outputs / self.temperature

    def call(self, y_true, y_pred):
        teacher = ops.softmax(self.logits(y_true))
        return -ops.sum(teacher * ops.log_softmax(self.logits(y_pred)), axis=-1)

    def get_config(self):
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "temperature": self.temperature,
        }


@keras.saving.register_keras_serializable(package="keras_tnn")
class InPlaceBinaryDistillation(keras.losses.Loss):
    """Binary cross-entropy of a level's probabilities against those of the full level.

    For outputs that are independent yes-or-no probabilities, one or several.

    Args:
        from_logits: whether both outputs are logits; else they are probabilities.

    Call arguments:
        y_true: outputs of the full level, `(batch, ...)`.
        y_pred: outputs of the level that learns, `(batch, ...)`.

    Example:

    >>> loss = InPlaceBinaryDistillation()
    >>> round(float(loss(np.array([[0.5]]), np.array([[0.5]]))), 4)  # ln 2
    0.6931
    """

    def __init__(self, from_logits=False, name="in_place_binary_distillation", **kwargs):
        super().__init__(name=name, **kwargs)
        self.from_logits = from_logits

    def call(self, y_true, y_pred):
        teacher = ops.sigmoid(y_true) if self.from_logits else y_true
        return keras.losses.binary_crossentropy(teacher, y_pred, from_logits=self.from_logits)

    def get_config(self):
        return {**super().get_config(), "from_logits": self.from_logits}
