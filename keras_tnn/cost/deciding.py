"""What it costs to decide: each gate by itself, where the blocks around it run at all."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from keras import ops

from keras_tnn.cost.obeyed_groups import obeyed_groups
from keras_tnn.cost.remainder import Remainder
from keras_tnn.surgery.blocks import find_blocks
from keras_tnn.surgery.calls import Call
from keras_tnn.surgery.gate_fronts import front_calls


@dataclass(frozen=True)
class Deciding:
    """Sum over gates of cost x prod z, the product over the gates of the blocks around each.

    What stands in front of gates and serves nothing else counts with them.

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
        of_gate: from the call of a gate, or of a layer in front of one, its cost.
    """
    around = groups_around(remainder)
    costs = Counter()
    calls = [(site.call, site.place) for site in remainder.sites]
    calls += [(call, call.outputs[0]) for call in front_calls(remainder.graph)]
    for call, place in calls:
        costs[tuple(sorted(around[id(place)]))] += of_gate(call)
    return Deciding({groups: cost for groups, cost in costs.items() if cost})


def groups_around(remainder: Remainder) -> dict[int, set[int]]:
    """For the `id` of each tensor, the groups of the residual blocks around it."""
    around = defaultdict(set)
    for block in find_blocks(remainder.graph):
        groups = obeyed_groups(block.gate, remainder)
        if groups is not None:
            group = int(groups[block.gate.operation.index])
            for x in (x for call in block.calls for x in call.outputs):
                around[id(x)].add(group)
    return around
