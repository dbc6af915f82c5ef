"""What the gates of a model skip: of each block, and for each sample (wang2019, IV-E)."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from keras_tnn.cost.deciding import groups_around
from keras_tnn.cost.obeyed_groups import obeyed_groups
from keras_tnn.cost.remainder import Remainder
from keras_tnn.layers import ResidualGate
from keras_tnn.layers.gated import Gated
from keras_tnn.losses.complexity import MacsShare
from keras_tnn.surgery import read_graph
from keras_tnn.surgery.gate_calls import find_gates, groups_of
from keras_tnn.training import ThrottledModel
from keras_tnn.training.with_decisions import WithDecisions


@dataclass(frozen=True, eq=False)
class GatedBlock:
    """A residual block that a gate skips, or a gated layer that stands in no such block.

    Attributes:
        resolution: of its feature maps; () where there are none.
        group: the column of the group that the block obeys; None outside a block.
        channels: for each gated channel inside, the column of its group, integers `(channels,)`.
    """

    resolution: tuple[int, ...]
    group: int | None
    channels: np.ndarray


@dataclass(frozen=True, eq=False)
class Skipping:
    """What is skipped for n samples.

    Attributes:
        blocks: in running order.
        closed: which groups are closed, bool `(n, groups of all gates)`.
        ratios: the share of the gated network's MACs that is skipped, floats `(n,)`.
    """

    blocks: tuple[GatedBlock, ...]
    closed: np.ndarray
    ratios: np.ndarray

    def of_blocks(self) -> np.ndarray:
        """The share of samples for which each block is skipped as a whole, `(blocks,)`."""
        return np.array([self.whole(block).mean() for block in self.blocks])

    def of_channels(self) -> np.ndarray:
        """The mean share of each block's channels that is skipped where the block runs.

        A block that is skipped skips all of its channels, which count in `of_blocks` alone: the
        sum of both is the share of a block's channels that is not computed.
        """
        running = [(~self.whole(block), self.closed[:, block.channels]) for block in self.blocks]
        return np.array(
            [(runs * shut.mean(axis=1)).mean() if shut.size else 0.0 for runs, shut in running]
        )

    def whole(self, block: GatedBlock) -> np.ndarray:
        """For which samples a block is skipped, bool `(n,)`."""
        none = np.zeros(len(self.closed), bool)
        return none if block.group is None else self.closed[:, block.group]


def skipping_of(model: ThrottledModel, x: Any, utilization=None, batch_size=256) -> Skipping:
    """Runs a model and keeps what its gates decide.

    Args:
        model: `keras_tnn.ThrottledModel`.
        x, utilization, batch_size: as for `keras_tnn.ThrottledModel.predict`.

    Raises:
        ValueError: if it is no such model, or the cost of its gates is unknown.
    """
    if not isinstance(model, ThrottledModel):
        raise ValueError(
            "Invalid value for `model`. Expected a keras_tnn.ThrottledModel, such as "
            f"keras_tnn.throttle makes. Received: '{model.name}', a {type(model).__name__}"
        )
    share = MacsShare(model)
    with model.at(x, utilization) as given:
        made = WithDecisions(model, share.read)
        values = made.predict(given, batch_size=batch_size, verbose=0)[-1]  # (n, groups)
    left, whole = (
        ops.convert_to_numpy(share.measure(ops.convert_to_tensor(one)))[:, 0]
        for one in (values, np.ones_like(values[:1]))
    )
    return Skipping(gated_blocks(model), values < 0.5, 1 - left / whole)


def gated_blocks(model: ThrottledModel) -> tuple[GatedBlock, ...]:
    """The blocks of a model in running order, each with the channel gates inside."""
    graph = read_graph(model)
    remainder = Remainder(graph, find_gates(graph, model.name), lambda *call: [])
    around = groups_around(remainder)
    obeying = defaultdict(list)
    for call in graph.calls:
        layer = call.operation
        if not isinstance(layer, Gated) or getattr(layer, "inverted", False):
            continue
        groups = obeyed_groups(call, remainder)
        if groups is None:
            continue
        if isinstance(layer, ResidualGate):
            obeying[int(groups[layer.index])].append((call, groups[:0]))
        else:
            numbers = groups_of(call)
            inside = around[id(call.output)] or {call.name}
            obeying[min(inside)].append((call, groups[numbers[numbers >= 0]]))
    return tuple(
        GatedBlock(
            resolution=tuple(found[0][0].output.shape[1:-1]),
            group=None if isinstance(key, str) else key,
            channels=np.concatenate([channels for _, channels in found]),
        )
        for key, found in obeying.items()
    )
