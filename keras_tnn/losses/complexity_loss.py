"""What all losses on a network's complexity share: they compare it with a target in [0, 1]."""

import numbers

import keras


class ComplexityLoss(keras.losses.Loss):
    """Base class: called as `loss(target, complexity)`. A subclass writes `call`.

    Call arguments:
        target: float in [0, 1], for the batch or one a sample, `()` or `(batch,)`.
        complexity: float tensor `(batch, columns)`, what the gates of each sample opened: a column
            a gate, or one for a share of the network's cost (`keras_tnn.losses.GateActivation`,
            `keras_tnn.losses.MacsShare` and others make them).

    Raises:
        ValueError: if `target` is a number outside [0, 1].
    """

    def __call__(self, target, complexity, sample_weight=None):
        check_target(target)
        return super().__call__(target, complexity, sample_weight)

    def call(self, target, complexity):
        raise NotImplementedError(f"{type(self).__name__} must define `call`.")


def check_target(target):
    """Raises ValueError if `target` is a number outside [0, 1]; tensors are not looked into."""
    if isinstance(target, numbers.Number) and not 0 <= target <= 1:  # NaN fails both
        raise ValueError(
            f"Invalid value for `target`. Expected a float in [0, 1]. Received: target={target!r}"
        )
