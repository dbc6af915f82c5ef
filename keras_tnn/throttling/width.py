"""Where gates over channels belong in a model, and which channel is in which group."""

import warnings
from collections import Counter
from dataclasses import dataclass, replace

from keras_tnn.surgery.graph import Call, Graph, tensors_in, width
from keras_tnn.surgery.rule import registered_rules, rule_of
from keras_tnn.surgery.rules.reshaping import ReshapeRule
from keras_tnn.surgery.ties import Ties


@dataclass(frozen=True)
class Width:
    """Group numbers in [0, num_groups) a channel, -1 for channels that are always open.

    Attributes:
        behind: for the `id` of each tensor that a gate shall follow, the groups of its channels.
        within: for the `id` of the output of each layer normalisation, those of its channels.
        most_groups: the largest `num_groups` that some layer can have; 0 if none may be gated.
    """

    behind: dict[int, list[int]]
    within: dict[int, list[int]]
    most_groups: int = 0


def plan_width(
    graph: Graph, num_groups: int, skip: set[str], channel_order: str | None, strict: bool
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
    """
    ties, labels = Ties(num_groups), {}
    unknown = follow(graph, ties, labels, skip)
    report(unknown, strict)
    importance = importances(ties, labels) if channel_order == "l1" else Counter()
    group_of, families = {}, ties.families()
    for units in families:
        if len(units) < num_groups:
            continue
        units = sorted(units, key=lambda unit: -importance[unit])  # stable: ties keep their order
        group_of |= {unit: rank * num_groups // len(units) for rank, unit in enumerate(units)}

    def groups_of(tensor):
        return [group_of.get(ties.units.of(int(x)), -1) for x in labels[id(tensor)]]

    made_by = {id(x): call for call in graph.calls for x in call.outputs}
    read = [before_reshaping(call.inputs[0], made_by) for call in ties.mixed]
    behind = {id(x): groups_of(x) for x in read}
    within = {id(call.output): groups_of(call.output) for call in ties.normalized}
    behind, within = (
        {key: groups for key, groups in one.items() if max(groups) >= 0} for one in (behind, within)
    )
    return Width(behind, within, max(map(len, families), default=0))


def follow(graph: Graph, ties: Ties, labels: dict, skip: set[str]) -> list[Call]:
    """Fills `labels` for every tensor; returns the calls of unknown kind that stop a gate."""
    labels |= {id(x): ties.pinned(width(x)) for x in graph.inputs}
    unknown, first_call = [], {}
    for call in graph.calls:
        inputs = [labels[id(x)] for x in call.inputs]
        free = any(not ties.pins.issuperset(one.tolist()) for one in inputs)
        if free and not registered_rules(type(call.operation)):
            unknown.append(call)
        for output in call.outputs:
            one = replace(call, output=output)  # of several outputs, each by itself
            labels[id(output)] = rule_of(call).tie(one, inputs, ties)
            if call.name in skip or len(call.outputs) > 1:
                ties.pin(labels[id(output)])
        if getattr(call.operation, "weights", None):  # a shared layer is cut in one way
            before = first_call.setdefault(id(call.operation), call)
            pairs = zip(ends(before), ends(call), strict=False)  # some inputs are optional
            for one, other in ((labels[id(a)], labels[id(b)]) for a, b in pairs):
                if len(one) == len(other):
                    ties.tie(one, other)
    for output in tensors_in(graph.outputs):
        ties.pin(labels[id(output)])
    return unknown


def ends(call: Call) -> tuple:
    """What a call reads and makes."""
    return (*call.inputs, *call.outputs)


def report(unknown: list[Call], strict: bool):
    """Warns, or raises, once for all layers of unknown kind."""
    if not unknown:
        return
    names = ", ".join(f"'{call.name}' ({type(call.operation).__name__})" for call in unknown)
    advice = "Register a rule for their kind with `keras_tnn.surgery.rule`"
    if strict:
        raise ValueError(f"No rule is known for the layers {names}. {advice}, or leave out strict.")
    warnings.warn(
        f"No rule is known for the layers {names}: what they read stays whole. {advice} to "
        "throttle through them.",
        UserWarning,
        stacklevel=4,
    )


def importances(ties: Ties, labels: dict) -> Counter:
    """For each unit, the L1 norm of the weights that read it."""
    total = Counter()
    for call in ties.mixed:
        norms = rule_of(call).importance(call)
        for label, norm in zip(labels[id(call.inputs[0])], norms, strict=True):
            total[ties.units.of(int(label))] += float(norm)
    return total


def before_reshaping(tensor, made_by: dict):
    """The tensor itself, or what a flatten or reshape made it from: it has fewer channels."""
    while id(tensor) in made_by and isinstance(rule_of(made_by[id(tensor)]), ReshapeRule):
        tensor = made_by[id(tensor)].inputs[0]
    return tensor
