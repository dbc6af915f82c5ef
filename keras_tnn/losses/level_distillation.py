"""Which loss distils which output of a model: one that fits the output's own loss."""

import keras
from keras import losses

from keras_tnn.losses.added import added_losses
from keras_tnn.losses.distillation import InPlaceBinaryDistillation, InPlaceDistillation
from keras_tnn.losses.outputs_model import BY_SHAPE, OutputsModel

CATEGORICAL = (
    losses.CategoricalCrossentropy,
    losses.SparseCategoricalCrossentropy,
    losses.CategoricalFocalCrossentropy,
    losses.KLDivergence,
)
BINARY = (losses.BinaryCrossentropy, losses.BinaryFocalCrossentropy)
BY_FUNCTION = {
    losses.categorical_crossentropy: InPlaceDistillation,
    losses.sparse_categorical_crossentropy: InPlaceDistillation,
    losses.categorical_focal_crossentropy: InPlaceDistillation,
    losses.kl_divergence: InPlaceDistillation,
    losses.binary_crossentropy: InPlaceBinaryDistillation,
    losses.binary_focal_crossentropy: InPlaceBinaryDistillation,
}


class LevelDistillation(OutputsModel):
    """The loss by which each output of a level learns from the same output of the full level.

    Args:
        model: a compiled model.
        loss: `keras.losses.Loss` on `(full outputs, level outputs)` for every output that has a
            loss. By default cross-entropy where the output's own loss is one, of classes or of
            yes and no, and else the mean squared difference.

    Call arguments:
        teacher, outputs: outputs of the full level and of the level that learns, structured as
            the model's.
        sample_weight: as `fit` takes it, or None.

    Raises:
        ValueError: if a loss of the model is neither a Keras loss nor replaced by `loss`.

    Example:

    >>> image = keras.Input((3,))
    >>> model = keras.Model(image, keras.layers.Dense(2, activation="softmax")(image))
    >>> model.compile(loss="sparse_categorical_crossentropy")
    >>> halves = np.full((1, 2), 0.5, "float32")
    >>> round(float(LevelDistillation(model).judge(halves, halves)), 4)  # ln 2
    0.6931
    """

    def __init__(self, model: keras.Model, loss: keras.losses.Loss | None = None):
        super().__init__(model, lambda own: loss_for(own, loss))

    @property
    def losses(self):
        return added_losses() or []

    def judge(self, teacher, outputs, sample_weight=None):
        """The loss, with what layers added in the pass that is judged."""
        return self.compute_loss(None, teacher, outputs, sample_weight, training=True)


def loss_for(own, given: keras.losses.Loss | None):
    """The loss that distils an output whose own loss is `own`; None where it has none."""
    if own is None or given is not None:
        return None if own is None else given
    if isinstance(own, str) and own.lower() in BY_SHAPE:
        return ByShape()
    own = losses.get(own) if isinstance(own, str) else own
    config = own.get_config() if isinstance(own, losses.Loss) else {}
    from_logits = bool(config.get("from_logits", False))
    if isinstance(own, CATEGORICAL):
        return InPlaceDistillation(from_logits)
    if isinstance(own, BINARY):
        return InPlaceBinaryDistillation(from_logits)
    if own in BY_FUNCTION:
        return BY_FUNCTION[own]()
    module = (type(own) if isinstance(own, losses.Loss) else own).__module__
    if module.split(".")[0] != "keras":
        raise ValueError(
            "Invalid value for `distillation`. What an output learns from the full level depends "
            f"on its loss, and {own!r} is not Keras' own. Expected a keras.losses.Loss on (full "
            "outputs, outputs). Received: distillation=True"
        )
    return losses.MeanSquaredError()


class ByShape(losses.Loss):
    """Cross-entropy of yes and no for one number a sample, else of classes, as Keras chooses."""

    def call(self, y_true, y_pred):
        one = y_pred.shape[-1] == 1
        return (InPlaceBinaryDistillation() if one else InPlaceDistillation()).call(y_true, y_pred)
