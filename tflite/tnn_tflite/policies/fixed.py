"""Always the same utilization."""

from collections.abc import Sequence

from tnn_tflite.policies.policy import Choice, Inputs, KnownLevel, Policy
from tnn_tflite.utilization import check_utilization


class Fixed(Policy):
    """Always the same utilization. At 1 the dispatcher runs as it does without a policy.

    Args:
        utilization: In (0, 1].

    Example:

    >>> tnn_tflite.policies.Fixed(0.5).choose((), {})
    Choice(utilization=0.5, reason='u=0.5, fixed by the caller')
    """

    def __init__(self, utilization: float) -> None:
        self.utilization = check_utilization(utilization)

    def choose(self, levels: Sequence[KnownLevel], inputs: Inputs) -> Choice:
        return Choice(self.utilization, f"u={self.utilization:g}, fixed by the caller")
