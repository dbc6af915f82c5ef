"""A cost as a polynomial in the gates z, exact for zeros and ones and linear in each z between.

A convolution costs positions x (sum over inputs c of prod z) x (sum over outputs c of prod z),
each product over the gates that channel c needs. Gates that all channels of a call need stand
before the sums once, and where an input and an output need the same gate the pair is put right,
so that z^2 does not appear. "Any of some gates" is 1 - prod (1 - z).
"""

import math
from collections import Counter

import numpy as np
from keras import ops

from keras_tnn.cost.part_conditions import Condition, Conditions, PartConditions, simplest

ALWAYS: Conditions = frozenset()


class GatePolynomial:
    """Sum over terms of weight x prod z x (sum of products of z) x (sum of products of z).

    Args:
        conditions: the parts of the cost, and when each is there.

    Call arguments:
        values: which groups are open, float tensor `(batch, num_groups)`.

    Attributes:
        whole: the cost with all gates open.
        constant: the part of it that no gate closes.
        repairs: pairs of channels of a call that need the same gate, as weights and columns.
    """

    def __init__(self, conditions: PartConditions):
        self.num_groups = conditions.num_groups
        self.whole = self.constant = 0.0
        self.columns: dict[Conditions, int] = {ALWAYS: 0}
        self.terms, self.repairs = [], []
        for part, axes in zip(conditions.parts, conditions.indices, strict=True):
            counts = [Counter(conditions.sets[i] for i in axis if i >= 0) for axis in axes]
            if all(counts):
                self.add(part.weight, counts)
        self.arrange()

    def column(self, conditions: Conditions) -> int:
        return self.columns.setdefault(conditions, len(self.columns))

    def add(self, weight: float, axes: list[Counter], shared: Conditions = ALWAYS):
        """Adds weight x the sums over all axes, each given as how many channels need what."""
        if len(axes) > 2:
            for conditions, count in axes[0].items():
                self.add(weight * count, axes[1:], shared | conditions)
            return
        left, right = (*axes, Counter({ALWAYS: 1}))[:2]
        weight_of_all = weight * left.total() * right.total()
        self.whole += weight_of_all
        common = simplest(shared | frozenset.intersection(*left) | frozenset.intersection(*right))
        shared = frozenset(c for c in common if not (implied(c, left) or implied(c, right)))
        left, right = without(common, left), without(common, right)
        if {*left, *right, shared} == {ALWAYS}:
            self.constant += weight_of_all
            return
        self.terms.append((weight, self.column(shared), *map(self.by_column, (left, right))))
        self.repair(weight, left, right, shared)

    def by_column(self, side: Counter) -> dict[int, int]:
        return {self.column(conditions): count for conditions, count in side.items()}

    def repair(self, weight: float, left: Counter, right: Counter, shared: Conditions):
        """Where both channels of a pair need the same gate, it counts once."""
        reached = [groups_named(side) for side in (left, right, [shared])]
        if sum(map(len, reached)) == len(set().union(*reached)):
            return
        for one, count in left.items():
            for other, times in right.items():
                both = simplest(one | other | shared)
                if len(both) < len(one) + len(other) + len(shared):
                    sets = (both, one, other, shared)
                    self.repairs.append((weight * count * times, *map(self.column, sets)))

    def arrange(self):
        """Terms and conditions as arrays."""
        used = frozenset().union(*self.columns)
        self.anys = sorted((sorted(one) for one in used if len(one) > 1), key=tuple)
        place = {frozenset(one): self.num_groups + i for i, one in enumerate(self.anys)}
        place |= {one: min(one) for one in used if len(one) == 1}
        degree = max(map(len, self.columns))
        # What a product has no factor for is the last, which is 1.
        self.factors = np.full((degree, len(self.columns)), self.num_groups + len(self.anys))
        for conditions, column in self.columns.items():
            self.factors[: len(conditions), column] = sorted(place[one] for one in conditions)
        self.left, self.right = np.zeros((2, len(self.columns), len(self.terms)), "float32")
        for i, (_, _, *sides) in enumerate(self.terms):
            for matrix, side in zip((self.left, self.right), sides, strict=True):
                matrix[list(side), i] = list(side.values())

    def products(self, values):
        """For each of the different conditions, the product of its factors: `(batch, columns)`."""
        one = ops.ones_like(values[:, :1])
        closed = [ops.take(1 - values, groups, axis=-1) for groups in self.anys]
        anys = [1 - ops.prod(group, axis=-1, keepdims=True) for group in closed]
        factors = ops.concatenate([values, *anys, one], axis=-1)
        return math.prod((ops.take(factors, places, axis=-1) for places in self.factors), start=one)

    def __call__(self, values):
        values = ops.cast(values, "float32")
        products = self.products(values)
        total = ops.full_like(values[:, 0], self.constant)
        if self.terms:
            weights, shared = (np.array(x) for x in list(zip(*self.terms, strict=True))[:2])
            sums = ops.matmul(products, self.left) * ops.matmul(products, self.right)
            sums = sums * ops.take(products, shared, axis=-1)
            total = total + ops.matmul(sums, weights.astype("float32"))
        if self.repairs:
            weights, *columns = (np.array(x) for x in zip(*self.repairs, strict=True))
            both, *parts = (ops.take(products, column, axis=-1) for column in columns)
            total = total + ops.matmul(both - math.prod(parts), weights.astype("float32"))
        return total


def implied(condition: Condition, side: Counter) -> bool:
    """Whether it holds anyway for every channel of a side."""
    return all(condition not in simplest(one | {condition}) for one in side)


def without(common: Conditions, side: Counter) -> Counter:
    """The same channels with what they need beside `common`."""
    rest = Counter()
    for conditions, count in side.items():
        rest[simplest(conditions | common) - common] += count
    return rest


def groups_named(sets) -> set[int]:
    """All groups that some conditions name."""
    return {group for conditions in sets for condition in conditions for group in condition}
