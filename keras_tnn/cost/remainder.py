"""What is left of a model's work when groups of its gates are closed.

The surgery pass answers for the whole model. One closed group changes little of it, so here the
pass is repeated for the calls that the group reaches, and for no others.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from keras_tnn.gates import Gate
from keras_tnn.surgery.calls import Call, Graph, tensors_in
from keras_tnn.surgery.channels import Channels, total_width
from keras_tnn.surgery.cut import (
    backward,
    by_output,
    evaluate,
    forward,
    known_utilization,
    reads_of,
    wanted_of,
)
from keras_tnn.surgery.gate_calls import GateCall
from keras_tnn.surgery.registry import rule_of
from keras_tnn.surgery.rule import Kept


@dataclass(frozen=True)
class Product:
    """A part of a call's cost: `weight` times the numbers of true entries of its axes.

    Attributes:
        weight: float.
        axes: bool masks over channels; what they hold is computed.
        layer: name of the call's layer.
    """

    weight: float
    axes: tuple[np.ndarray, ...]
    layer: str


def kept_of(call: Call, channels: dict[int, Channels], needed: dict[int, np.ndarray]) -> Kept:
    """What is left of a call in the cut model.

    Args:
        call: as `surgery.cut.forward` returns it.
        channels: what is known of each tensor, by `id`.
        needed: which channels of each tensor anybody reads, by `id`.
    """
    inputs = [channels[id(x)] for x in call.inputs]
    wanted = wanted_of(call, channels, needed)
    kept = rule_of(call).keep(call, inputs, wanted)
    return kept if wanted.any() else kept.nothing()


class Remainder:
    """Closes groups of a model's gates and sees what is left.

    Args:
        graph: of the model.
        sites: its gates.
        products: the parts of a call's cost, from the call, its `Kept`, and the `id`s of those
            tensors that are made whole whatever is read of them.

    Attributes:
        num_groups: how many groups all gates have together.
        groups: for each gate, the numbers of its groups among those.
        parts: of each call, the parts of its cost with all gates open.
    """

    def __init__(
        self,
        graph: Graph,
        sites: list[GateCall],
        products: Callable[[Call, Kept, set[int]], list[Product]],
    ):
        self.graph, self.sites, self.products = graph, sites, products
        ends = np.cumsum([site.gate.num_groups for site in sites])
        self.num_groups = int(ends[-1])
        self.groups = np.split(np.arange(self.num_groups), ends[:-1])
        self.known = known_utilization(graph, 1.0)
        patterns = self.patterns(np.ones(self.num_groups, bool))
        self.calls, self.channels = forward(graph, self.known, patterns)
        self.needed = backward(graph, self.calls, self.channels)
        self.whole = self.made_whole()
        self.parts = self.all_parts(self.calls, self.channels, self.needed)
        self.reads = [reads_of(call, self.channels, self.needed) for call in self.calls]
        self.readers = defaultdict(list)  # of each tensor: calls, and which of their inputs it is
        for i, call in enumerate(self.calls):
            for place, x in enumerate(call.sources):
                self.readers[id(x)].append((i, place))
        self.outputs = {id(x) for x in tensors_in(graph.outputs)}

    def patterns(self, is_open: np.ndarray) -> Mapping[int, np.ndarray]:
        """What the calls of gates say, by `id` as `surgery.cut` takes it."""
        return {
            id(site.place): is_open[groups].astype("float32")
            for site, groups in zip(self.sites, self.groups, strict=True)
        }

    def made_whole(self) -> set[int]:
        """The tensors all of whose channels are there although one is wanted, and none is read."""
        whole = {id(x) for x in self.graph.inputs}
        for call in self.calls:
            sizes = [self.channels[id(x)].size for x in call.inputs]
            inputs = [Channels(np.zeros(size, bool), np.zeros(size)) for size in sizes]
            one = np.arange(total_width(call.outputs)) == 0
            if not call.known and rule_of(call).keep(call, inputs, one).makes.all():
                whole |= {id(x) for x in call.outputs}
        return whole

    def parts_of(self, call: Call, channels: dict, needed: dict) -> list[Product]:
        return self.products(call, kept_of(call, channels, needed), self.whole)

    def all_parts(self, calls, channels, needed) -> list[list[Product]]:
        return [self.parts_of(call, channels, needed) for call in calls]

    def parts_at(self, is_open: np.ndarray) -> list[list[Product]]:
        """The parts of each call's cost while some groups are open, by a pass over all calls."""
        calls, channels = forward(
            self.graph, known_utilization(self.graph, 1.0), self.patterns(is_open)
        )
        return self.all_parts(calls, channels, backward(self.graph, calls, channels))

    def changed_parts(self, is_open: np.ndarray) -> dict[int, list[Product]]:
        """As `parts_at`, by a pass over the calls that differ from all open, by their numbers."""
        calls, channels, reached = self.forward(self.patterns(is_open))
        needed = self.backward(calls, channels, reached)
        return {i: self.parts_of(calls[i], channels, needed) for i in reached}

    def forward(self, patterns: Mapping[int, np.ndarray]):
        """The calls, the channels of all tensors, and the numbers of the calls that differ."""
        known = self.values(patterns)
        calls, channels, reached, changed = [*self.calls], {**self.channels}, set(), set()
        for i, call in enumerate(self.calls):
            given = patterns.get(id(call.outputs[0]))
            own = {key: known[key] if given is None else given[None] for key in call.known}
            obeys = any(not np.array_equal(own[key], call.known[key]) for key in own)
            if not obeys and changed.isdisjoint(map(id, call.inputs)):
                continue
            reached.add(i)
            calls[i] = call = replace(call, known=own)
            inputs = [channels[id(x)] for x in call.inputs]
            for key, made in by_output(call, rule_of(call).forward(call, inputs)).items():
                before = channels[key]
                if np.any(made.alive != before.alive) or np.any(made.fill != before.fill):
                    channels[key] = made
                    changed.add(key)
        return calls, channels, reached

    def values(self, patterns: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
        """The values of all tensors that depend on gates and utilization alone."""
        known, changed = {**self.known}, set()
        for call in self.graph.calls:
            if isinstance(call.operation, Gate):
                known[id(call.outputs[0])] = patterns[id(call.outputs[0])][None]
            elif id(call.outputs[0]) in known and not changed.isdisjoint(map(id, call.inputs)):
                known |= evaluate(call, known)
            else:
                continue
            for x in call.outputs:
                if id(x) in known and not np.array_equal(known[id(x)], self.known[id(x)]):
                    changed.add(id(x))
        return known

    def backward(self, calls: list[Call], channels: dict, reached: set[int]) -> dict:
        """Which channels of each tensor anybody reads; adds to `reached` the calls that differ."""
        needed, reads, stale = {**self.needed}, {}, set()
        for i in reversed(range(len(calls))):
            call = calls[i]
            for x in call.outputs:
                if id(x) in stale:
                    read = [reads.get(j, self.reads[j])[place] for j, place in self.readers[id(x)]]
                    needed[id(x)] = reduce(np.logical_or, read)
                    if np.any(needed[id(x)] != self.needed[id(x)]):
                        reached.add(i)
            if i in reached:
                reads[i] = reads_of(call, channels, needed)
                pairs = zip(call.sources, reads[i], self.reads[i], strict=True)
                stale |= {id(x) for x, new, old in pairs if np.any(new != old)} - self.outputs
        return needed
