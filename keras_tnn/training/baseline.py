"""What a score function compares the cost of a sample with, so that its gradient varies less."""

from abc import ABC, abstractmethod

from keras import ops

from keras_tnn.gates import Decision


class Baseline(ABC):
    """The cost that a sample is expected to have. It must not depend on what its gates drew.

    Of a baseline that learns, a critic, `loss` is what it learns by.
    """

    @abstractmethod
    def values(self, costs, decisions: list[Decision]):
        """Expected costs, float tensor `(batch,)`.

        Args:
            costs: J of each sample, `(batch,)`.
            decisions: of all gates of the forward pass.
        """

    def loss(self, costs, decisions: list[Decision], sample_weight=None):
        """What is added to the training loss; nothing by default. Arguments as for `values`."""
        return 0.0


class LeaveOneOut(Baseline):
    """The mean cost of the other samples of the batch.

    Example:

    >>> LeaveOneOut().values(np.array([1.0, 3.0, 5.0]), []).numpy().tolist()
    [4.0, 3.0, 2.0]
    """

    def values(self, costs, decisions):
        others = ops.cast(ops.maximum(ops.shape(costs)[0] - 1, 1), costs.dtype)
        return (ops.sum(costs) - costs) / others
