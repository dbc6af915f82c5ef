"""What it costs to decide: each gate by itself, where the blocks around it run at all."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from keras import ops

from keras_tnn.cost.obeyed_groups import obeyed_groups
from keras_tnn.cost.remainder import Remainder
from keras_tnn.surgery.blocks import find_blocks
from keras_tnn.surgery.graph import Call


@dataclass(frozen=True)
class Deciding:
    """Sum over gates of cost x prod z, the product over the gates of the blocks around each.

    A gate inside a residual block is not computed where the block is closed: on a device it
    stands in the block's `IF` (see `keras_tnn.surgery.conditional`).

    Call arguments:
        values: which groups are open, float tensor `(batch, groups)`, as for `GatedCost`.

    Attributes:
        costs: of the gates that stand in the same blocks; by the groups of those blocks.
    """

    costs: dict[tuple[int, ...], float]

    @property
    def whole(self) -> float:
        """The cost with all blocks open."""
        return float(sum(self.costs.values()))

    def __call__(self, values):
        """The cost of each sample: float tensor `(batch,)`."""
        values = ops.cast(values, "float32")
        one = ops.ones_like(values[:, 0])
        terms = [
            cost * math.prod((values[:, group] for group in groups), start=one)
            for groups, cost in self.costs.items()
        ]
        return sum(terms, start=0 * one)


def deciding_of(remainder: Remainder, of_gate: Callable[[Call], float]) -> Deciding:
    """What the gates of a model cost.

    Args:
        remainder: the model.
        of_gate: from the call of a gate, its cost.
    """
    around: dict[int, list[int]] = {}  # for the `id` of a tensor, the gates of the blocks around
    for block in find_blocks(remainder.graph):
        groups = obeyed_groups(block.gate, remainder)
        if groups is not None:
            group = int(groups[block.gate.operation.index])
            for x in (x for call in block.calls for x in call.outputs):
                around.setdefault(id(x), []).append(group)
    costs = Counter()
    for site in remainder.sites:
        costs[tuple(sorted({*around.get(id(site.place), ())}))] += of_gate(site.call)
    return Deciding({groups: cost for groups, cost in costs.items() if cost})
