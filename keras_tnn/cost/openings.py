"""Which gates must be open for a channel to be computed, found by closing one after another.

A channel that is read, made or multiplied is so where a set of gates is open: its groups' gates and
those of the blocks around it. The surgery pass says what is left when one group is closed; the set
of a channel holds the groups whose closing it does not survive. Where all groups of a gate may
close at once, and a branch goes with the last of them, the set holds "any of the gate".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from keras_tnn.cost.extent import Extent, extent_of
from keras_tnn.cost.gate_sites import GateSite
from keras_tnn.surgery.cut import backward, forward
from keras_tnn.surgery.graph import Call, Graph

CHECKED_PATTERNS = 8


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
    layer: str = ""


@dataclass(frozen=True)
class Openings:
    """When each part of a model is computed.

    Attributes:
        products: parts of the model's cost with all gates open.
        sets: the different sets of conditions; all of a set must hold. A condition is the number
            of a group, counted over all gates, or after those the number of a gate: any of it.
        indices: for each axis of each product, the index in `sets` of every channel; -1 for those
            that are never computed.
    """

    products: list[Product]
    sets: list[frozenset[int]]
    indices: list[list[np.ndarray]]


class Closing:
    """Closes groups of a model's gates and sees what is left.

    Args:
        graph: of the model.
        sites: its gates.
        products: from a call and its `Extent`, the parts of its cost.
    """

    def __init__(
        self,
        graph: Graph,
        sites: list[GateSite],
        products: Callable[[Call, Extent], list[Product]],
    ):
        self.graph, self.sites, self.products_of = graph, sites, products
        ends = np.cumsum([site.gate.num_groups for site in sites])
        self.groups = np.split(np.arange(ends[-1]), ends[:-1])  # of each gate

    @property
    def conditions(self) -> dict[int, np.ndarray]:
        """For each condition, the groups that are closed where it does not hold."""
        size = self.groups[-1][-1] + 1
        singles = {
            int(groups[i]): groups[[i]]
            for site, groups in zip(self.sites, self.groups, strict=True)
            for i in site.free
        }
        anys = {
            int(size + number): groups
            for number, (site, groups) in enumerate(zip(self.sites, self.groups, strict=True))
            if site.may_close
        }
        return singles | anys

    def patterns(self, is_open: np.ndarray) -> Mapping[str, np.ndarray]:
        """What the gates say, by name as `materialize(gates=...)` takes it."""
        return {
            name: is_open[groups].astype("float32")
            for site, groups in zip(self.sites, self.groups, strict=True)
            for name in site.names
        }

    def products(self, is_open: np.ndarray) -> list[Product]:
        """The parts of the cost while some groups are open: bool array `(groups,)`."""
        known = {
            id(x): np.ones(1, "float32") for x in self.graph.inputs if x.name == "utilization"
        }
        calls, channels = forward(self.graph, known, self.patterns(is_open))
        needed = backward(self.graph, calls, channels)
        return [
            product
            for call in calls
            for product in self.products_of(call, extent_of(call, channels, needed))
        ]

    def find(self) -> Openings:
        """Closes every condition in turn.

        Raises:
            ValueError: if a channel does not depend on its gates as a product.
        """
        whole = np.ones(self.groups[-1][-1] + 1, bool)
        conditions = self.conditions
        products = self.products(whole)
        computed = flat(products)
        dead = np.zeros((len(conditions), len(computed)), bool)
        for row, closed in zip(dead, conditions.values(), strict=True):
            is_open = whole.copy()
            is_open[closed] = False
            row[:] = computed & ~flat(self.products(is_open))
        columns, index = np.unique(dead, axis=1, return_inverse=True)
        names = np.array([*conditions])
        sets = [simplest(frozenset(names[column].tolist()), conditions) for column in columns.T]
        index = np.where(computed, index.reshape(-1), -1)
        self.check(products, sets, index, conditions)
        return Openings(products, sets, like(products, index))

    def check(self, products, sets, index, conditions):
        """Compares with what the pass says for random patterns.

        Raises:
            ValueError: if they differ, naming the layers.
        """
        rng = np.random.default_rng(0)
        wrong: set[str] = set()
        for share in np.linspace(0.3, 0.9, CHECKED_PATTERNS):
            is_open = rng.random(self.groups[-1][-1] + 1) < share
            for site, groups in zip(self.sites, self.groups, strict=True):
                always = sorted({*range(site.gate.num_groups)} - {*site.free})
                is_open[groups[[*always, *range(site.gate.min_groups)]]] = True
            holds = {name: is_open[groups].any() for name, groups in conditions.items()}
            expected = np.array([all(holds[name] for name in one) for one in sets])
            expected = np.where(index < 0, False, expected[index])
            actual = self.products(is_open)
            for product, one in zip(actual, like(actual, expected), strict=True):
                if any(np.any(a != b) for a, b in zip(product.axes, one, strict=True)):
                    wrong.add(product.layer)
        if wrong:
            raise ValueError(
                f"The cost of the gates is unknown: channels of the layers {sorted(wrong)} are "
                "computed where one gate or another is open, not where all of some gates are. "
                "Expected terms of a sum, and inputs of a layer, that open and close together, or "
                "one that is always open. Give such channels one gate, or `min_groups=1`."
            )


def simplest(conditions: frozenset[int], groups: Mapping[int, np.ndarray]) -> frozenset[int]:
    """The same set without "any of a gate" where it names a group of that gate."""
    named = {name for name in conditions if len(groups[name]) == 1}
    return frozenset(n for n in conditions if n in named or not named & {*groups[n].tolist()})


def flat(products: list[Product]) -> np.ndarray:
    """All axes one after another."""
    return np.concatenate([axis for product in products for axis in product.axes] or [np.ones(0)])


def like(products: list[Product], values: np.ndarray) -> list[list[np.ndarray]]:
    """The inverse of `flat`: values for each axis of each product."""
    sizes = [len(axis) for product in products for axis in product.axes]
    parts = iter(np.split(values, np.cumsum(sizes)[:-1]))
    return [[next(parts) for _ in product.axes] for product in products]
