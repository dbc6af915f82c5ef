"""What a higher level costs: more than a lower one, or nobody can choose by it."""

import warnings
from collections.abc import Sequence


def warn_of_falling_costs(levels: Sequence[float], macs: Sequence[float], stacklevel: int = 2):
    """Warns where the cost of levels falls as u rises.

    Args:
        levels: rising utilizations.
        macs: multiply-accumulates of each.
        stacklevel: as for `warnings.warn`, counted from the caller.

    Example:

    >>> warn_of_falling_costs((0.5, 1.0), (100, 100))
    """
    steps = zip(levels, levels[1:], macs, macs[1:], strict=False)
    falls = [f"u={b:g} takes {z:,} after {y:,} at u={a:g}" for a, b, y, z in steps if z < y]
    if falls:
        warnings.warn(
            f"Levels that cost less than the ones below them: {'; '.join(falls)} multiply-"
            "accumulates. A budget would choose wrongly among them. Gates of u that are learned "
            "need longer training or a larger weight until they follow u; else leave levels out",
            stacklevel=stacklevel + 1,
        )
