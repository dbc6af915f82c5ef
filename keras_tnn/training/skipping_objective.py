"""A skipping ratio that is held by the sign of a weight (wang2019, IV-A, "Training Details")."""

from keras import ops

from keras_tnn.losses import Complexity
from keras_tnn.training.gate_objective import Objective

ROUNDING = 1e-5  # ratios that differ by less are equal: float32 sums of costs


class SkippingObjective(Objective):
    """alpha E with the sign that moves the batch's skipping ratio to its target (Eq. 5).

    E = layers x C(g) / C(1), where C is the complexity of a sample and 1 stands for open gates: so
    a layer, or what costs as much as the average one, counts 1. The skipping ratio of a batch is
    1 - C(hard) / C(1), by the hard decisions: as the gates would decide at inference, a soft one
    counts as open above 1/2. Where it is below the target alpha is positive, above it negative,
    and at it zero. Gradients reach the gates through E alone.

    The model's dial `target` holds the target and takes down the ratio of the last batch.

    Args:
        complexity: maps the decisions of a forward pass to complexities `(batch, columns)`.
        alpha: float, the weight.
        layers: Integer, how many layers the gates decide on.

    Example:

    ```python
    model.objective = SkippingObjective(keras_tnn.losses.MacsShare(model), 2e-4, layers=18)
    ```
    """

    def __init__(self, complexity: Complexity, alpha: float, layers: int):
        self.complexity, self.alpha, self.layers = complexity, alpha, layers

    def share(self, values):
        """C(values) / C(1), mean of the batch."""
        whole = ops.mean(self.complexity.measure(ops.ones_like(values[:1])))
        return ops.mean(self.complexity.measure(values)) / whole

    def part(self, model, forward, y, y_pred, sample_weight=None):
        values = self.complexity.read(forward.decisions)  # (batch, groups of all gates)
        hard = ops.cast(ops.stop_gradient(values) > 0.5, "float32")
        target, skipped = model.target.state[0], 1 - self.share(hard)
        model.target.state.assign(ops.stack([target, skipped]))
        gap = target - skipped
        sign = ops.where(ops.abs(gap) < ROUNDING, 0.0, ops.sign(gap))
        return self.alpha * sign * self.layers * self.share(values)
