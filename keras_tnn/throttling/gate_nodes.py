"""Who decides in a throttled copy: the gates as nodes of the graph, and which layer obeys which.

Three ways: one nested gate for all widths and one for all blocks, so that u alone decides; a gate
of its own for each family of channels and each block (or for all blocks together, where it is not
learned: u opens a share of them); or one gate for the whole network.
"""

from collections.abc import Callable, Collection
from typing import Any

from keras import ops

from keras_tnn.gates import Gate, LearnedGate, Nested, depthwise_order
from keras_tnn.throttling.depth import ResidualBlock
from keras_tnn.throttling.width import Family


class SharedGates:
    """All families obey one nested gate, all blocks another.

    Args:
        families: of the model; those that stay whole are not among them.
        stages: residual blocks, a list for each stage.
        utilization: the model's input u.
        unused: gives a name that no layer of the model has.
        num_groups, min_groups: of the gate for channels.
    """

    def __init__(self, families, stages, utilization, unused, num_groups, min_groups):
        self.num_groups = num_groups
        self.open_groups = self.open_blocks = None
        if families:
            gate = Nested(num_groups, min_groups, name=unused("open_groups"))
            self.open_groups = gate(utilization)
        if stages:
            order = depthwise_order(tuple(len(stage) for stage in stages))
            gate = Nested(len(order), order=order, name=unused("open_blocks"))
            self.open_blocks = gate(utilization)

    def for_channels(self, numbers: list[int], tensors: dict) -> tuple[Any, list[int]]:
        """The gates that channels obey, `(batch, groups)`, and the group of each among them.

        Args:
            numbers: for each channel its group's number in the model, or -1.
            tensors: the copy's tensors so far, by `id` of the model's.
        """
        return self.open_groups, [n if n < 0 else n % self.num_groups for n in numbers]

    def for_block(self, index: int, tensors: dict) -> tuple[Any, int]:
        """The gates that a block obeys, `(batch, groups)`, and which of them is its own."""
        return self.open_blocks, index


class OwnGates:
    """Every family of channels has a gate, and every block, made when it is first obeyed.

    Args:
        families, stages, utilization, unused: as for `SharedGates`.
        gate: makes a gate from `num_groups`, `min_groups` and `name`.
        locked: whether families of one size obey one gate (herrmann2019, S1.3).
    """

    def __init__(self, families, stages, utilization, unused, gate, locked=False):
        self.families: list[Family] = families
        self.blocks: list[ResidualBlock] = [block for stage in stages for block in stage]
        self.utilization, self.unused, self.gate, self.locked = utilization, unused, gate, locked
        self.made: dict[Any, Any] = {}

    def node(self, key, gate: Gate, features):
        """The gate's output; the same again for the same key."""
        if key not in self.made:
            more = {"features": features} if gate.data_dependent else {}
            self.made[key] = gate(self.utilization, **more)
        return self.made[key]

    def of_family(self, family: Family, tensors: dict):
        alike = (family.num_groups, family.min_groups, family.shape)
        key = alike if self.locked else family.first
        if key in self.made:
            return self.made[key]
        name = self.unused(f"{family.makers[0].name}_open")
        gate = self.gate(num_groups=family.num_groups, min_groups=family.min_groups, name=name)
        return self.node(key, gate, tensors[id(family.makers[0].inputs[0])])

    def for_channels(self, numbers, tensors):
        present = [family for family in self.families if any(n in family.numbers for n in numbers)]
        nodes = [self.of_family(family, tensors) for family in present]
        place, offset = {-1: -1}, 0
        for family in present:
            place |= {n: offset + n - family.first for n in family.numbers}
            offset += family.num_groups
        node = nodes[0] if len(nodes) == 1 else ops.concatenate(nodes, axis=-1)
        return node, [place[n] for n in numbers]

    def for_block(self, index, tensors):
        kind = kind_of(self.gate)
        if not (kind.data_dependent or isinstance(kind, LearnedGate)):  # u says how many
            return self.of_blocks(), index
        block = self.blocks[index]
        gate = self.gate(num_groups=1, min_groups=0, name=self.unused(f"{block.add.name}_open"))
        return self.node(("block", index), gate, tensors[id(block.shortcut)]), 0

    def of_blocks(self):
        if "blocks" not in self.made:
            name = self.unused("open_blocks")
            gate = self.gate(num_groups=len(self.blocks), min_groups=0, name=name)
            self.made["blocks"] = gate(self.utilization)
        return self.made["blocks"]


class OneGate:
    """One gate for the whole network: the groups of all families, then the blocks.

    Args:
        families, stages, utilization, unused: as for `SharedGates`.
        gate: makes a gate from `num_groups`, `always_open` (numbers of groups) and `name`.
    """

    def __init__(self, families, stages, utilization, unused, gate):
        self.first_block = sum(family.num_groups for family in families)
        always_open = [n for family in families for n in family.numbers[: family.min_groups]]
        made = gate(
            num_groups=self.first_block + sum(len(stage) for stage in stages),
            always_open=always_open,
            name=unused("open_groups"),
        )
        self.node = made(utilization)

    def for_channels(self, numbers, tensors):
        return self.node, numbers

    def for_block(self, index, tensors):
        return self.node, self.first_block + index


def gate_nodes(
    gate: Callable[..., Gate] | None, locked: bool, num_groups: int, min_groups: int, **model
) -> SharedGates | OwnGates | OneGate:
    """The way that fits the gate: None is nested gating; else a class of gates, or what makes one.

    Args:
        gate: as `throttle` takes it.
        locked: as `throttle` takes it.
        num_groups, min_groups: of nested gating.
        **model: `families`, `stages`, `utilization` and `unused`.
    """
    if gate is None:
        return SharedGates(**model, num_groups=num_groups, min_groups=min_groups)
    if kind_of(gate).whole_network:
        return OneGate(**model, gate=gate)
    return OwnGates(**model, gate=gate, locked=locked)


def kind_of(gate: Callable[..., Gate]) -> Gate:
    """A gate as `gate` makes them, to ask what it needs.

    Raises:
        ValueError: if `gate` does not make gates.
    """
    try:
        made = gate(num_groups=2)
    except TypeError:  # not callable, or not with this argument
        made = None
    if not isinstance(made, Gate):
        raise ValueError(
            "Invalid value for `gate`. Expected a class of keras_tnn.gates, or a function of "
            f"`num_groups`, `min_groups` and `name` that makes a gate. Received: gate={gate!r}"
        )
    return made


def decided_in_time(families: Collection[Family], gate: Callable[..., Gate] | None):
    """The families that a gate has something to decide on, before their channels are computed.

    A data-dependent gate sees what the layer reads that makes the channels, so layers that read
    different tensors cannot share one.
    """
    if gate is None:
        return list(families)
    families = [one for one in families if one.num_groups > one.min_groups]
    if not kind_of(gate).data_dependent:
        return families
    return [one for one in families if len({id(call.inputs[0]) for call in one.makers}) == 1]
