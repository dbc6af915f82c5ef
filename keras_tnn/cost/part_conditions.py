"""Which gates must be open for a channel to be computed, found by closing them.

A channel is read, made or multiplied where all its conditions hold. A condition is a set of groups
of which one must be open: mostly one group, that of the channel or of a block around it. Where a
layer has nothing to read, or nobody reads what it makes, with the last of several groups closed,
the condition is any of those groups.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from keras_tnn.cost.remainder import Product, Remainder

CHECKED_PATTERNS = 8

Condition = frozenset[int]  # numbers of groups, counted over all gates, one of which is open
Conditions = frozenset[Condition]  # all of them hold


@dataclass(frozen=True)
class PartConditions:
    """When each part of a model's cost is there.

    Attributes:
        num_groups: how many groups all gates have together.
        parts: of the cost with all gates open.
        sets: the different `Conditions` of channels.
        indices: for each axis of each part, the index in `sets` of every channel; -1 for channels
            that are never computed.
    """

    num_groups: int
    parts: list[Product]
    sets: list[Conditions]
    indices: list[list[np.ndarray]]

    @property
    def gated(self) -> list[bool]:
        """Of each part, whether a gate closes any of it."""
        return [any(self.sets[i] for a in axes for i in {*a} - {-1}) for axes in self.indices]


def find_conditions(remainder: Remainder) -> PartConditions:
    """Closes each group in turn, then groups that together are all that a layer reads or makes.

    Args:
        remainder: the model.

    Raises:
        ValueError: if the conditions do not explain when a channel is computed.
    """
    pairs = list(zip(remainder.sites, remainder.groups, strict=True))
    single = [frozenset([int(groups[i])]) for site, groups in pairs for i in site.gate.free]
    dead = closed(remainder, single)
    sets, index = conditions_by_channel(dead, single, remainder)
    axes = [axis for part in like(remainder.parts, index) for axis in part]
    several = {one for axis in axes for one in jointly(sets, axis, remainder.groups)}
    several = sorted((one for one in several if may_fail(one, remainder)), key=sorted)
    if several:
        dead = np.concatenate([dead, closed(remainder, several)], axis=1)
        sets, index = conditions_by_channel(dead, single + several, remainder)
    check(remainder, sets, index)
    parts = [part for one in remainder.parts for part in one]
    return PartConditions(remainder.num_groups, parts, sets, like(remainder.parts, index))


def closed(remainder: Remainder, conditions: list[Condition]) -> np.ndarray:
    """Which channels go where a condition fails: bool array `(channels, conditions)`."""
    computed = flat(remainder.parts)
    ends = np.cumsum([0, *(len(flat([parts])) for parts in remainder.parts)])
    dead = np.zeros((len(computed), len(conditions)), bool)
    for column, condition in enumerate(conditions):
        is_open = np.ones(remainder.num_groups, bool)
        is_open[list(condition)] = False
        for i, parts in remainder.changed_parts(is_open).items():
            place = slice(ends[i], ends[i + 1])
            dead[place, column] = computed[place] & ~flat([parts])
    return dead


def conditions_by_channel(
    dead: np.ndarray, conditions: list[Condition], remainder: Remainder
) -> tuple[list[Conditions], np.ndarray]:
    """The different conditions of channels, and for each channel the index of its own."""
    numbers: dict[bytes, int] = {}
    rows = np.packbits(dead, axis=1)
    index = [numbers.setdefault(row.tobytes(), len(numbers)) for row in rows]
    packed = np.array([[*key] for key in numbers], "uint8")
    different = np.unpackbits(packed, axis=1, count=len(conditions))
    sets = [simplest(conditions[i] for i in np.flatnonzero(row)) for row in different]
    return sets, np.where(flat(remainder.parts), index, -1)


def simplest(conditions: Iterable[Condition]) -> Conditions:
    """The conditions without those that hold anyway, because a narrower one must."""
    conditions = frozenset(conditions)
    return frozenset(one for one in conditions if not any(other < one for other in conditions))


def jointly(sets: list[Conditions], axis: np.ndarray, gates: list[np.ndarray]) -> set[Condition]:
    """Groups that close all channels of an axis once the last of them is closed."""
    different = [sets[i] for i in {*axis.tolist()} - {-1}]
    if len(different) < 2:
        return set()
    common = frozenset.intersection(*different)
    own = [frozenset().union(*(one - common)) for one in different]  # groups of each channel
    covers = [[one & {*groups.tolist()} for one in own] for groups in gates]
    if all(len(one) == 1 for one in own):
        covers.append(own)
    return {frozenset().union(*cover) for cover in covers if all(cover)}


def may_fail(condition: Condition, remainder: Remainder) -> bool:
    """Whether all groups of a condition may be closed at once."""
    pairs = zip(remainder.sites, remainder.groups, strict=True)
    return all(
        len(condition.intersection(groups.tolist())) <= len(groups) - site.gate.min_groups
        for site, groups in pairs
    )


def check(remainder: Remainder, sets: list[Conditions], index: np.ndarray):
    """Compares with the whole pass on random patterns.

    Raises:
        ValueError: if they differ, naming the layers.
    """
    rng = np.random.default_rng(0)
    wrong: set[str] = set()
    for share in np.linspace(0.3, 0.9, CHECKED_PATTERNS):
        is_open = rng.random(remainder.num_groups) < share
        for site, groups in zip(remainder.sites, remainder.groups, strict=True):
            always = {*range(site.gate.num_groups)} - {*site.gate.free}
            is_open[groups[[*always, *range(site.gate.min_groups)]]] = True
        holds = np.array([all(is_open[list(c)].any() for c in one) for one in sets])
        expected = like(remainder.parts, np.where(index < 0, False, holds[index]))
        actual = [part for parts in remainder.parts_at(is_open) for part in parts]
        for part, axes in zip(actual, expected, strict=True):
            if any(np.any(a != b) for a, b in zip(part.axes, axes, strict=True)):
                wrong.add(part.layer)
    if wrong:
        raise ValueError(
            f"The cost of the gates is unknown: channels of the layers {sorted(wrong)} are "
            "computed where one gate or another is open, not where all of some gates are. "
            "Expected terms of a sum that open and close together, or one that is always open. "
            "Give such channels one gate, or `min_groups=1`."
        )


def flat(parts: list[list[Product]]) -> np.ndarray:
    """All axes one after another."""
    axes = [axis for one in parts for part in one for axis in part.axes]
    return np.concatenate([np.zeros(0, bool), *axes])


def like(parts: list[list[Product]], values: np.ndarray) -> list[list[np.ndarray]]:
    """The inverse of `flat`: values for each axis of each part."""
    parts = [part for one in parts for part in one]
    sizes = [len(axis) for part in parts for axis in part.axes]
    pieces = iter(np.split(values, np.cumsum(sizes)[:-1]))
    return [[next(pieces) for _ in part.axes] for part in parts]
