"""Where gates over channels belong in a model, and which channel is in which group."""

import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from keras_tnn.surgery.calls import Call, Graph, tensors_in, width
from keras_tnn.surgery.channels import by_tensor
from keras_tnn.surgery.registry import rule_of
from keras_tnn.surgery.rules.reshaping import ReshapeRule
from keras_tnn.surgery.ties import Ties
from keras_tnn.throttling.rows import ELSEWHERE, rows_per_sample

NO_LABELS = np.array([], int)

Granularity = int | Mapping[str, int]  # channels a group, everywhere or by name of a layer


@dataclass(frozen=True)
class Family:
    """Channels that are tied to each other, or heads, in groups that open and close as one.

    Attributes:
        makers: the calls that make the channels, in order.
        first: number of the first group among those of the whole model.
        num_groups: cardinality D.
        min_groups: how many of the groups must stay open.
        channels: how many channels or heads there are.
        heads: whether they are the heads of attention layers.
    """

    makers: tuple[Call, ...]
    first: int
    num_groups: int
    min_groups: int
    channels: int
    heads: bool = False

    @property
    def numbers(self) -> range:
        """The groups' numbers."""
        return range(self.first, self.first + self.num_groups)

    @property
    def shape(self) -> tuple:
        """Shape of what the first layer makes: layers of one shape may share a gate."""
        return tuple(self.makers[0].output.shape)


@dataclass(frozen=True)
class Width:
    """Which channels are gated: numbers of groups, counted through the model; -1 is always open.

    Attributes:
        families: the channels that are gated, in order of their first groups.
        behind: for the `id` of each tensor that a gate shall follow, the groups of its channels.
        within: for the `id` of the output of each layer normalisation, those of its channels.
        heads: for the `id` of the output of each attention layer, those of its heads.
        most_groups: the largest `num_groups` that some layer can have; 0 if none may be gated.
        whole: by the name of a layer, why the channels that it makes stay, where none may close.
    """

    families: list[Family]
    behind: dict[int, list[int]]
    within: dict[int, list[int]]
    heads: dict[int, list[int]]
    most_groups: int = 0
    whole: dict[str, str] = field(default_factory=dict)


def plan_width(
    graph: Graph,
    num_groups: int,
    skip: set[str],
    channel_order: str | None,
    strict: bool,
    granularity: Granularity | None = None,
    keep: Callable[[tuple[Call, ...]], int] = lambda makers: 1,
    choose: Callable[[list[Family]], list[Family]] = list,
    one_gate: bool = True,
) -> Width:
    """Says where gates over channels belong.

    Gates stand in front of the layers that mix channels, so what lies between two such layers,
    norms and activations included, is computed for open channels only once it is cut. Channels
    that are tied to each other, or to a model input or output, agree everywhere.

    Args:
        graph: of the model.
        num_groups: the cardinality D.
        skip: names of layers whose outputs stay whole.
        channel_order: None or "l1", as `throttle` takes it.
        strict: whether a layer of unknown kind is an error.
        granularity: as `throttle` takes it.
        keep: how many groups must stay open of the channels that some calls make.
        choose: which of the families shall be gated.
        one_gate: whether one gate of `num_groups` opens all families. Heads are few: where they
            are fewer, each opens with one of its groups; else they have as many as there are.
    """
    ties, labels, makers = Ties(num_groups), {}, {}
    unknown = follow(graph, ties, labels, makers, skip)
    report(unknown, strict)
    importance = importances(ties, labels) if channel_order == "l1" else Counter()
    heads = {int(label) for one in ties.heads.values() for label in one}
    units_of = ties.families()
    family_of = {unit: i for i, units in enumerate(units_of) for unit in units}
    calls_of = defaultdict(list)
    for label, call in makers.items():
        calls_of[family_of.get(ties.units.of(label))].append(call)
    found, members, first = [], {}, 0
    for i, units in enumerate(units_of):
        calls, of_heads = tuple(calls_of[i]), units[0] in heads
        if not calls:  # weights that nothing in the network makes
            continue
        size = rule_of(calls[0]).head_size(calls[0])[1] if of_heads else 1
        groups = groups_in(len(units), calls, num_groups, granularity, size)
        if of_heads and not groups:
            groups = num_groups if one_gate else len(units)
        if groups:
            least = min(keep(calls), groups)
            found.append(Family(calls, first, groups, least, len(units), of_heads))
            members[first] = units
            first += groups
    families, group_of = choose(found), {}
    for family in families:
        # A stable sort: equals keep their order.
        units = sorted(members[family.first], key=lambda unit: -importance[unit])
        for part in ties.by_part(units):
            for rank, unit in enumerate(part):
                group_of[unit] = family.first + rank * family.num_groups // len(part)

    def groups_of_labels(some):
        return [group_of.get(ties.units.of(int(x)), -1) for x in some]

    def groups_of(tensor):
        return groups_of_labels(labels[id(tensor)])

    read = [before_reshaping(x, graph.made_by) for call in ties.mixed for x in call.inputs]
    behind = {id(x): groups_of(x) for x in read}
    within = {id(call.output): groups_of(call.output) for call in ties.normalized}
    inside = {key: groups_of_labels(one) for key, one in ties.heads.items()}
    gated = (
        {key: groups for key, groups in one.items() if max(groups) >= 0}
        for one in (behind, within, inside)
    )
    whole = {} if units_of else reasons_of(ties, makers)
    return Width(families, *gated, max(map(len, units_of), default=0), whole)


def groups_in(
    channels: int,
    makers: tuple[Call, ...],
    num_groups: int,
    granularity: Granularity | None,
    size: int = 1,
) -> int:
    """How many groups a family gets; 0 leaves it whole.

    Args:
        channels: how many channels, or heads, it has.
        makers, num_groups, granularity: as for `plan_width`.
        size: how many channels a head has.
    """
    if isinstance(granularity, Mapping):
        granularity = next(
            (granularity[name] for c in makers for name in c.names & granularity.keys()), None
        )
    if granularity is None:
        return num_groups if channels >= num_groups else 0
    return -(-channels // max(1, granularity // size))


def follow(graph: Graph, ties: Ties, labels: dict, makers: dict, skip: set[str]) -> list[Call]:
    """Fills `labels` for every tensor; returns the calls of unknown kind that stop a gate.

    `makers` gets, for the first of the labels that a call makes anew, of its channels and of its
    heads, the call.
    """
    ties.reason = "the model's inputs are whole"
    labels |= {id(x): ties.pinned(width(x)) for x in graph.inputs}
    unknown, first_call, rows = [], {}, rows_per_sample(graph)
    for call in graph.calls:
        ties.reason = f"'{call.name}' ({type(call.operation).__name__}) needs them whole"
        inputs = [labels[id(x)] for x in call.inputs]
        free = any(not ties.pins.keys() >= {*one.tolist()} for one in inputs)
        if (free or has_matrices(call.operation)) and not rule_of(call).followed:
            unknown.append(call)
        for x in call.masks:
            ties.pin(labels[id(x)])
        first, mixed = len(ties.layer), len(ties.mixed)
        made = rule_of(call).tie(call, inputs, ties)
        for x in call.inputs if len(ties.mixed) > mixed else ():
            if rows[id(x)] == ELSEWHERE:  # no place for a gate
                ties.pin(labels[id(x)])
        labels |= zip(map(id, call.outputs), by_tensor(made, call.outputs), strict=True)
        if call.inputs:  # a `Parameter` makes nothing of them
            makers |= dict.fromkeys({*ties.layer[first:]}, call)
        if skip & call.names or rows[id(call.outputs[0])] is None:
            skipped = f"'{call.name}' is in `skip`"
            ties.reason = skipped if skip & call.names else f"'{call.name}' mixes samples"
            ties.pin(made)
            for x in call.outputs:
                ties.pin(ties.heads.get(id(x), NO_LABELS))
        if getattr(call.operation, "weights", None):  # a shared layer is cut in one way
            before = first_call.setdefault(id(call.operation), call)
            pairs = zip(ends(before), ends(call), strict=False)  # some inputs are optional
            pairs = [(labels[id(a)], labels[id(b)]) for a, b in pairs]
            heads = [ties.heads.get(id(one.outputs[0]), NO_LABELS) for one in (before, call)]
            for one, other in (*pairs, heads):
                if len(one) == len(other):
                    ties.tie(one, other)
    ties.reason = "they are outputs of the model"
    for output in tensors_in(graph.outputs):
        ties.pin(labels[id(output)])
    return unknown


def reasons_of(ties: Ties, makers: dict[int, Call]) -> dict[str, str]:
    """For each layer that makes channels, by name, why they cannot close."""
    found = dict(zip(makers, ties.reasons(list(makers)), strict=True))
    return {
        call.name: found[label] or f"there are {width(call.outputs[0])} of them"
        for label, call in makers.items()
        if has_matrices(call.operation)
    }


def has_matrices(operation) -> bool:
    """Whether a layer makes channels, or holds layers that do, as a `TimeDistributed` network."""
    return any(len(w.shape) > 1 for w in getattr(operation, "weights", ()))


def ends(call: Call) -> tuple:
    """What a call reads and makes."""
    return (*call.inputs, *call.outputs)


def report(unknown: list[Call], strict: bool):
    """Warns, or raises, once for all layers of unknown kind."""
    if not unknown:
        return
    names = ", ".join(map(name_and_kind, unknown))
    advice = "Register a rule for their kind with `keras_tnn.surgery.rule`"
    if strict:
        raise ValueError(f"No rule is known for the layers {names}. {advice}, or leave out strict.")
    warnings.warn(
        f"No rule is known for the layers {names}: what they read and make stays whole. {advice} "
        "to throttle through them.",
        UserWarning,
        stacklevel=4,
    )


def name_and_kind(call: Call) -> str:
    """The call by name and kind, and why nobody looks inside, where somebody tried."""
    because = f", which {call.closed_by}" if call.closed_by else ""
    return f"'{call.name}' ({type(call.operation).__name__}){because}"


def importances(ties: Ties, labels: dict) -> Counter:
    """For each unit, the L1 norm of the weights that read it."""
    read = []
    for call in ties.mixed:
        norms = rule_of(call).importance(call)
        read += [(labels[id(x)], one) for x, one in zip(call.inputs, norms, strict=True)]
        if id(call.output) in ties.heads:
            read.append((ties.heads[id(call.output)], rule_of(call).head_importance(call)))
    total = Counter()
    for some, norms in read:
        for label, norm in zip(some, norms, strict=True):
            total[ties.units.of(int(label))] += float(norm)
    return total


def before_reshaping(tensor, made_by: dict):
    """The tensor itself, or what a flatten or reshape made it from: it has fewer channels."""
    while id(tensor) in made_by and isinstance(rule_of(made_by[id(tensor)]), ReshapeRule):
        tensor = made_by[id(tensor)].inputs[0]
    return tensor
