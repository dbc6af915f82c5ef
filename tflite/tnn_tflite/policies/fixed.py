"""Always the same utilization."""

from collections.abc import Sequence

from tnn_tflite.policies.policy import Choice, Inputs, KnownLevel, Policy
from tnn_tflite.utilization import check_utilization


class Fixed(Policy):
    """Always the same utilization. At 1 the dispatcher runs as it does without a policy.

    Args:
        utilization: In (0, 1].
        exit: Of a network with exits, the name of the one that answers; None for the last.

    Example:

    >>> tnn_tflite.policies.Fixed(0.5).choose((), {})
    Choice(utilization=0.5, reason='u=0.5, fixed by the caller')
    """

    sees_exits = True

    def __init__(self, utilization: float, *, exit: str | None = None) -> None:
        self.utilization = check_utilization(utilization)
        self.exit = exit

    def choose(self, levels: Sequence[KnownLevel], inputs: Inputs) -> Choice:
        at = "" if self.exit is None else f"exit '{self.exit}' at "
        reason = f"{at}u={self.utilization:g}, fixed by the caller"
        return Choice(self.utilization, reason, exit=self.exit)
