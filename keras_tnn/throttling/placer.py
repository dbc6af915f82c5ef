"""The gates of a throttled copy as nodes of its graph, and which layer obeys which."""

from typing import Any

from keras import layers, ops

from keras_tnn.surgery.calls import Call, Graph, own_axis
from keras_tnn.throttling.places import Place


class Placer:
    """Walks over a model's calls and makes each gate where it can decide, once.

    Args:
        places: of the gates.
        graph: of the model.
        utilization: the copy's input u.
        unused: gives a name that no layer of the copy has.
    """

    def __init__(self, places: list[Place], graph: Graph, utilization, unused):
        self.graph, self.utilization, self.unused = graph, utilization, unused
        order = {id(call): number for number, call in enumerate(graph.calls)}
        entrances = [(place.entrances(order)[0], place) for place in places]
        # Of what starts together the widest is decided first: a block before what is in it.
        self.waiting = sorted(entrances, key=lambda one: one[0][:2])
        self.nodes: dict[int, Any] = {}  # of each place, by `id`
        self.state = None
        families = [(*one, p) for p in places for one in p.families]
        self.families = sorted(families, key=lambda one: one[0].first)
        self.of_block = {id(b.add): (p, column) for p in places for b, column in p.blocks}

    def before(self, call: Call, tensors: dict):
        """Makes the gates that decide before a call of the model is repeated.

        Args:
            call: of the model.
            tensors: the copy's tensors so far, by `id` of the model's.
        """
        while self.waiting and self.graph.calls[self.waiting[0][0][0]] is call:
            (_, _, features), place = self.waiting.pop(0)
            name = self.unused(place.name)
            gate = place.make(name=name)
            images = [tensors[id(x)] for x in self.graph.inputs]
            made = gate(
                self.utilization,
                features=gate.front(self.channels_last(features, tensors, name), name),
                image=images if len(images) > 1 else images[0],
                state=self.state,
            )
            self.nodes[id(place)], state = gate.parted(made)
            self.state = state if "state" in gate.reads else self.state

    def channels_last(self, features, tensors: dict, name: str):
        """The copy of a tensor of the model as gates read it, `(batch, ..., channels)`."""
        made, rank, own = tensors[id(features)], len(features.shape), own_axis(features)
        if own == rank - 1:
            return made
        order = [axis for axis in range(1, rank) if axis != own]
        return layers.Permute((*order, own), name=self.unused(f"{name}_reads"))(made)

    def for_channels(self, numbers: list[int]) -> tuple[Any, list[int]]:
        """The gates that channels obey, `(batch, groups)`, and the group of each among them.

        Args:
            numbers: for each channel its group's number in the model, or -1.
        """
        wanted, columns, nodes, width = {*numbers}, {-1: -1}, {}, 0
        for family, start, place in self.families:
            if wanted.isdisjoint(family.numbers):
                continue
            node = self.nodes[id(place)]
            if id(place) not in nodes:
                nodes[id(place)], width = (width, node), width + node.shape[-1]
            first = nodes[id(place)][0] + start
            columns |= {n: first + n - family.first for n in family.numbers}
        side_by_side = [node for _, node in nodes.values()]
        gates = side_by_side[0] if len(nodes) == 1 else ops.concatenate(side_by_side, axis=-1)
        return gates, [columns[n] for n in numbers]

    def for_block(self, add: Call) -> tuple[Any, int]:
        """The gates that a block obeys, `(batch, groups)`, and which of them is its own."""
        place, column = self.of_block[id(add)]
        return self.nodes[id(place)], column
