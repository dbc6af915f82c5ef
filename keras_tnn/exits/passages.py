"""The tensors that everything passes through, and the blocks between them.

An exit reads best where nothing goes past it: there it sees all that later layers see. Gates and
utilization are no way past: they carry decisions, not data. Nor are weights, which a layer reads
beside its input.
"""

from dataclasses import dataclass

from keras_tnn.gates import Gate
from keras_tnn.layers import Parameter
from keras_tnn.surgery.calls import Call, Graph, tensors_in
from keras_tnn.surgery.macs import macs_of_call


@dataclass(frozen=True)
class Block:
    """What multiplies between two passages, with what follows and does not.

    Attributes:
        end: the tensor behind it: after its sum and activation, before the next block.
        joins: whether paths meet in it, as in a residual or a dense block.
    """

    end: object
    joins: bool

    @property
    def resolution(self) -> tuple:
        """Sizes of the feature map, without batch and channels; () for a vector, or one place."""
        sizes = tuple(self.end.shape[1:-1])
        return sizes if any(size != 1 for size in sizes) else ()


def decisions(graph: Graph) -> set[int]:
    """The tensors, by `id`, that come from utilization or from gates alone, or are weights."""
    found = {id(x) for x in graph.inputs if x.name == "utilization"}
    for call in graph.calls:
        if isinstance(call.operation, (Gate, Parameter)) or found.issuperset(map(id, call.sources)):
            found.update(map(id, call.outputs))
    return found


def passages(graph: Graph) -> list[tuple[Call, list[Call]]]:
    """The calls whose output everything passes through, each with the calls since the last one.

    In running order no other tensor is read any more once such a call is done.
    """
    aside = decisions(graph)
    calls = [call for call in graph.calls if id(call.outputs[0]) not in aside]
    last_read = {id(x): len(calls) for x in tensors_in(graph.outputs)}
    for place, call in reversed([*enumerate(calls)]):
        if any(id(x) in last_read for x in call.outputs):
            for x in call.sources:
                last_read.setdefault(id(x), place)
    found, since = [], []
    open_until = max(last_read.get(id(x), 0) for x in graph.inputs if id(x) not in aside)
    for place, call in enumerate(calls):
        since.append(call)
        if open_until <= place and len(call.outputs) == 1 and id(call.output) in last_read:
            found.append((call, since))
            since = []
        open_until = max(open_until, *(last_read.get(id(x), 0) for x in call.outputs))
    return found


def blocks(graph: Graph) -> list[Block]:
    """The blocks of a model in order of depth, but for what ends in its output."""
    found, aside = [], decisions(graph)
    ends = {id(x) for x in tensors_in(graph.outputs)}
    for call, calls in passages(graph):
        joins = any(len({*map(id, one.inputs)} - aside) > 1 for one in calls)
        if id(call.output) in ends:
            continue
        if any(macs_of_call(one) for one in calls):
            found.append(Block(call.output, joins))
        elif found and found[-1].end.shape == call.output.shape:
            found[-1] = Block(call.output, found[-1].joins)
    return found
