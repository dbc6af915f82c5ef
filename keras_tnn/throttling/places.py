"""Who decides on which groups of a throttled model, before any gate is made.

A place is what one call of a gate decides on. Its members say who shares it: all families of
channels, each family by itself, families of one shape, or the whole network.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial

import keras

from keras_tnn.gates import Gate, Nested, depthwise_order
from keras_tnn.throttling.depth import ResidualBlock
from keras_tnn.throttling.gate_maker import GateMaker
from keras_tnn.throttling.width import Family


@dataclass(frozen=True)
class Place:
    """Groups of channels, blocks, or both, that one call of a gate decides on.

    Attributes:
        name: of the gate.
        make: makes the gate from a name.
        families: each with the column of the gate's values where its groups start.
        blocks: each with its column.
    """

    name: str
    make: Callable[..., Gate]
    families: list[tuple[Family, int]] = field(default_factory=list)
    blocks: list[tuple[ResidualBlock, int]] = field(default_factory=list)

    def entrances(self, order: dict[int, int]) -> list[tuple[int, int, object]]:
        """Where its members must be decided on, the first one first.

        Of each: the number of the call before it, minus how many calls it closes, and the tensor
        in front of it. A block is decided on where its branch starts, so that what is in it can
        be left out, and with it the gates in it.
        """
        found = []
        for block, _ in self.blocks:
            starts = [c for c in block.calls if any(x is block.shortcut for x in c.inputs)]
            at = min(order[id(call)] for call in starts)
            found.append((at, -len(block.calls), block.shortcut))
        for family, _ in self.families:
            found.append((order[id(family.makers[0])], 0, family.makers[0].inputs[0]))
        return sorted(found, key=lambda one: one[:2])


def places_of(
    families: list[Family],
    stages: list[list[ResidualBlock]],
    gates: Mapping[str, GateMaker | None],
    locked: bool,
    num_groups: int,
    min_groups: int,
) -> list[Place]:
    """The places of a model's gates.

    Args:
        families: of the model; those that stay whole are not among them.
        stages: residual blocks, a list for each stage.
        gates: who makes the gates of "width" and of "depth"; None for nested gating: one gate for
            all widths and one for all blocks, so that u alone decides.
        locked: whether families of one size obey one gate (herrmann2019, S1.3).
        num_groups, min_groups: of nested gating.
    """
    if gates["width"] is gates["depth"]:
        return places_by(gates["width"], families, stages, locked, num_groups, min_groups)
    wide = places_by(gates["width"], families, [], locked, num_groups, min_groups)
    return wide + places_by(gates["depth"], [], stages, False, num_groups, min_groups)


def places_by(
    gate: GateMaker | None, families, stages, locked: bool, num_groups: int, min_groups: int
) -> list[Place]:
    """The places of the gates that one maker makes; arguments as for `places_of`."""
    blocks = [block for stage in stages for block in stage]
    numbered = [(block, number) for number, block in enumerate(blocks)]
    alike = [(family, 0) for family in families]
    if gate is None:
        order = depthwise_order(tuple(map(len, stages)))
        channels = Place("open_groups", partial(Nested, num_groups, min_groups), alike)
        depth = Place("open_blocks", partial(Nested, len(order), order=order), [], numbered)
        return [place for place in (channels, depth) if place.families or place.blocks]
    if not families and not blocks:
        return []
    ask(gate, families, blocks)
    if gate.kind.shared:
        return walking(families, blocks, gate)
    if gate.kind.whole_network:
        return [whole_network(families, blocks, gate)]
    if locked and gate.reads("features", "image"):
        raise ValueError(
            "Invalid value for `locked`. A data-dependent gate decides for one layer, from what "
            "it reads. Expected False. Received: locked=True"
        )
    sharing = defaultdict(list)
    for family in families:
        size = (family.num_groups, family.min_groups, family.shape)
        sharing[size if locked else family.first].append((family, 0))
    places = [Place(**of_family(one[0][0], gate), families=one) for one in sharing.values()]
    if gate.learned or gate.reads("features", "image", "state"):
        return places + [Place(**of_block(block, gate), blocks=[(block, 0)]) for block in blocks]
    # u says how many of the blocks.
    make = partial(gate.make, num_groups=len(blocks), min_groups=0)
    return places + ([Place("open_blocks", make, blocks=numbered)] if blocks else [])


def whole_network(families: list[Family], blocks: list[ResidualBlock], gate: GateMaker) -> Place:
    """One gate for the groups of all families, then the blocks."""
    first_block = sum(family.num_groups for family in families)
    always_open = [n for family in families for n in family.numbers[: family.min_groups]]
    make = partial(gate.make, num_groups=first_block + len(blocks), always_open=always_open)
    columns = [(block, first_block + number) for number, block in enumerate(blocks)]
    return Place("open_groups", make, [(family, family.first) for family in families], columns)


def walking(families: list[Family], blocks: list[ResidualBlock], gate: GateMaker) -> list[Place]:
    """One gate that is called for block after block."""
    if families:
        raise ValueError(
            "Invalid value for `gate`. One gate that is called for block after block decides on "
            "blocks only. Expected axes=('depth',), or gates for each axis, such as "
            "gate={'depth': keras_tnn.gates.Recurrent}, and a model with residual blocks. "
            f"Received: a gate for the channels of '{families[0].makers[0].name}'"
        )
    one = cache(partial(gate.make, num_groups=1, min_groups=0, name="open_blocks"))
    return [Place(f"{b.add.name}_open", lambda name: one(), blocks=[(b, 0)]) for b in blocks]


def of_family(family: Family, gate: GateMaker) -> dict:
    sizes = {"num_groups": family.num_groups, "min_groups": family.min_groups}
    return {"name": f"{family.makers[0].name}_open", "make": partial(gate.make, **sizes)}


def of_block(block: ResidualBlock, gate: GateMaker) -> dict:
    sizes = {"num_groups": 1, "min_groups": 0}
    return {"name": f"{block.add.name}_open", "make": partial(gate.make, **sizes)}


def ask(gate: GateMaker, families: list[Family], blocks: list[ResidualBlock]):
    """Lets a function of gates make the first one, so that it is known what they need."""
    places = [*(of_family(one, gate) for one in families), *(of_block(b, gate) for b in blocks)]
    if places:
        gate.ask(**places[0]["make"].keywords, name=places[0]["name"])


def decided_in_time(
    families: list[Family], blocks: list[ResidualBlock], gate: GateMaker | None
) -> list[Family]:
    """The families that a gate has something to decide on, before their channels are computed.

    A gate that reads features sees what the layer reads that makes the channels, so layers that
    read different tensors cannot share one.
    """
    if gate is None:
        return list(families)
    families = [one for one in families if one.num_groups > one.min_groups]
    ask(gate, families, blocks)
    if not families or gate.kind.whole_network or not gate.reads("features"):
        return families
    reads = {id(one): one.makers[0].inputs[0] for one in families}
    # The numbers that a table is asked for are no features.
    families = [x for x in families if keras.backend.is_float_dtype(reads[id(x)].dtype)]
    if gate.kind.needs_positions:
        families = [one for one in families if len(one.makers[0].inputs[0].shape) > 2]
    return [one for one in families if len({id(call.inputs[0]) for call in one.makers}) == 1]
