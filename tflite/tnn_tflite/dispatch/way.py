"""Which segments a call on a network with exits may run: those of one level, up to an exit."""

from tnn_tflite.dispatch.anytime import PERCENTILE
from tnn_tflite.dispatch.segments import Segments
from tnn_tflite.dispatch.segments_of_levels import SegmentsOfLevels
from tnn_tflite.policies.latency_budget import LatencyBudget
from tnn_tflite.policies.policy import KnownLevel
from tnn_tflite.utilization import check_utilization


def way(
    network: Segments | SegmentsOfLevels,
    levels: tuple[KnownLevel, ...],
    utilization: float | None,
    milliseconds: float | None,
    samples: int,
) -> tuple[Segments, tuple[KnownLevel, ...]]:
    """Returns the segments, and what is known of the exits on the way.

    Args:
        network: With exits at one level or at several.
        levels: What is known of all of them.
        utilization: How much may run, in (0, 1]. None leaves it to the time that there is.
        milliseconds: For all samples together; None for no limit.
        samples: How many there are.

    Raises:
        ValueError: If `utilization` is not valid.
    """
    index = len(levels) - 1
    if utilization is not None:
        index = network.index(check_utilization(utilization))
    elif milliseconds is not None and len(network.bundle.chains) > 1:
        budget = LatencyBudget(milliseconds / max(1, samples), percentile=PERCENTILE)
        choice = budget.choose(levels, {})
        index = network.index(choice.utilization, choice.exit)
    passed = network.passed(index)
    return network.chain(index), levels[passed.start : passed.stop]
