"""On which axis of each tensor its channels lie.

Most layers look for them on the last axis, those with `data_format="channels_first"` behind the
samples, a normalisation where its `axis` says. A transposition carries them elsewhere; sums and
activations leave them where they are. Who makes a tensor of channels says first, then who reads it;
what nobody says is the last axis. Where the two differ, what lies between is kept whole. Axes are
counted from the end, as tensors of several ranks are lined up there.
"""

from keras_tnn.surgery.calls import LAST, Call, Graph
from keras_tnn.surgery.registry import find
from keras_tnn.surgery.rule import Rule

Axes = dict[int, int | None]  # by `id` of a tensor; None where nobody said so far


def lay_out(graph: Graph) -> Graph:
    """Says of each tensor of a graph where its channels lie: see `calls.channel_axis`.

    Returns:
        The graph, its tensors labelled.
    """
    pairs = [(call, rules[-1]) for call in graph.calls if (rules := find(type(call.operation))[0])]
    if all(is_last(call, one) for call, one in pairs):
        return graph
    axes: Axes = {}
    for call, one in pairs:
        settle(call, one.puts_all(call, looks(call, one)), axes)
    for call, one in reversed(pairs):
        up(call, one, axes)
    for call, one in pairs:
        settle(call, one.puts_all(call, known_so_far(call, one, axes)), axes)
    for call, one in reversed(pairs):
        up(call, one, axes)
    for call in graph.calls:
        for x in (*call.inputs, *call.outputs):
            x.channel_axis = axes.get(id(x)) or LAST
    return graph


def is_last(call: Call, one: Rule) -> bool:
    """Whether a call finds and leaves channels on the last axis."""
    made = one.puts_all(call, [LAST] * len(call.inputs))
    return {made, *looks(call, one)} <= {LAST, None}


def looks(call: Call, one: Rule) -> list[int | None]:
    """Where a call takes the channels of its inputs to be."""
    return [one.looks_at(call, x) for x in call.inputs]


def known_so_far(call: Call, one: Rule, axes: Axes) -> list[int | None]:
    """The same, as far as it is known by now."""
    return [one.looks_at(call, x) or axes.get(id(x)) for x in call.inputs]


def settle(call: Call, made: int | None, axes: Axes):
    """Says where the channels of what a call makes lie, if nobody did."""
    axes |= {id(x): made for x in call.outputs if made and not axes.get(id(x))}


def up(call: Call, one: Rule, axes: Axes):
    """From what a call makes to what it reads, where that is the only axis it can come from."""
    made = axes.get(id(call.outputs[0])) if one.one_axis else None
    for x in call.inputs:
        if not axes.get(id(x)):
            from_axes = range(-len(x.shape), 0) if made else ()
            able = [axis for axis in from_axes if one.puts(call, axis) == made]
            axes[id(x)] = one.looks_at(call, x) or (able[0] if len(able) == 1 else None)
