"""The complexity penalties of liu2022 (Eq. 5 and 6): what a sample uses against its target u."""

import keras
from keras import ops

from keras_tnn.losses.complexity_loss import ComplexityLoss


class Penalty(ComplexityLoss):
    """Base of the penalties: a power of how far each sample is from its target.

    Args:
        p: 1 or 2, the power.
    """

    def __init__(self, p, name, **kwargs):
        super().__init__(name=name, **kwargs)
        if isinstance(p, bool) or p not in (1, 2):
            raise ValueError(f"Invalid value for `p`. Expected 1 or 2. Received: p={p!r}")
        self.p = p

    def excess(self, target, complexity):
        """c(x, u) - u of each sample, `(batch,)`; c is the mean over the columns (Eq. 7)."""
        return ops.mean(complexity, axis=-1) - ops.reshape(target, (-1,))

    def power(self, distance):
        return distance if self.p == 1 else ops.square(distance)

    def get_config(self):
        return {**super().get_config(), "p": self.p}


@keras.saving.register_keras_serializable(package="keras_tnn")
class HingeComplexity(Penalty):
    """max(0, c(x, u) - u)^p of each sample (liu2022, Eq. 5).

    Args:
        p: 1 or 2, the power.

    Call arguments:
        target: float in [0, 1], `()` or one a sample `(batch,)`: the utilization u.
        complexity: float tensor `(batch, columns)`, of which each sample's mean is c.

    Raises:
        ValueError: if `p` is not 1 or 2, or `target` is a number outside [0, 1].

    Example:

    >>> complexity = np.array([[0.75], [0.25]])
    >>> HingeComplexity(p=1, reduction="none")(0.5, complexity).numpy().tolist()
    [0.25, 0.0]
    """

    def __init__(self, p=2, name="hinge_complexity", **kwargs):
        super().__init__(p, name, **kwargs)

    def call(self, target, complexity):
        return self.power(ops.relu(self.excess(target, complexity)))


@keras.saving.register_keras_serializable(package="keras_tnn")
class DistanceComplexity(Penalty):
    """|c(x, u) - u|^p of each sample (liu2022, Eq. 6).

    The paper found p = 1 the more accurate for the same resources, and shows p = 2 with a weight
    of 10.

    Args:
        p: 1 or 2, the power.

    Call arguments:
        target: float in [0, 1], `()` or one a sample `(batch,)`: the utilization u.
        complexity: float tensor `(batch, columns)`, of which each sample's mean is c.

    Raises:
        ValueError: if `p` is not 1 or 2, or `target` is a number outside [0, 1].

    Example:

    >>> complexity = np.array([[0.75], [0.25]])
    >>> target = np.array([0.5, 0.75])
    >>> DistanceComplexity(p=2, reduction="none")(target, complexity).numpy().tolist()
    [0.0625, 0.25]
    """

    def __init__(self, p=2, name="distance_complexity", **kwargs):
        super().__init__(p, name, **kwargs)

    def call(self, target, complexity):
        return self.power(ops.abs(self.excess(target, complexity)))
