"""Which form of a network a bundle holds."""

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.dispatch.budgeted import BudgetedNetwork
from tnn_tflite.dispatch.interpreter import Runtime
from tnn_tflite.dispatch.memory_cap import MemoryCap
from tnn_tflite.dispatch.network import Levels, Network
from tnn_tflite.dispatch.segments import Segments
from tnn_tflite.dispatch.segments_of_levels import SegmentsOfLevels


def network_of(
    bundle: Bundle, runtime: Runtime, cap: MemoryCap | None = None, patterns: int = 32
) -> Network:
    """Returns the network of a bundle.

    Args:
        bundle: The bundle.
        runtime: Makes the interpreters.
        cap: Bounds the memory of all that is loaded, or None.
        patterns: Of a bundle with a budget policy, how many cut patterns are kept at most.
    """
    if bundle.policy is not None:
        return BudgetedNetwork(bundle, runtime, cap, patterns)
    if bundle.segments:
        return (Segments if len(bundle.chains) == 1 else SegmentsOfLevels)(bundle, runtime, cap)
    return Levels(bundle, runtime, cap)
