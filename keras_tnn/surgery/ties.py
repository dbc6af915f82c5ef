"""Which channels of a network must open and close together, found before any gate exists.

Channels are born in layers that mix all they read, such as convolutions. From there they are
carried on: a sum ties channel i of each term, a depthwise convolution keeps its channels, a
concatenation lines them up. Every channel has a label; tied labels form a unit. Layers whose
channels are tied form one family: a gate opens the units of a family one after another.
"""

from collections import defaultdict

import numpy as np


class Sets:
    """Disjoint sets of numbers 0, 1, 2 and so on; the smallest member stands for its set."""

    def __init__(self, size: int = 0):
        self.parent = list(range(size))

    def add(self, count: int) -> range:
        """`count` new numbers, each a set of its own."""
        new = range(len(self.parent), len(self.parent) + count)
        self.parent += new
        return new

    def of(self, number: int) -> int:
        while self.parent[number] != number:
            self.parent[number] = self.parent[self.parent[number]]
            number = self.parent[number]
        return number

    def join(self, a: int, b: int):
        low, high = sorted((self.of(a), self.of(b)))
        self.parent[high] = low


class Ties:
    """Labels of channels, joined as a graph is followed.

    Args:
        num_groups: how many groups a gate will have, for layers that can be cut in two ways.

    Attributes:
        mixed: the calls that read all channels of their inputs: gates belong in front of each.
        normalized: the calls that normalise their input over its channels: they must know which
            are open.
        parts: labels of channels that are taken out of a tensor together, as by a split: whoever
            reads them needs some of them, so a gate opens its share of each part.
        heads: for the `id` of what an attention layer makes, labels of its heads, which are
            no channels of any tensor.
        pins: for the label of each channel that stays, on whose behalf.
        reason: on whose behalf `pin` is called now.
    """

    def __init__(self, num_groups: int):
        self.num_groups = num_groups
        self.mixed = []
        self.normalized = []
        self.parts: list[np.ndarray] = []
        self.heads: dict[int, np.ndarray] = {}
        self.units = Sets()
        self.layer: list[int] = []  # of each label: the first label of the layer that made it
        self.place: list[float] = []  # of each label: where among that layer's, in [0, 1)
        self.pins: dict[int, str] = {}
        self.reason = ""

    def fresh(self, size: int) -> np.ndarray:
        """Labels `(size,)` of the channels that a layer makes anew."""
        labels = self.units.add(size)
        self.layer += [labels.start] * size
        self.place += [i / size for i in range(size)]
        return np.array(labels, int)

    def pinned(self, size: int) -> np.ndarray:
        """As `fresh`, for channels that always stay."""
        labels = self.fresh(size)
        self.pin(labels)
        return labels

    def pin(self, labels: np.ndarray):
        """These channels, and all of their families, stay at any utilization."""
        for label in labels.tolist():
            self.pins.setdefault(label, self.reason)

    def tie(self, labels: np.ndarray, others: np.ndarray):
        """Channel i of one tensor opens and closes with channel i of the other."""
        for a, b in zip(labels.tolist(), others.tolist(), strict=True):
            self.units.join(a, b)

    def by_part(self, units: list[int]) -> list[list[int]]:
        """Units by the part that they were taken out with last, each list in the order given."""
        part_of = {
            self.units.of(label): number
            for number, labels in enumerate(self.parts)
            for label in labels.tolist()
        }
        parts = defaultdict(list)
        for unit in units:
            parts[part_of.get(unit)].append(unit)
        return list(parts.values())

    def families(self) -> list[list[int]]:
        """The units of each family that may be gated, in order of their places in their layers."""
        layers = self.tied_layers()
        pinned = {layers.of(self.layer[label]) for label in self.pins}
        members = defaultdict(set)
        for label, layer in enumerate(self.layer):
            members[layers.of(layer)].add(self.units.of(label))
        return [
            sorted(units, key=lambda unit: (self.place[unit], unit))
            for family, units in members.items()
            if family not in pinned
        ]

    def tied_layers(self) -> Sets:
        """The first labels of layers, one set for each family."""
        layers = Sets(len(self.layer))
        for label, layer in enumerate(self.layer):
            layers.join(layer, self.layer[self.units.of(label)])
        return layers

    def reasons(self, labels: list[int]) -> list[str]:
        """For each label on whose behalf its family stays, or nothing if it need not."""
        layers = self.tied_layers()
        pinned = {layers.of(self.layer[label]): reason for label, reason in self.pins.items()}
        return [pinned.get(layers.of(self.layer[label]), "") for label in labels]
