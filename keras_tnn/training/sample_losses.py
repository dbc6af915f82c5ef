"""The compiled loss of each sample, for what learns by the cost of its own decisions."""

import copy

import keras
from keras import losses, ops

from keras_tnn.losses.outputs_model import BY_SHAPE, OutputsModel


class SampleLosses(OutputsModel):
    """What each sample adds to a model's compiled loss: their mean is that loss.

    It is the compiled loss with every loss left unreduced.

    Args:
        model: a compiled model.

    Raises:
        ValueError: if the model's class computes its loss itself, for the batch as a whole.

    Example:

    >>> image = keras.Input((2,))
    >>> model = keras.Model(image, [keras.layers.Dense(1, name=name)(image) for name in "ab"])
    >>> model.compile(loss={"a": "mse", "b": "mae"}, loss_weights={"a": 1.0, "b": 10.0})
    >>> zeros, y = np.zeros((2, 1)), np.array([[2.0], [3.0]])
    >>> SampleLosses(model).of([y, y], [zeros, zeros]).numpy().tolist()
    [24.0, 39.0]
    """

    def __init__(self, model: keras.Model):
        if getattr(model, "computes_own_loss", False):
            raise ValueError(
                f"Model '{model.name}' has gates that learn by the cost of each sample, and a "
                "`compute_loss` of its own gives one loss a batch. Expected gates that learn by "
                "gradients, such as keras_tnn.gates.DataIndependent with its default estimator."
            )
        super().__init__(model, lambda one: one and OfSamples(one))

    def of(self, y, y_pred, sample_weight=None):
        """Float tensor `(batch,)`, of what `fit` gives to the loss."""
        return self.compute_loss(None, y, y_pred, sample_weight)


class OfSamples(losses.Loss):
    """A loss of one output, `(batch,)`, of which its own value is the mean.

    Args:
        loss: a loss as `compile` takes it.
    """

    def __init__(self, loss):
        super().__init__(reduction=None)
        self.loss = loss

    def __call__(self, y, y_pred, sample_weight=None):
        name = self.loss.lower() if isinstance(self.loss, str) else ""
        loss = cross_entropy(y, y_pred) if name in BY_SHAPE else losses.get(self.loss)
        each = copy.copy(loss) if isinstance(loss, losses.Loss) else OfFunction(loss)
        each.reduction = None
        values = each(y, y_pred, sample_weight)
        batch = ops.shape(values)[0]
        values = ops.reshape(values, (batch, -1))
        if getattr(loss, "reduction", None) == "sum":
            return ops.cast(batch, values.dtype) * ops.sum(values, axis=-1)
        return ops.mean(values, axis=-1)


class OfFunction(losses.Loss):
    """A function of labels and predictions as a loss."""

    def __init__(self, function):
        super().__init__(reduction=None)
        self.function = function

    def call(self, y, y_pred):
        if y_pred.shape[-1] == 1 and len(y.shape) == len(y_pred.shape) - 1:
            y = ops.expand_dims(y, -1)  # as Keras does: (batch,) would be spread over (batch, 1)
        return self.function(y, y_pred)


def cross_entropy(y, y_pred):
    """That of two classes, of class numbers or of class probabilities."""
    if y_pred.shape[-1] == 1:
        return losses.binary_crossentropy
    numbers = len(y.shape) < len(y_pred.shape) or y.shape[-1] == 1
    return losses.sparse_categorical_crossentropy if numbers else losses.categorical_crossentropy


def weighted_mean(losses, sample_weight):
    """As Keras reduces the losses of a batch, `(batch,)`: their weighted sum over its size."""
    if sample_weight is not None:
        losses = losses * ops.reshape(ops.cast(sample_weight, losses.dtype), (-1,))
    return ops.mean(losses)
