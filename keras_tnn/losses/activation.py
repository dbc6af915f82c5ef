"""The losses of herrmann2019: how often gates open, against a target rate t."""

import keras
from keras import ops

from keras_tnn.losses.complexity_loss import ComplexityLoss


@keras.saving.register_keras_serializable(package="keras_tnn")
class BatchActivationLoss(ComplexityLoss):
    """(t - mean over batch and gates of Z)^2 (herrmann2019, Eq. 1; on FLOPs, 3.4).

    Its expectation is (t - E[Q])^2 + Var(Q) with Q the activation rate of the batch (property
    3.1), so probabilities move to 0 or 1 while single gates may differ from t.

    Call arguments:
        target: float in [0, 1], `()` or `(batch,)`, of which the mean counts.
        complexity: float tensor `(batch, columns)`.

    Raises:
        ValueError: if `target` is a number outside [0, 1].

    Example:

    >>> gates = np.array([[1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])  # Q = 3 / 8
    >>> float(BatchActivationLoss()(0.5, gates))
    0.015625
    """

    def __init__(self, name="batch_activation", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, target, complexity):
        return ops.square(ops.mean(target) - ops.mean(complexity))


@keras.saving.register_keras_serializable(package="keras_tnn")
class PerGateActivation(ComplexityLoss):
    """Mean over gates of (t - mean over batch of Z_i)^2 (herrmann2019, 3.1).

    The loss of ConvNet-AIG (Veit and Belongie, 2018): every gate is drawn to the target rate.

    Call arguments:
        target: float in [0, 1], `()` or `(batch,)`, of which the mean counts.
        complexity: float tensor `(batch, columns)`.

    Raises:
        ValueError: if `target` is a number outside [0, 1].

    Example:

    >>> gates = np.array([[1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])  # rates 1, 1/2, 0, 0
    >>> float(PerGateActivation()(0.5, gates))
    0.1875
    """

    def __init__(self, name="per_gate_activation", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, target, complexity):
        rates = ops.mean(complexity, axis=0)  # (columns,)
        return ops.mean(ops.square(ops.mean(target) - rates))


@keras.saving.register_keras_serializable(package="keras_tnn")
class ConstQuad(ComplexityLoss):
    """Zero up to the target, (t - Q)^2 above it (herrmann2019, S1.2, Eq. 3).

    The paper writes Q as a sum; here as in Eq. 1 it is the mean over batch and gates, or it could
    not be compared with a rate. A network that needs less than the target is not made larger.

    Call arguments:
        target: float in [0, 1], `()` or `(batch,)`, of which the mean counts.
        complexity: float tensor `(batch, columns)`.

    Raises:
        ValueError: if `target` is a number outside [0, 1].

    Example:

    >>> gates = np.array([[1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])  # Q = 3 / 8
    >>> float(ConstQuad()(0.5, gates)), float(ConstQuad()(0.25, gates))
    (0.0, 0.015625)
    """

    def __init__(self, name="const_quad", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, target, complexity):
        return ops.square(ops.relu(ops.mean(complexity) - ops.mean(target)))
