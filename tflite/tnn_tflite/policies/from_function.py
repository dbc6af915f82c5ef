"""A choice made by a function of the user's."""

from collections.abc import Callable, Sequence

from tnn_tflite.policies.policy import Choice, Inputs, KnownLevel, Policy

Chooser = Callable[[Sequence[KnownLevel], Inputs], float | Choice]


class FromFunction(Policy):
    """Asks a function. `Dispatcher(policy=function)` makes one of these.

    Args:
        function: Gets what `Policy.choose` gets, and returns a utilization in (0, 1] or a `Choice`.
            Several threads may call it at once.
        needs_times: Whether the function reads the `milliseconds` of the levels.

    Example:

    >>> tnn_tflite.policies.FromFunction(lambda levels, inputs: 0.5).choose((), {})
    Choice(utilization=0.5, reason='the given function chose u=0.5')
    """

    def __init__(
        self,
        function: Chooser,
        *,
        needs_times: bool = False,
    ) -> None:
        if not callable(function):
            raise ValueError(
                "Invalid value for `function`. Expected a function of the levels and inputs. "
                f"Received: function={function!r}"
            )
        self._function = function
        self.needs_times = needs_times

    def choose(self, levels: Sequence[KnownLevel], inputs: Inputs) -> Choice:
        chosen = self._function(levels, inputs)
        if isinstance(chosen, Choice):
            return chosen
        return Choice(chosen, f"the given function chose u={chosen}")


def as_policy(policy: Policy | Chooser) -> Policy:
    """Returns a policy as it is, and a function as a policy.

    Raises:
        ValueError: If it is neither.
    """
    if isinstance(policy, Policy):
        return policy
    if isinstance(policy, type) or not callable(policy):
        raise ValueError(
            "Invalid value for `policy`. Expected a policy, for example "
            f"tnn_tflite.policies.LatencyTarget(4.0), or a function. Received: policy={policy!r}"
        )
    return FromFunction(policy)
